// What is known exactly of a sampler and its target, seen from one state: by dynamic programming where all states can be listed,
// by the objects where only these can, and by the reward's own method (Reward::LogSumBelow) where there are too many. Nothing of
// it is sampled. Shapes: N states, X objects.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "gflownet/env/state_graph.h"
#include "gflownet/estimate/sample_from.h"

namespace gfn {

// The state after legal actions from the initial one.
State StateAfter(const Environment& environment, ConditionId condition, const std::vector<int64_t>& path);

class ExactValues {
 public:
  // Of the state after `path`, which must be legal. Worlds with more than max_states states, or objects, are not listed. What the
  // sampler borrows must outlive the result.
  static StatusOr<ExactValues> Find(const Sampler& sampler, const std::vector<int64_t>& path, int64_t max_states);

  // Which states and objects lie below the state; empty: that is known of trees and of worlds with a rule or a list alone.
  const BelowFunction& below() const { return below_; }

  // Of the target R^(1/T); nothing where it is not known.
  std::optional<double> LogZ() const { return log_z_; }
  std::optional<double> LogSumBelow() const { return log_sum_below_; }
  std::optional<double> LogFlow() const { return log_flow_; }
  // Of the target's objects below the state, with probability R^(1/T) / Z(s). By the reward's own method it is
  // log Z(s) - b d log Z(s) / d b for R^b at b = 1 / T, by central differences: to about 1e-6.
  std::optional<double> EntropyBelow() const;
  // How many objects lie below the state; bool [X].
  std::optional<int64_t> NumBelow() const;
  const std::optional<at::Tensor>& is_below_X() const { return is_below_X_; }
  const std::optional<at::Tensor>& log_reward_X() const { return log_r_X_; }  // log R / T
  const std::optional<StateGraph>& graph() const { return graph_; }

  // log q of every object of what the sampler makes from the state on, float64 [X]; nothing where the states are not listed, or
  // where only trajectories could tell (the policy is no function of the state) and there are too many.
  StatusOr<std::optional<at::Tensor>> LogQ() const;

 private:
  Sampler sampler_;
  std::vector<int64_t> path_;
  const EnumerableEnvironment* enumerable_ = nullptr;
  std::optional<State> state_;
  int64_t index_ = 0;  // of the state, in a graph
  std::optional<StateGraph> graph_;
  std::optional<at::Tensor> log_r_X_, is_below_X_;
  std::optional<double> log_z_, log_sum_below_, log_flow_;
  BelowFunction below_;
};

}  // namespace gfn
