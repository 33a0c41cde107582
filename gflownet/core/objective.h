// A training loss over what a policy says of a batch. Objectives are pure functions of tensors: no environment, no network,
// no configuration of a run, no input or output. Minimising one makes q(x) proportional to R(x)^(1/T).
// Shapes: B rows, T steps, G groups (distinct conditions).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "gflownet/base/status.h"
#include "gflownet/core/objective_config.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trajectory.h"

namespace gfn {

// The loss of a step is sum(numerator) / sum(weight) over all groups of all its micro-batches; the trainer divides once, so how
// a step is cut into micro-batches of whole groups changes nothing.
struct GroupLoss {
  at::Tensor numerator_G;  // with gradient
  at::Tensor weight_G;     // >= 0, without gradient; a group of weight 0 has nothing to say
};

class Objective {
 public:
  virtual ~Objective() = default;
  virtual std::string Name() const = 0;
  virtual Needs needs() const = 0;
  // Uses Targets::log_reward_along_BT: the reward must be a PrefixReward.
  virtual bool NeedsPrefixRewards() const { return false; }
  // Uses Targets::log_reward_along_BT as a reward of unfinished objects: of a PrefixReward in a world with one stop action, or an
  // EnergyReward in one with none.
  virtual bool NeedsIntermediateRewards() const { return false; }
  // A stop must be legal in every state, and there must be one stop action.
  virtual bool NeedsStopsEverywhere() const { return false; }
  // Sums over the parents of a state.
  virtual bool NeedsListedParents() const { return false; }
  // P_B gets a gradient. Without one a policy cannot make up for what nature does in a stochastic world.
  virtual bool TrainsBackward() const { return true; }
  // Wrong on rollouts of another policy than the one that is trained.
  virtual bool NeedsOnPolicy() const { return false; }
  // Right also when several optimiser steps are taken on the same rollouts.
  virtual bool AllowsSeveralUpdates() const { return true; }
  // Trains on known objects instead of the policy's own; the reward is not evaluated.
  virtual bool NeedsGivenObjects() const { return false; }
  // Fewest rollouts of a condition with which every parameter gets a gradient.
  virtual int64_t MinRollouts() const { return 1; }
  // Holds parts of itself fixed (advantages, targets, weights): its gradient is meant, and is not the derivative of its value.
  virtual bool IsSurrogate() const { return false; }
  virtual GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const = 0;
};

// a_n = log R / T + sum log_pb - sum log_pf of each row: its estimate of log Z. Equal for all rows of a condition when the
// sampler is perfect. [B]
at::Tensor FinalLogZEstimates(const TrajectoryScores& scores, const Targets& targets);

// a_k for every prefix where stopping is legal: log R_k / T + sum_{m<k} (log_pb - log_pf) - log_stop; 0 elsewhere. [B, T]
at::Tensor PrefixLogZEstimates(const TrajectoryScores& scores, const Targets& targets);

// InvalidArgument with every value out of range.
StatusOr<std::unique_ptr<Objective>> MakeObjective(const ObjectiveConfig& config);

}  // namespace gfn
