// For the sources of worlds with a fast face: CreateWorld hands out the features of that face (the same numbers).
#pragma once

#include "gflownet/base/check.h"
#include "gflownet/core/fast_world.h"
#include "gflownet/env/world.h"

namespace gfn {

inline StatusOr<RewardedWorld> WithFastFeatures(StatusOr<RewardedWorld> world) {
  if (!world.ok()) return world;
  const FastWorld* face = FastFace(*world->environment);
  GFN_CHECK(face != nullptr && face->NumRowFeatures() == world->num_features);
  world->features = StateFeatures(*face);
  return world;
}

}  // namespace gfn
