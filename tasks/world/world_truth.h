// What the exact metrics of a world compare with: all its objects and what they are worth. Of a continuous world with few
// coordinates the objects are the cells of a quadrature. Shapes: X objects.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/core/policy.h"
#include "gflownet/env/state_graph.h"
#include "tasks/world/world.h"
#include "tasks/world/world_config.h"

namespace gfn {

// Of one condition, computed once. The world must outlive it.
class ExactTruth {
 public:
  static StatusOr<ExactTruth> Find(const World& world, ConditionId condition);

  // log R of every object, float64 [X]; of a cell log of the integral of R over it, so that their sum is Z here too.
  const at::Tensor& log_reward_X() const { return log_reward_X_; }
  // log of the probability that a trajectory ends in each object, float64 [X]. InvalidArgument if the policy is of another kind
  // than the world needs.
  StatusOr<at::Tensor> LearnedLogProbs(const Policy& policy) const;
  // The probabilities sum to 1 within this.
  double tolerance() const { return graph_.has_value() ? 1e-5 : 0.02; }
  // The objects of these numbers; of cells their midpoints.
  State ObjectsAt(const at::Tensor& index_K) const;

 private:
  ExactTruth(const World& world, ConditionId condition) : world_(&world), condition_(condition) {}

  const World* world_;
  ConditionId condition_;
  std::optional<StateGraph> graph_;  // of a world that can be listed
  at::Tensor log_reward_X_;
};

// How many states (or points of a quadrature) exact metrics look at, 0 if they are not computed. InvalidArgument if they are
// required of a world that cannot be listed, with the reason.
StatusOr<int64_t> NumExactStates(const World& world, const WorldMetricsConfig& config);

// The truth of every condition where exact metrics are computed, else nothing.
StatusOr<std::vector<ExactTruth>> FindTruth(const World& world, const WorldMetricsConfig& config);

}  // namespace gfn
