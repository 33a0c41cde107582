// For the sources of worlds: what every CreateWorld does.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "gflownet/base/config_reader.h"
#include "gflownet/base/status.h"
#include "gflownet/env/world.h"

namespace gfn {

// EnvironmentT(config) with Features and NumFeatures, and RewardT(environment, reward).
template <class EnvironmentT, class RewardT, class Config, class RewardConfig>
StatusOr<RewardedWorld> BuildWorld(const Config& config, const RewardConfig& reward, std::string_view name) {
  RETURN_IF_ERROR(CheckConfig(config, std::string(name)));
  auto environment = std::make_unique<EnvironmentT>(config);
  RewardedWorld world;
  world.reward = std::make_unique<RewardT>(*environment, reward);
  world.num_features = environment->NumFeatures();
  world.features = StateFeatures([rules = environment.get()](const State& state) { return rules->Features(state); });
  world.environment = std::move(environment);
  return world;
}
template <class EnvironmentT, class RewardT, class Config>
StatusOr<RewardedWorld> BuildWorld(const Config& config) {
  return BuildWorld<EnvironmentT, RewardT>(config, config.reward, Config::kKind);
}

}  // namespace gfn
