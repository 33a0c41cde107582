// Objects of a world from a file, for maximum likelihood, a warm start or a seeded replay buffer.
#pragma once

#include <cstdint>
#include <string>

#include "gflownet/core/policy.h"
#include "gflownet/core/trajectory.h"
#include "tasks/world/world.h"

namespace gfn {

// JSON lines {"text": ...} as `gfn sample` prints them; every line is one row of the result, with a trajectory drawn from the
// policy's P_B. For deterministic worlds that can be listed: an object is found by its text. A text that no object has is refused
// with its line.
StatusOr<TrajectoryBatch> ReadGivenObjects(const World& world, const Policy& policy, const std::string& path, uint64_t seed);

}  // namespace gfn
