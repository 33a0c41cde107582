#include "gflownet/env/state_policies.h"

#include <algorithm>

#include "gflownet/base/check.h"
#include "gflownet/env/fast_mlp.h"

namespace gfn {

StateFeatures::StateFeatures(const FastWorld& face, Function function) : function_(std::move(function)), fast_face_(&face) {
  if (!function_) function_ = [&face](const State& state) { return RowFeatures(face, state); };
}

std::vector<int64_t> MlpOptions::HiddenSizes(int64_t num_features) const {
  std::vector<int64_t> sizes = {num_features};
  sizes.insert(sizes.end(), static_cast<size_t>(depth), width);
  return sizes;
}

TabularPolicy::TabularPolicy(const EnumerableEnvironment& environment, std::vector<ConditionId> conditions,
                             ParameterSet& parameters, const StatePolicyOptions& options)
    : StatePolicy(environment), enumerable_(environment), conditions_(std::move(conditions)) {
  GFN_CHECK(!conditions_.empty());
  const EnvironmentSpec& spec = environment.Spec();
  const int64_t num_conditions = static_cast<int64_t>(conditions_.size()), num_states = environment.NumStates();
  forward_ =
      parameters.Add("table.forward", kPolicyGroup, at::zeros({num_conditions, num_states, spec.num_actions}, options.dtype));
  if (options.learned_backward && !spec.is_tree) {
    const int64_t num_all = num_states + environment.NumObjects();
    backward_ = parameters.Add("table.backward", kPolicyGroup,
                               at::zeros({num_conditions, num_all, spec.num_backward_actions}, options.dtype));
  }
  if (options.flow) flow_ = parameters.Add("table.flow", kPolicyGroup, at::zeros({num_conditions, num_states}, options.dtype));
}

at::Tensor TabularPolicy::Rows(const State& state, const at::Tensor& index_B, const at::Tensor& table) const {
  at::Tensor flat_B = index_B;
  if (conditions_.size() > 1) {
    at::Tensor slot_B = at::full_like(index_B, -1);
    for (size_t i = 0; i < conditions_.size(); ++i) {
      const at::Tensor mine_B = state.Get("condition").eq(static_cast<int64_t>(conditions_[i].value));
      slot_B = slot_B.masked_fill(mine_B, static_cast<int64_t>(i));
    }
    GFN_CHECK(slot_B.ge(0).all().item<bool>()) << "a condition that the table does not know";
    flat_B = slot_B * table.size(1) + index_B;
  }
  return table.flatten(0, 1).index_select(0, flat_B);
}

StateValues TabularPolicy::Evaluate(const State& state) const {
  StateValues values;
  // Finished rows have no decision; they read row 0, which their support masks.
  const at::Tensor index_B = enumerable_.StateIndex(state).masked_fill(state.done_B(), 0);
  values.forward_logits_BA = Rows(state, index_B, forward_);
  if (flow_.defined()) values.log_flow_B = Rows(state, index_B, flow_);
  if (backward_.defined()) {
    const at::Tensor object_B = enumerable_.ObjectIndex(state) + enumerable_.NumStates();
    values.backward_logits_BA = Rows(state, at::where(state.done_B(), object_B, index_B), backward_);
  }
  return values;
}

MlpPolicy::MlpPolicy(const Environment& environment, StateFeatures features, int64_t num_features, ParameterSet& parameters,
                     const MlpOptions& options, const RngKey& init)
    : StatePolicy(environment),
      features_(std::move(features)),
      dtype_(options.heads.dtype),
      trunk_(&parameters, "mlp", kPolicyGroup, options.HiddenSizes(num_features), MlpActivation::kRelu, init, dtype_) {
  const EnvironmentSpec& spec = environment.Spec();
  // Each head draws from a key of its own, beside the trunk's.
  auto head = [&](const std::string& name, int64_t out, uint64_t number) {
    const RngKey key{init.seed, init.purpose, init.step + number};
    return std::make_unique<Linear>(&parameters, name, kPolicyGroup, options.width, out, key, dtype_);
  };
  forward_ = head("forward", spec.num_actions, 1);
  if (options.heads.learned_backward && !spec.is_tree) backward_ = head("backward", spec.num_backward_actions, 2);
  if (options.heads.flow) flow_ = head("flow", 1, 3);
  const FastWorld* world = FastFace(environment);
  if (world != nullptr && features_.fast_face() == world && dtype_ == at::kFloat) {
    fast_ = std::make_unique<FastMlp>(environment, *world, parameters, options.depth,
                                      FastHeads{backward_ != nullptr, flow_ != nullptr});
  }
}

MlpPolicy::~MlpPolicy() = default;

std::unique_ptr<RolloutSession> MlpPolicy::StartRollout(const std::vector<ConditionId>& conditions_B) const {
  std::unique_ptr<RolloutSession> session = StatePolicy::StartRollout(conditions_B);
  return fast_ == nullptr ? std::move(session) : fast_->StartRollout(std::move(session));
}

TrajectoryScores MlpPolicy::Score(const TrajectoryBatch& batch, const ScoreOptions& options) const {
  if (fast_ == nullptr || !fast_->CanScore(options.needs)) return StatePolicy::Score(batch, options);
  GFN_CHECK(Provides().Covers(options.needs)) << "asked for " << options.needs.Without(Provides()).ToString();
  return fast_->Score(batch, options);
}

StateValues MlpPolicy::Evaluate(const State& state) const {
  const at::Tensor hidden = trunk_.Apply(features_(state).to(dtype_)).relu();
  StateValues values;
  values.forward_logits_BA = forward_->Apply(hidden);
  if (backward_ != nullptr) values.backward_logits_BA = backward_->Apply(hidden);
  if (flow_ != nullptr) values.log_flow_B = flow_->Apply(hidden).squeeze(1);
  return values;
}

}  // namespace gfn
