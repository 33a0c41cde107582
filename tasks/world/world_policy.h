// The policy of a world: a network or a table, the backward policy that the configuration names, and what the objective needs
// besides.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "gflownet/base/status.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/state_policy.h"
#include "gflownet/tensor/parameter_set.h"
#include "tasks/world/world.h"
#include "tasks/world/world_config.h"

namespace gfn {

struct WorldPolicy {
  std::unique_ptr<Policy> network;       // or table
  std::unique_ptr<StatePolicy> wrapped;  // with P_B by counting, or flows of edges; else null
  std::unique_ptr<Policy> with_log_z;    // where the objective learns log Z; else null
  std::function<at::Tensor()> log_z_C;   // then what it has learned of each condition, float [C]

  // Without log Z: what is measured. All of it: what is trained.
  const Policy& sampler() const { return wrapped != nullptr ? *wrapped : *network; }
  const Policy& trained() const { return with_log_z != nullptr ? *with_log_z : sampler(); }
};

// What the network or table has besides log P_F, where these are needed.
StatePolicyOptions HeadsOf(const World& world, const WorldSettings& config, Needs needs);
// Trained numbers of the policy that MakeWorldPolicy makes, without making it.
StatusOr<double> NumWorldParameters(const World& world, const WorldSettings& config, Needs needs);

// InvalidArgument for what does not go together: a table or counted trajectories of a world that cannot be listed, flows of edges
// of a continuous one, a network for log Z where conditions have no features.
StatusOr<WorldPolicy> MakeWorldPolicy(const World& world, const WorldSettings& config, Needs needs, uint64_t seed,
                                      ParameterSet& parameters);

}  // namespace gfn
