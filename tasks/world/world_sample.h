// Samples of a world's sampler as JSON lines, and its numbers of given objects.
#pragma once

#include "gflownet/core/policy.h"
#include "tasks/task/task.h"
#include "tasks/world/world.h"

namespace gfn {

// {"text", "actions", "log_pf", "log_pb", "log_reward"}, of several conditions also "condition", of a stochastic world also
// "outcomes" (nature's draws).
Status SampleWorld(const World& world, const Policy& policy, const SampleRequest& request, const EmitLine& emit);
// The numbers of the trajectory under "actions" (and "outcomes"), or of one that P_B draws to the object under "text", which
// takes a world that can be listed and is deterministic.
Status ScoreWorld(const World& world, const Policy& policy, const ScoreRequest& request, const EmitLine& emit);

}  // namespace gfn
