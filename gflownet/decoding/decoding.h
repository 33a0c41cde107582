// Objects from a policy by one of the methods of decoding_config.h, for any world with discrete actions and no nature in it.
// Shapes: C conditions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"
#include "gflownet/decoding/decoding_config.h"

namespace gfn {

// Everything is borrowed.
struct DecodingParts {
  const Environment* environment = nullptr;
  const Policy* policy = nullptr;  // what is drawn from; the proposal of methods that weight
  const Reward* reward = nullptr;
  double temperature = 1;  // T of the target R^(1/T)
  // The term of the reward that belongs to the stop action itself. SMC leaves it out where it judges what may still go on: a text
  // that is likely to go on is no worse for it.
  std::string stop_term = {};
};

using Actions = std::vector<int64_t>;

struct Decoded {
  std::vector<std::vector<Actions>> objects;  // [C] whole trajectories; beam search may find fewer than were asked for
  std::vector<double> log_z;  // [C] estimates of log Z by methods that have one (exp of it is unbiased); else empty
  std::vector<double> ess;    // [C] effective sample size of the last weights; else empty
  int64_t num_actions = 0;    // actions that the policy drew or weighed
  int64_t num_judged = 0;     // objects and beginnings of objects that the reward was asked about
};

// InvalidArgument for a method that cannot be right here, naming why.
StatusOr<Decoded> Decode(const DecodingMethod& method, const DecodingParts& parts, const std::vector<ConditionId>& conditions,
                         int64_t num, const RngKey& key);

// Does log q of the parts' policy say how probable such an object is? So it is for plain sampling alone.
bool HasDensity(const DecodingMethod& method);

// Objects as a batch of the environment. InvalidArgument for one that is none.
StatusOr<TrajectoryBatch> BatchOfActions(const Environment& environment, const std::vector<ConditionId>& conditions,
                                         const std::vector<Actions>& objects);

}  // namespace gfn
