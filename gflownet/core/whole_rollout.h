// A session that can sample whole trajectories by itself. Rollout asks such a session first.
#pragma once

#include <optional>
#include <vector>

#include "gflownet/core/policy.h"
#include "gflownet/core/rollout.h"

namespace gfn {

class WholeRollout {
 public:
  virtual ~WholeRollout() = default;
  // What Rollout returns, with the draws at the same addresses by the same rule: the same actions, but where logits that differ
  // in their last bits put a draw on the other side of an edge. Nothing: it cannot for these rows, and the caller goes step by
  // step.
  virtual std::optional<StatusOr<TrajectoryBatch>> Sample(const std::vector<RolloutRow>& rows_B, const RngKey& key) = 0;
};

}  // namespace gfn
