// Everything that a small world with a reward must pass, in one call. A new world's own test is:
//
//   TEST(MyWorld, IsAWorld) { CheckWorld(CreateWorld(MyWorldConfig{...}).value(), "my_world"); }
//
// What gflownet/env/conformance.h asks of its rules, reward and numbering; the suites of conformance.h for a table and an MLP;
// dynamic programming against the sum over all trajectories; and a golden playthrough in tests/golden/worlds/<name>.txt that
// people read when it changes.
#pragma once

#include <cstdint>
#include <string>

#include "gflownet/core/condition.h"
#include "gflownet/core/state_policy.h"
#include "gflownet/env/world.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

void CheckWorld(const RewardedWorld& world, const std::string& golden_name);

// FindBrokenNumbering, as failures of the test.
void CheckNumbering(const EnumerableEnvironment& environment, ConditionId condition = Unconditional());
// Sums over all trajectories (at most 65536) equal dynamic programming.
void CheckExact(const EnumerableEnvironment& environment, const StatePolicy& policy, ConditionId condition = Unconditional());

// Two random trajectories as text: states, legal actions, what was done, log R. Compared with the file; with GFN_UPDATE_GOLDEN=1
// in the environment the file is written instead.
void CheckPlaythrough(const Environment& environment, const Reward& reward, const std::string& golden_name);

// Standard normal values, addressed by (seed, parameter, element), so that a policy says something.
void FillParameters(ParameterSet& parameters, uint64_t seed);

}  // namespace gfn
