// Policies that are functions of the state: a table, an MLP. They answer for any batch of states, which exact evaluation uses;
// sessions and scores of trajectories follow from that here, once.
// Shapes: B rows, A actions, T steps.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "gflownet/core/environment.h"
#include "gflownet/core/policy.h"

namespace gfn {

struct StateValues {
  at::Tensor forward_logits_BA;   // unnormalised
  at::Tensor backward_logits_BA;  // over A_back; undefined: the uniform backward policy
  at::Tensor log_flow_B;          // undefined unless the policy has a flow head
};

class StatePolicy : public Policy {
 public:
  explicit StatePolicy(const Environment& environment) : environment_(environment) {}

  // Everything the policy knows of those states, differentiable.
  virtual StateValues Evaluate(const State& state) const = 0;
  virtual bool HasFlow() const = 0;
  // P_B is other than uniform.
  virtual bool HasLearnedBackward() const = 0;
  // The forward logits are log flows of edges (Bengio et al. 2106.04399): log F(s) is their log-sum-exp and LogInEdges is
  // defined.
  virtual bool HasEdgeFlows() const { return false; }
  // log F(parent -> s) of the edge that each backward action undoes, [B, A_back] (one column on a tree); illegal: any finite
  // value.
  virtual at::Tensor LogInEdges(const State& state) const;

  const Environment& environment() const { return environment_; }
  const StatePolicy* OfStates() const override { return this; }
  Needs Provides() const override;
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override;
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override;
  at::Tensor BackwardLogits(const State& state) const override;
  bool LearnsBackward() const override { return HasLearnedBackward(); }

 private:
  const Environment& environment_;
};

}  // namespace gfn
