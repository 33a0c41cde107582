// The second GFlowNet of an entropy (gflownet/estimate/entropy.h) as a run of its own.
#pragma once

#include "gflownet/base/status.h"
#include "tasks/world/world.h"
#include "tasks/world/world_config.h"

namespace gfn {

// Puts -R' log R' in the place of the world's reward R. InvalidArgument for a world that cannot be listed where log c is not given, and for
// a continuous one.
Status UseEntropyTarget(const EntropyTargetConfig& config, World& world);

}  // namespace gfn
