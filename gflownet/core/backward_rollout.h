// Walking back from finished objects by P_B: trajectories of known objects, for training on them whatever way they were found.
// Shapes: B rows.
#pragma once

#include <cstdint>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/trajectory.h"

namespace gfn {

// One trajectory to each finished row of `objects`, drawn from P_B(. | x) of the policy (Policy::BackwardLogits), complete but
// without rewards. The k-th step back of row b is drawn at (key, streams_B[b], k). For discrete, deterministic worlds; on a tree
// there is nothing to draw. Logits that are not finite are refused.
StatusOr<TrajectoryBatch> BackwardRollout(const Environment& environment, const Policy& policy, const State& objects,
                                          const std::vector<ConditionId>& conditions_B, const std::vector<uint64_t>& streams_B,
                                          const RngKey& key);

}  // namespace gfn
