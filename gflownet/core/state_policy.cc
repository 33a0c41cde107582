#include "gflownet/core/state_policy.h"

#include "gflownet/base/check.h"
#include "gflownet/core/rollout.h"
#include "gflownet/tensor/categorical.h"

namespace gfn {
namespace {

class StateSession : public RolloutSession {
 public:
  explicit StateSession(const StatePolicy& policy) : policy_(policy) {}
  at::Tensor Logits(const State& state) override { return policy_.Evaluate(state).forward_logits_BA; }
  void Advance(const at::Tensor&) override {}
  void Keep(const at::Tensor&) override {}
  bool MayRepeatRows() const override { return true; }

 private:
  const StatePolicy& policy_;
};

// values_M at flat places of a [B, T] matrix of zeros, differentiable.
at::Tensor Spread(const at::Tensor& values_M, const at::Tensor& places_M, const at::Tensor& mask_BT) {
  return at::zeros({mask_BT.numel()}, values_M.options()).index_copy(0, places_M, values_M).view(mask_BT.sizes());
}

at::Tensor Pick(const at::Tensor& log_probs_MA, const at::Tensor& actions_M) {
  return log_probs_MA.gather(1, actions_M.unsqueeze(1)).squeeze(1);
}

}  // namespace

Needs StatePolicy::Provides() const {
  Needs needs = Need::kLogPf | Need::kLogPb;
  if (!environment_.Spec().stop_actions.empty()) needs = needs | Need::kLogStop;
  if (HasFlow()) needs = needs | Need::kLogFlow;
  if (HasEdgeFlows()) needs = needs | Need::kLogInflow;
  return needs;
}

at::Tensor StatePolicy::LogInEdges(const State&) const {
  GFN_CHECK(false) << "this policy has no flows of edges";
  return {};
}

at::Tensor StatePolicy::BackwardLogits(const State& state) const {
  if (HasEdgeFlows()) return LogInEdges(state);
  return HasLearnedBackward() ? Evaluate(state).backward_logits_BA : at::Tensor();
}

std::unique_ptr<RolloutSession> StatePolicy::StartRollout(const std::vector<ConditionId>&) const {
  return std::make_unique<StateSession>(*this);
}

TrajectoryScores StatePolicy::Score(const TrajectoryBatch& batch, const ScoreOptions& options) const {
  GFN_CHECK(Provides().Covers(options.needs)) << "asked for " << options.needs.Without(Provides()).ToString();
  const at::AutoGradMode grad_mode(options.with_grad);
  TrajectoryScores scores;
  SetGroups(batch, at::kCPU, scores);
  const int64_t num_steps = batch.num_steps();

  // Real decision states (k < L) and the states that the steps lead to, as flat rows b * T + k and b * T1 + k.
  const std::vector<State> states = Unroll(environment_, batch);
  std::vector<State> parents(states.begin(), states.end() - 1), children(states.begin() + 1, states.end());
  const at::Tensor places_M = scores.mask_BT.flatten().nonzero().squeeze(1);
  // Concatenated states are step-major: row k * B + b.
  const at::Tensor step_major_M = places_M.remainder(num_steps) * batch.size() + places_M.div(num_steps, "floor");
  const State parent = State::Concatenate(parents).Gather(step_major_M);
  const at::Tensor actions_M = batch.actions_BT.flatten().index_select(0, places_M);

  const StateValues values = Evaluate(parent);
  const at::Tensor log_probs_MA = environment_.ForwardSupport(parent).LogProbs(values.forward_logits_BA);
  scores.log_pf_BT = Spread(Pick(log_probs_MA, actions_M), places_M, scores.mask_BT);

  if (options.needs.Has(Need::kLogStop)) {
    const at::Tensor last_B = batch.actions_BT.gather(1, (batch.lengths_B - 1).unsqueeze(1)).squeeze(1);
    const at::Tensor stops_M = last_B.index_select(0, places_M.div(num_steps, "floor"));
    const at::Tensor legal_M = batch.stop_legal_BT.flatten().index_select(0, places_M);
    const at::Tensor log_stop_M = Pick(log_probs_MA, stops_M);
    scores.log_stop_BT = Spread(at::where(legal_M, log_stop_M, at::zeros_like(log_stop_M)), places_M, scores.mask_BT);
  }
  if (options.needs.Has(Need::kLogFlow)) scores.log_flow_BT = Spread(values.log_flow_B, places_M, scores.mask_BT);
  const bool needs_backward = options.needs.Has(Need::kLogPb) && !environment_.Spec().is_tree;
  if (needs_backward || options.needs.Has(Need::kLogInflow)) {
    const State child = State::Concatenate(children).Gather(step_major_M);
    const Support support = environment_.BackwardSupport(child);
    at::Tensor logits = BackwardLogits(child);
    if (options.needs.Has(Need::kLogInflow)) {
      const at::Tensor log_inflow_M = LogSumExp(logits.masked_fill(support.Dense().logical_not(), -INFINITY));
      scores.log_inflow_BT = Spread(log_inflow_M, places_M, scores.mask_BT);
    }
    if (needs_backward) {
      if (!logits.defined()) logits = at::zeros({places_M.numel(), support.num_actions}, log_probs_MA.options());
      const at::Tensor back_M = batch.backward_actions_BT.flatten().index_select(0, places_M);
      at::Tensor log_pb_M = Pick(support.LogProbs(logits), back_M);
      if (environment_.Spec().is_stochastic) {
        const at::Tensor outcomes_M = batch.outcomes_BT.flatten().index_select(0, places_M);
        log_pb_M = log_pb_M - Pick(environment_.LogOutcomes(parent, actions_M), outcomes_M).to(log_pb_M.scalar_type());
      }
      scores.log_pb_BT = Spread(log_pb_M, places_M, scores.mask_BT);
    }
  }
  return scores;
}

}  // namespace gfn
