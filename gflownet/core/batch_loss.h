// What one batch says of a policy under an objective: the middle of a training step, as the trainer takes it and as `gfn doctor`
// looks at it.
#pragma once

#include <ATen/core/Tensor.h>

#include "gflownet/core/environment.h"
#include "gflownet/core/objective.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trajectory.h"

namespace gfn {

struct BatchLoss {
  TrajectoryScores scores;
  Targets targets;
  GroupLoss loss;

  // sum(numerator) / sum(weight): what a step on this batch alone minimises. A scalar, with gradient where the scores have one.
  at::Tensor Mean() const { return loss.numerator_G.sum().div(loss.weight_G.sum()); }
};

struct BatchLossOptions {
  double temperature = 1;          // of the reward; this is where it acts, once
  ScoreOptions score{};            // what is asked for is decided by the objective
  at::Tensor sampled_log_pf_BT{};  // of the policy that drew the rows; undefined: it has not changed since
};

// What the objective asks of a policy in this world: on a tree log_pb is 0 and nobody is asked for it.
Needs NeedsIn(const Environment& environment, const Objective& objective);

BatchLoss LossOfBatch(const Environment& environment, const Policy& policy, const Objective& objective,
                      const TrajectoryBatch& batch, const BatchLossOptions& options);

}  // namespace gfn
