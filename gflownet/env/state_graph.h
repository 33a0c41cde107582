// All states of a small world and all steps between them, made once: dynamic programming over it gives exact answers about any
// policy and reward, in worlds with nature's outcomes too.
// Shapes: N states, X objects, A actions, E edges. Nodes 0 .. N-1 are states, N .. N+X-1 objects.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trajectory.h"

namespace gfn {

// Refuses a world with more than `max_steps` pairs of state and action, naming its number of states.
inline constexpr int64_t kMaxListedSteps = int64_t{1} << 23;
Status CheckListable(const EnumerableEnvironment& environment, int64_t max_steps = kMaxListedSteps);

class StateGraph {
 public:
  static StatusOr<StateGraph> Build(const EnumerableEnvironment& environment, ConditionId condition,
                                    int64_t max_steps = kMaxListedSteps);

  int64_t num_states() const { return num_states_; }
  int64_t num_objects() const { return num_objects_; }
  int64_t num_edges() const { return parent_E_.numel(); }

  // An edge is a legal action of a state with a possible outcome. Edges are sorted by parent, and a child is later than its
  // parent, so one pass in order goes down the graph and one in reverse order up.
  const at::Tensor& parent_E() const { return parent_E_; }                    // int64: a state
  const at::Tensor& action_E() const { return action_E_; }                    // int64
  const at::Tensor& outcome_E() const { return outcome_E_; }                  // int64: 0 unless the world is stochastic
  const at::Tensor& log_outcome_E() const { return log_outcome_E_; }          // float64: log of nature's probability
  const at::Tensor& child_E() const { return child_E_; }                      // int64: a node
  const at::Tensor& backward_action_E() const { return backward_action_E_; }  // int64: 0 in a tree

  // log-probability that a trajectory from a state on (0: the initial one) visits each node, given log pi(a | s) of legal
  // actions. [N, A] -> [N + X]
  at::Tensor LogReach(const at::Tensor& log_pf_NA, int64_t from = 0) const;
  // The same of the objects alone: log q(x). [X]
  at::Tensor LogTerminating(const at::Tensor& log_pf_NA, int64_t from = 0) const {
    return LogReach(log_pf_NA, from).slice(0, num_states_);
  }

  // One trajectory to each object, complete: rewards that look at trajectories can be evaluated on it.
  StatusOr<TrajectoryBatch> OneTrajectoryEach(const EnumerableEnvironment& environment) const;

 private:
  StateGraph() = default;

  ConditionId condition_;
  int64_t num_states_ = 0, num_objects_ = 0;
  at::Tensor parent_E_, action_E_, outcome_E_, log_outcome_E_, child_E_, backward_action_E_;
};

// log R of every object, float64 [X]. A value that is not finite is refused with its place.
StatusOr<at::Tensor> ExactLogReward(const EnumerableEnvironment& environment, const StateGraph& graph, const Reward& reward,
                                    ConditionId condition);

}  // namespace gfn
