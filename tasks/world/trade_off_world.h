// Several rewards at once on a grid: one bump each, of which an object can be close to all but a few. The conditions are
// preferences, and one sampler covers the front (gflownet/estimate/preference_reward.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/estimate/preference_reward.h"

namespace gfn {

struct World;

struct TradeOffWorld {
  static constexpr std::string_view kKind = "trade_off";
  int64_t side = 8;
  int64_t num_objectives = 2;
  double width = 0.3;
  int64_t divisions = 4;
  Scalarisation scalarisation = Scalarisation::kLogLinear;
  double sharpness = 6;

  template <class V>
  void Visit(V& v) {
    v("side", side, "cells along each of the two coordinates", Between(2, 128));
    v("num_objectives", num_objectives, "rewards R_i(x): bumps of height 1, evenly on a circle", Between(2, 4));
    v("width", width, "standard deviation of a bump, in sides of the grid", Range{.min = 0.05, .max = 2});
    v("divisions", divisions, "preferences are all weights k / divisions that sum to 1, each a condition", Between(1, 16));
    v("scalarisation", scalarisation, "the reward of a preference");
    v("sharpness", sharpness, "power of the combined reward: larger samples lie closer to the front", Positive());
  }
};

StatusOr<std::unique_ptr<World>> MakeWorld(const TradeOffWorld& config);

}  // namespace gfn
