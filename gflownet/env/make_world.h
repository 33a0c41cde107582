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

// EnvironmentT(config) with Features and NumFeatures, and make_reward(environment), a StatusOr<std::unique_ptr<Reward>>.
template <class EnvironmentT, class Config, class MakeReward>
StatusOr<RewardedWorld> BuildWorldWith(const Config& config, std::string_view name, MakeReward make_reward) {
  RETURN_IF_ERROR(CheckConfig(config, std::string(name)));
  auto environment = std::make_unique<EnvironmentT>(config);
  RewardedWorld world;
  ASSIGN_OR_RETURN(world.reward, make_reward(std::as_const(*environment)));
  world.num_features = environment->NumFeatures();
  world.features = StateFeatures([rules = environment.get()](const State& state) { return rules->Features(state); });
  world.environment = std::move(environment);
  return world;
}
// With RewardT(environment, reward).
template <class EnvironmentT, class RewardT, class Config, class RewardConfig>
StatusOr<RewardedWorld> BuildWorld(const Config& config, const RewardConfig& reward, std::string_view name) {
  return BuildWorldWith<EnvironmentT>(config, name, [&](const EnvironmentT& environment) -> StatusOr<std::unique_ptr<Reward>> {
    return std::make_unique<RewardT>(environment, reward);
  });
}
template <class EnvironmentT, class RewardT, class Config>
StatusOr<RewardedWorld> BuildWorld(const Config& config) {
  return BuildWorld<EnvironmentT, RewardT>(config, config.reward, Config::kKind);
}

}  // namespace gfn
