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
#include "gflownet/env/bayes_net.h"
#include "gflownet/env/bit_sequence.h"
#include "gflownet/env/exact.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/ising.h"
#include "gflownet/env/layered_graph.h"
#include "gflownet/env/phylogeny.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/env/subset.h"

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

// Of a world whose configuration holds its reward's.
template <class World, class WorldReward>
TinyWorldEntry MakeTinyEntry(const std::string& name, const auto& config) {
  return {name, [config] { return MakeTinyWorld<World, WorldReward>(config, {""}, config.reward); }};
}

inline std::vector<TinyWorldEntry> TinyWorlds() {
  constexpr auto kLeftToRight = AssignmentOrder::kLeftToRight;
  const BitSequenceConfig bits{.num_bits = 3, .word_bits = 1, .reward = {.num_modes = 2}};
  const BitSequenceConfig words{.num_bits = 4, .word_bits = 2, .order = kLeftToRight, .reward = {.num_modes = 3}};
  const IsingRewardConfig energy{.beta = 0.3, .coupling = 0.5, .coupling_spread = 1, .field = 0.4};
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
      MakeTinyEntry<BitSequence, BitSequenceReward>("bit_sequence", bits),
      MakeTinyEntry<BitSequence, BitSequenceReward>("bit_sequence_left_to_right", words),
      MakeTinyEntry<Ising, IsingReward>("ising", IsingConfig{.side = 2, .reward = energy}),
      MakeTinyEntry<Ising, IsingReward>("ising_left_to_right", IsingConfig{.side = 2, .order = kLeftToRight, .reward = energy}),
      MakeTinyEntry<Subset, SubsetReward>("subset", SubsetConfig{.num_elements = 4, .max_size = 3}),
      MakeTinyEntry<Subset, SubsetReward>("subset_of_two", SubsetConfig{.num_elements = 4, .min_size = 2, .max_size = 2}),
      MakeTinyEntry<BayesNet, BayesNetReward>("bayes_net", BayesNetConfig{.num_nodes = 3, .reward = {.num_samples = 10}}),
      MakeTinyEntry<BayesNet, BayesNetReward>("bayes_net_few_data", BayesNetConfig{.num_nodes = 3, .reward = {.num_samples = 2}}),
      {"layered_graph",
       [] {
         return MakeTinyWorld<LayeredGraph, LayeredGraphReward>(LayeredGraphConfig{.num_layers = 3, .width = 4}, {""},
                                                                LayeredGraphRewardConfig{});
       }},
      MakeTinyEntry<Phylogeny, PhylogenyReward>("phylogeny", PhylogenyConfig{.num_species = 4, .reward = {.num_sites = 8}}),
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
