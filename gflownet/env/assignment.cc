#include "gflownet/env/assignment.h"

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/env/counting.h"

namespace gfn {
namespace {

State MakeAssignment(at::Tensor values_BN, at::Tensor done_B) {
  return State(std::move(done_B)).Set("values", std::move(values_BN));
}

at::Tensor NumAssigned(const State& state) { return AssignmentWorld::Values(state).ge(0).sum(1); }

}  // namespace

AssignmentWorld::AssignmentWorld(const std::string& name, int64_t num_sites, int64_t num_values, AssignmentOrder order)
    : num_sites_(num_sites), num_values_(num_values), order_(order) {
  GFN_CHECK(num_sites >= 1 && num_values >= 1);
  spec_.name = name;
  spec_.is_tree = order == AssignmentOrder::kLeftToRight;
  spec_.num_actions = spec_.is_tree ? num_values : num_sites * num_values;
  spec_.num_backward_actions = spec_.is_tree ? 0 : num_sites;
  spec_.max_steps = num_sites;
}

State AssignmentWorld::Initial(const std::vector<ConditionId>& conditions_B) const {
  const int64_t rows = static_cast<int64_t>(conditions_B.size());
  return MakeAssignment(at::full({rows, num_sites_}, -1, at::kLong), at::zeros({rows}, at::kBool));
}

at::Tensor AssignmentWorld::SiteOf(const State& state, const at::Tensor& actions_B) const {
  return spec_.is_tree ? NumAssigned(state) : actions_B.div(num_values_, "floor");
}

State AssignmentWorld::Step(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  const at::Tensor value_B = spec_.is_tree ? actions_B : actions_B.remainder(num_values_);
  const at::Tensor here_BN = OneAt(SiteOf(state, actions_B), num_sites_).logical_and(state.done_B().logical_not().unsqueeze(1));
  at::Tensor values_BN = at::where(here_BN, value_B.unsqueeze(1), Values(state));
  at::Tensor done_B = values_BN.ge(0).all(1);
  return MakeAssignment(std::move(values_BN), std::move(done_B));
}

State AssignmentWorld::Undo(const State& state, const at::Tensor& backward_actions_B) const {
  const at::Tensor site_B = spec_.is_tree ? NumAssigned(state) - 1 : backward_actions_B;
  return MakeAssignment(Values(state).masked_fill(OneAt(site_B, num_sites_), -1), at::zeros_like(state.done_B()));
}

at::Tensor AssignmentWorld::BackwardAction(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  return spec_.is_tree ? at::zeros_like(actions_B) : SiteOf(state, actions_B);
}

Support AssignmentWorld::ForwardSupport(const State& state) const {
  Support support;
  support.num_actions = spec_.num_actions;
  support.done_B = state.done_B();
  if (!spec_.is_tree) {
    const at::Tensor open_BN1 = Values(state).lt(0).unsqueeze(2);
    support.mask_BA = open_BN1.expand({state.batch_size(), num_sites_, num_values_}).flatten(1);
  }
  return support;
}

Support AssignmentWorld::BackwardSupport(const State& state) const {
  if (spec_.is_tree) return Environment::BackwardSupport(state);
  Support support;
  support.num_actions = num_sites_;
  support.mask_BA = Values(state).ge(0);
  support.done_B = IsInitial(state);
  return support;
}

at::Tensor AssignmentWorld::IsInitial(const State& state) const { return Values(state).lt(0).all(1); }

at::Tensor AssignmentWorld::IsBelow(const State& state, const State& root) const {
  return Values(state).eq(Values(root)).logical_or(Values(root).lt(0)).all(1);
}

std::string AssignmentWorld::Format(const State& state, int64_t row) const {
  std::string text;
  for (int64_t i = 0; i < num_sites_; ++i) text += FormatSite(Values(state)[row][i].item<int64_t>());
  return text;
}

std::string AssignmentWorld::SupportDigest() const {
  return spec_.name + " sites=" + std::to_string(num_sites_) + " values=" + std::to_string(num_values_) + " " +
         std::string(EnumName(order_));
}

int64_t AssignmentWorld::NumStates() const {
  if (spec_.is_tree) {
    int64_t count = 0;
    for (int64_t length = 0; length < num_sites_; ++length) count = CountSum(count, CountPower(num_values_, length));
    return count;
  }
  // All partial assignments less the complete ones.
  const int64_t all = CountPower(num_values_ + 1, num_sites_);
  return all == INT64_MAX ? all : all - CountPower(num_values_, num_sites_);
}

int64_t AssignmentWorld::NumObjects() const { return CountPower(num_values_, num_sites_); }

State AssignmentWorld::ObjectsAt(const at::Tensor& index_B, ConditionId) const {
  const MixedRadix numbers(std::vector<int64_t>(num_sites_, num_values_));
  return MakeAssignment(numbers.Digits(index_B), at::ones({index_B.size(0)}, at::kBool));
}

at::Tensor AssignmentWorld::ObjectIndex(const State& state) const {
  return MixedRadix(std::vector<int64_t>(num_sites_, num_values_)).Number(Values(state).clamp_min(0));
}

at::Tensor AssignmentWorld::Key(const State& state) const {
  return MixedRadix(std::vector<int64_t>(num_sites_, num_values_ + 1)).Number(Values(state) + 1);
}

at::Tensor AssignmentWorld::Features(const State& state) const {
  return at::one_hot(Values(state) + 1, num_values_ + 1).flatten(1).to(at::kFloat);
}

}  // namespace gfn
