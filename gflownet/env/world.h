// A world as a task takes it: the rules, a reward of its objects and what a network reads of its states. Each world's header
// declares CreateWorld(config), which checks the configuration first.
// Shapes: B batch, F features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "gflownet/core/environment.h"
#include "gflownet/core/reward.h"

namespace gfn {

// Features of a batch of states, float [B, F].
using FeatureFunction = std::function<at::Tensor(const State&)>;

struct RewardedWorld {
  std::unique_ptr<Environment> environment;
  std::unique_ptr<Reward> reward;  // refers to the environment
  FeatureFunction features;        // refers to the environment
  int64_t num_features = 0;
  bool wraps = false;  // continuous worlds: a torus, not a box

  // nullptr for a continuous world.
  const EnumerableEnvironment* enumerable() const { return dynamic_cast<const EnumerableEnvironment*>(environment.get()); }
};

}  // namespace gfn
