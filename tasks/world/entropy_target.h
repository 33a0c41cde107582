// The second GFlowNet of an entropy (gflownet/estimate/entropy.h) as a run of its own.
#pragma once

#include "gflownet/base/status.h"
#include "tasks/world/world.h"
#include "tasks/world/world_config.h"

namespace gfn {

// Puts -R' log R' in the place of the world's reward R. InvalidArgument for a world that cannot be listed where log c is not
// given, for a continuous one, and for one that learns its energy.
Status UseEntropyTarget(const EntropyTargetConfig& config, World& world);

}  // namespace gfn
