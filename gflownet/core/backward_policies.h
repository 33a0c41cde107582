// Policies that take their forward part from another one and decide P_B themselves.
// Shapes: B rows, A_back backward actions, N states.
#pragma once

#include <ATen/core/Tensor.h>

#include "gflownet/core/state_policy.h"

namespace gfn {

// The forward logits of a policy read as log flows of edges (Bengio et al. 2106.04399): log F(s) is their log-sum-exp over the
// legal actions, P_F their softmax, and P_B(s | s') the share of F(s -> s') in the flow into s'. Costs one evaluation of every
// parent of every visited state. The policy's own flow and backward heads, if any, are not used. References must outlive this
// object.
class EdgeFlowPolicy : public StatePolicy {
 public:
  explicit EdgeFlowPolicy(const StatePolicy& policy) : StatePolicy(policy.environment()), policy_(policy) {}
  StateValues Evaluate(const State& state) const override;
  bool HasFlow() const override { return true; }
  bool HasLearnedBackward() const override { return true; }
  bool HasEdgeFlows() const override { return true; }
  at::Tensor LogInEdges(const State& state) const override;
  // The forward part is the other policy's, and so are its ways of sampling.
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override {
    return policy_.StartRollout(conditions_B);
  }

 private:
  const StatePolicy& policy_;
};

// P_B(s | s') = n(s) / n(s') with n(s) the number of trajectories that lead to s: every trajectory to an object is then equally
// likely, and the sampler has the largest entropy over trajectories (Mohammadpour et al. 2312.14331). n is counted once over all
// states of the world, whose rules must be the same for every condition. References must outlive this object.
class MaxEntropyBackwardPolicy : public StatePolicy {
 public:
  MaxEntropyBackwardPolicy(const StatePolicy& policy, const EnumerableEnvironment& environment, ConditionId condition);
  StateValues Evaluate(const State& state) const override;
  bool HasFlow() const override { return policy_.HasFlow(); }
  bool HasLearnedBackward() const override { return true; }
  bool LearnsBackward() const override { return false; }
  at::Tensor BackwardLogits(const State& state) const override;
  // The forward part is the other policy's, and so are its ways of sampling.
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override {
    return policy_.StartRollout(conditions_B);
  }

 private:
  const StatePolicy& policy_;
  const EnumerableEnvironment& enumerable_;
  at::Tensor log_paths_N_;
};

// log n(s), the number of trajectories from the initial state to each decision state, float64 [N].
at::Tensor LogPathCounts(const EnumerableEnvironment& environment, ConditionId condition);

}  // namespace gfn
