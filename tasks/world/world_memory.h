// The memory that a run on a world takes, from the shapes of its parts alone: nothing of it is allocated to find out.
#pragma once

#include <cstdint>

#include "gflownet/base/status.h"
#include "gflownet/core/trajectory.h"
#include "tasks/task/task.h"
#include "tasks/world/world.h"
#include "tasks/world/world_config.h"

namespace gfn {

// Beside what the program takes before it. InvalidArgument where exact metrics are required and cannot be had.
StatusOr<MemoryParts> EstimateWorldMemory(const World& world, const WorldSettings& config, const RunSettings& settings,
                                          Needs needs);

}  // namespace gfn
