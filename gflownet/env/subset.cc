#include "gflownet/env/subset.h"

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/env/counting.h"
#include "gflownet/env/make_world.h"
#include "gflownet/tensor/random.h"

namespace gfn {
namespace {

State MakeSubset(at::Tensor members_Bn, at::Tensor done_B) {
  return State(std::move(done_B)).Set("members", std::move(members_Bn));
}

int64_t CountSizes(int64_t num_elements, int64_t first, int64_t last) {
  int64_t count = 0;
  for (int64_t size = first; size <= last; ++size) count = CountSum(count, CountSubsets(num_elements, size));
  return count;
}

}  // namespace

void SubsetConfig::Validate(ConfigErrors& errors) const {
  if (max_size > num_elements) {
    errors.Add("max_size", "is " + std::to_string(max_size) + ", but there are " + std::to_string(num_elements) + " elements");
  }
  if (min_size > max_size) {
    errors.Add("min_size",
               "is " + std::to_string(min_size) + ", but must be at most max_size (" + std::to_string(max_size) + ")");
  }
}

Subset::Subset(const SubsetConfig& config) : config_(config) {
  GFN_CHECK(config.min_size <= config.max_size && config.max_size >= 1 && config.max_size <= config.num_elements);
  spec_.name = "subset";
  spec_.num_actions = config.num_elements + (HasStop() ? 1 : 0);
  spec_.num_backward_actions = spec_.num_actions;
  spec_.max_steps = config.max_size + (HasStop() ? 1 : 0);
  if (HasStop()) spec_.stop_actions = {config.num_elements};
  spec_.stops_everywhere = HasStop() && config.min_size == 0;
}

State Subset::Initial(const std::vector<ConditionId>& conditions_B) const {
  const int64_t rows = static_cast<int64_t>(conditions_B.size());
  return MakeSubset(at::zeros({rows, config_.num_elements}, at::kBool), at::zeros({rows}, at::kBool));
}

State Subset::Step(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  const at::Tensor open_B = state.done_B().logical_not();
  const at::Tensor added_Bn = OneAt(actions_B, config_.num_elements).logical_and(open_B.unsqueeze(1));
  at::Tensor members_Bn = Members(state).logical_or(added_Bn);
  const at::Tensor ends_B = HasStop() ? actions_B.eq(config_.num_elements) : members_Bn.sum(1).ge(config_.max_size);
  return MakeSubset(std::move(members_Bn), state.done_B().logical_or(ends_B));
}

State Subset::Undo(const State& state, const at::Tensor& backward_actions_B) const {
  return MakeSubset(Members(state).logical_and(OneAt(backward_actions_B, config_.num_elements).logical_not()),
                    at::zeros_like(state.done_B()));
}

at::Tensor Subset::BackwardAction(const State&, const at::Tensor& actions_B, const at::Tensor&) const { return actions_B; }

Support Subset::ForwardSupport(const State& state) const {
  Support support;
  support.num_actions = spec_.num_actions;
  support.mask_BA = Members(state).logical_not();
  if (HasStop()) {
    const at::Tensor size_B = Members(state).sum(1);
    support.stops_S = at::tensor(spec_.stop_actions, at::kLong);
    support.stop_legal_B = size_B.ge(config_.min_size);
    support.inner_legal_B = size_B.lt(config_.max_size);
    support.mask_BA = at::cat({support.mask_BA, at::zeros({state.batch_size(), 1}, at::kBool)}, 1);
  }
  support.done_B = state.done_B();
  return support;
}

Support Subset::BackwardSupport(const State& state) const {
  Support support;
  support.num_actions = spec_.num_backward_actions;
  support.mask_BA = Members(state);
  if (HasStop()) {
    const at::Tensor done_B1 = state.done_B().unsqueeze(1);
    support.mask_BA = at::cat({support.mask_BA.logical_and(done_B1.logical_not()), done_B1}, 1);
  }
  support.done_B = IsInitial(state);
  return support;
}

at::Tensor Subset::IsInitial(const State& state) const { return Members(state).any(1).logical_or(state.done_B()).logical_not(); }

at::Tensor Subset::IsBelow(const State& state, const State& root) const {
  return Members(state).logical_or(Members(root).logical_not()).all(1);
}

std::string Subset::Format(const State& state, int64_t row) const {
  std::vector<std::string> members;
  for (int64_t i = 0; i < config_.num_elements; ++i) {
    if (Members(state)[row][i].item<bool>()) members.push_back(std::to_string(i));
  }
  std::string text = "{";
  text += Join(members, ", ");
  text += state.done_B()[row].item<bool>() ? "} stop" : "}";
  return text;
}

std::string Subset::SupportDigest() const {
  return "subset elements=" + std::to_string(config_.num_elements) + " size=" + std::to_string(config_.min_size) + ".." +
         std::to_string(config_.max_size);
}

int64_t Subset::NumStates() const {
  return CountSizes(config_.num_elements, 0, HasStop() ? config_.max_size : config_.max_size - 1);
}
int64_t Subset::NumObjects() const { return CountSizes(config_.num_elements, config_.min_size, config_.max_size); }

at::Tensor Subset::Key(const State& state) const {
  return MixedRadix(std::vector<int64_t>(config_.num_elements, 2)).Number(Members(state).to(at::kLong));
}

at::Tensor Subset::Features(const State& state) const { return Members(state).to(at::kFloat); }

SubsetReward::SubsetReward(const Subset& world, const SubsetRewardConfig& config) : StateReward(world), config_(config) {
  const int64_t n = world.config().num_elements;
  const RngKey key{static_cast<uint64_t>(config.seed), RngPurpose::kData, 0};
  weights_n_ = config.weight_scale * NormalTensor(key, {n}, at::kDouble, /*stream=*/0);
  pairs_nn_ = (config.pair_scale * NormalTensor(key, {n, n}, at::kDouble, /*stream=*/1)).triu(1);
}

at::Tensor SubsetReward::LogRewardOf(const State& objects) const {
  const at::Tensor members_Bn = Subset::Members(objects).to(at::kDouble);
  return members_Bn.matmul(weights_n_) + (members_Bn.matmul(pairs_nn_) * members_Bn).sum(1);
}

std::string SubsetReward::Digest() const {
  return "subset seed=" + std::to_string(config_.seed) + " weight_scale=" + FormatReal(config_.weight_scale) +
         " pair_scale=" + FormatReal(config_.pair_scale);
}

StatusOr<RewardedWorld> CreateWorld(const SubsetConfig& config) { return BuildWorld<Subset, SubsetReward>(config); }

}  // namespace gfn
