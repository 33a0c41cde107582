// A world as a task takes it: the rules, a reward of its objects and what a network reads of its states. Each world's header
// declares CreateWorld(config), which checks the configuration first.
// Shapes: B batch, F features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "gflownet/core/environment.h"
#include "gflownet/core/fast_world.h"
#include "gflownet/core/reward.h"

namespace gfn {

// What a network reads of a batch of states, float [B, F].
//
// Whether these are the features of a world's fast face, by which MlpPolicy works without tensors, is part of the type and not
// found out from the function: whoever puts a function around them says by the constructor what it is.
class StateFeatures {
 public:
  using Function = std::function<at::Tensor(const State&)>;

  StateFeatures() = default;
  // Of any function. There is no fast road.
  explicit StateFeatures(Function function) : function_(std::move(function)) {}
  // Of a fast face, which must outlive this object. `function`: the same numbers, by tensors; RowFeatures where it is empty.
  explicit StateFeatures(const FastWorld& face, Function function = {});

  at::Tensor operator()(const State& state) const { return function_(state); }
  explicit operator bool() const { return static_cast<bool>(function_); }
  // The face whose features these are, or null.
  const FastWorld* fast_face() const { return fast_face_; }

 private:
  Function function_;
  const FastWorld* fast_face_ = nullptr;
};

struct RewardedWorld {
  std::unique_ptr<Environment> environment;
  std::unique_ptr<Reward> reward;  // refers to the environment
  StateFeatures features;          // refers to the environment
  int64_t num_features = 0;
  bool wraps = false;  // continuous worlds: a torus, not a box

  // nullptr for a continuous world.
  const EnumerableEnvironment* enumerable() const { return dynamic_cast<const EnumerableEnvironment*>(environment.get()); }
};

}  // namespace gfn
