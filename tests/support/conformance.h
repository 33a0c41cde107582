// The suites that every environment, reward and policy passes. A new one's own test is a few lines:
//
//   TEST(MyWorld, Environment) { CheckEnvironment(world, {Unconditional()}); }
//   TEST(MyWorld, Reward) { CheckReward(world, reward, {Unconditional()}); }
//   TEST(MyWorld, Policy) { CheckPolicy(world, policy, {Unconditional()}, {.tolerance = kTinyModelTolerance}); }
//
// Failures are gtest failures that name the check, the row and the state as Environment::Format prints it. Stochastic and
// continuous worlds pass the same suites, as far as they apply. Give two or more conditions where the world has conditions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gflownet/core/conformance.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"
#include "gflownet/tensor/parameter_set.h"
#include "gflownet/tensor/tolerances.h"

namespace gfn {

// What gflownet/core/conformance.h finds, as failures of the test.
TrajectoryBatch RandomTrajectories(const Environment& environment, const std::vector<ConditionId>& conditions,
                                   const ConformanceOptions& options = {});
void CheckEnvironment(const Environment& environment, const std::vector<ConditionId>& conditions,
                      const ConformanceOptions& options = {});
void CheckReward(const Environment& environment, const Reward& reward, const std::vector<ConditionId>& conditions,
                 const ConformanceOptions& options = {});

// Provides what it says; log-probabilities are at most 0, and exactly 0 in padding and where one action only is legal; those of
// a session sum to 1 over legal actions and equal Score's step by step, with rows leaving on the way; log_stop at the last step
// is log_pf there and equals the session's elsewhere; fingerprints, where there are any, are the session's; everything is on one
// device; a batch is its rows one by one; without with_grad nothing is recorded. Rollout leads the session in the order that
// policy.h names and tells it of every action; a session that samples whole rollouts says of their actions what Score says.
void CheckPolicy(const Environment& environment, const Policy& policy, const std::vector<ConditionId>& conditions,
                 const ConformanceOptions& options = {});

// All tensors of the scores are where the mask is.
void ExpectOneDevice(const TrajectoryScores& scores);

// What wraps a policy hides nothing of it: scores stay on the device of the policy's own (of type meta here, so that it shows
// without one), sessions still sample whole rollouts and have fingerprints.
using Decorate = std::function<std::unique_ptr<Policy>(const Policy& policy)>;
void CheckDecorator(const Environment& environment, const Policy& policy, const Decorate& decorate,
                    const std::vector<ConditionId>& conditions, const ConformanceOptions& options = {});

// A gradient of log_pf reaches a parameter; saved parameters, loaded into another policy of the same shape that says something
// else, give the same scores bit for bit.
struct PolicyWithParameters {
  const Policy& policy;
  ParameterSet& parameters;
};
void CheckPolicyParameters(const Environment& environment, const PolicyWithParameters& original,
                           const PolicyWithParameters& other, const std::vector<ConditionId>& conditions,
                           const ConformanceOptions& options = {});

// Expects every element close; `what` begins the message.
void ExpectClose(const at::Tensor& found, const at::Tensor& expected, Tolerance tolerance, const std::string& what);

}  // namespace gfn
