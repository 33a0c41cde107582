// Everything that a world must keep, asked in one call: of a world of one's own in a test,
//
//   TEST(Permutations, IsAWorld) { EXPECT_TRUE(gfn::CheckWorld(CreateWorld({}).value()).ok()); }
//
// or by its program, which asks before it trains (app/run_main.h).
#pragma once

#include "gflownet/base/status.h"
#include "gflownet/core/conformance.h"
#include "gflownet/env/world.h"

namespace gfn {

// OK, or FailedPrecondition with a line for everything that is wrong (the first kMost of them): the rules along random
// trajectories (core/conformance.h), the reward, the features; where the world can be listed, every step of every state: its way
// back is legal and leads back, no other way is legal, numbers and states are each other's inverse, log R of every object is
// finite. Exceptions and failed checks of the world's own code are findings as well.
Status CheckWorld(const RewardedWorld& world, const ConformanceOptions& options = {});
Status CheckWorld(const Environment& environment, const Reward& reward, const StateFeatures& features, int64_t num_features,
                  const ConformanceOptions& options = {});

// The listed part: of a world with at most a million steps.
void FindBrokenNumbering(const EnumerableEnvironment& environment, ConditionId condition, Findings& findings);

}  // namespace gfn
