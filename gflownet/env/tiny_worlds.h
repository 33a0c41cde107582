// For tests: worlds so small that every trajectory is listed, and what is true of them. One line adds a world to every test that
// goes over all of them.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gflownet/core/environment.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/rollout.h"
#include "gflownet/env/exact.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/prefix_tree.h"

namespace gfn {

struct TinyWorld {
  std::unique_ptr<EnumerableEnvironment> environment;
  std::unique_ptr<Reward> reward;
  std::vector<std::string> conditions = {""};  // canonical contents
};

struct TinyWorldEntry {
  std::string name;
  std::function<TinyWorld()> make;
};

template <class World, class WorldReward, class... Arguments>
TinyWorld MakeTinyWorld(const auto& config, std::vector<std::string> conditions, const Arguments&... arguments) {
  TinyWorld world;
  auto environment = std::make_unique<World>(config);
  world.reward = std::make_unique<WorldReward>(*environment, arguments...);
  world.environment = std::move(environment);
  world.conditions = std::move(conditions);
  return world;
}

inline std::vector<TinyWorldEntry> TinyWorlds() {
  return {
      {"hypergrid",
       [] {
         return MakeTinyWorld<Hypergrid, HypergridReward>(HypergridConfig{.dimensions = 2, .side = 4}, {""},
                                                          HypergridRewardConfig{.r0 = 0.1, .r1 = 1, .r2 = 0});
       }},
      {"strings",
       [] {
         return MakeTinyWorld<PrefixTree, PrefixTreeReward>(PrefixTreeConfig{.num_symbols = 2, .max_length = 3}, {"a", "b"},
                                                            uint64_t{3}, 1.0);
       }},
      // The shape of text: a minimum length, a forced stop, two stops, a hole in the vocabulary.
      {"text",
       [] {
         return MakeTinyWorld<PrefixTree, PrefixTreeReward>(
             PrefixTreeConfig{.num_symbols = 3, .num_stops = 2, .min_length = 1, .max_length = 3, .illegal_symbols = {1}}, {"a"},
             uint64_t{5}, 1.0);
       }},
  };
}

// All trajectories of a condition, complete, with rewards.
inline TrajectoryBatch AllTrajectories(const TinyWorld& world, ConditionId condition) {
  TrajectoryBatch all = EnumerateTrajectories(*world.environment, condition, 100'000).value();
  const Status status = EvaluateReward(*world.reward, all);
  EXPECT_TRUE(status.ok()) << Message(status);
  return all;
}

// log R of every object, in the order of ObjectsAt: the same by every trajectory that leads to it. float64 [X]
inline at::Tensor LogRewardOfObjects(const TinyWorld& world, ConditionId condition) {
  const TrajectoryBatch all = AllTrajectories(world, condition);
  const at::Tensor index_B = world.environment->ObjectIndex(FinalStates(*world.environment, all));
  return at::zeros({world.environment->NumObjects()}, at::kDouble).index_copy_(0, index_B, all.log_reward_B);
}

}  // namespace gfn
