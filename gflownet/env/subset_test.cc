#include "gflownet/env/subset.h"

#include <gtest/gtest.h>

#include "gflownet/env/layered_graph.h"
#include "gflownet/env/state_graph.h"
#include "tests/support/conformance.h"
#include "tests/support/world_conformance.h"

namespace gfn {
namespace {

TEST(Subset, IsAWorld) {
  CheckWorld(CreateWorld(SubsetConfig{.num_elements = 5, .min_size = 1, .max_size = 3}).value(), "subset");
  CheckWorld(CreateWorld(SubsetConfig{.num_elements = 5, .min_size = 3, .max_size = 3}).value(), "subset_fixed_size");
}

TEST(Subset, NumbersAreBinomials) {
  const Subset free({.num_elements = 8, .min_size = 2, .max_size = 4}), fixed({.num_elements = 8, .min_size = 4, .max_size = 4});
  EXPECT_EQ(free.NumStates(), 1 + 8 + 28 + 56 + 70);
  EXPECT_EQ(free.NumObjects(), 28 + 56 + 70);
  EXPECT_EQ(fixed.NumStates(), 1 + 8 + 28 + 56);
  EXPECT_EQ(fixed.NumObjects(), 70);
  EXPECT_FALSE(CheckListable(Subset({.num_elements = 62, .min_size = 0, .max_size = 62})).ok());
  EXPECT_FALSE(CreateWorld(SubsetConfig{.num_elements = 3, .max_size = 4}).ok());
  EXPECT_FALSE(CreateWorld(SubsetConfig{.num_elements = 8, .min_size = 5, .max_size = 4}).ok());
}

TEST(Subset, PairsCountOnceEach) {
  const Subset world({.num_elements = 3, .min_size = 0, .max_size = 3});
  const SubsetReward reward(world, {.weight_scale = 1, .pair_scale = 1});
  const State objects = world.ObjectsAt(at::arange(8, at::kLong), Unconditional());
  // By inclusion and exclusion a pair's part is R(ij) - R(i) - R(j); that of three is the sum of the pairs' and the singles'.
  std::map<std::string, double> log_reward;
  const at::Tensor values = reward.LogRewardOf(objects);
  for (int64_t i = 0; i < 8; ++i) log_reward[world.Format(objects, i)] = values[i].item<double>();
  EXPECT_EQ(log_reward.at("{} stop"), 0);
  const double a = log_reward.at("{0} stop"), b = log_reward.at("{1} stop"), c = log_reward.at("{2} stop");
  const double pairs =
      log_reward.at("{0, 1} stop") + log_reward.at("{0, 2} stop") + log_reward.at("{1, 2} stop") - 2 * (a + b + c);
  EXPECT_GT(std::abs(pairs), 0.1);
  EXPECT_NEAR(log_reward.at("{0, 1, 2} stop"), a + b + c + pairs, 1e-12);
}

TEST(LayeredGraph, IsAWorld) {
  const RewardedWorld world = CreateWorld(LayeredGraphConfig{.num_layers = 3, .width = 4}).value();
  CheckWorld(world, "layered_graph");
  // Flows meet: there are more edges than nodes to reach.
  const auto graph = StateGraph::Build(*world.enumerable(), Unconditional());
  EXPECT_GT(graph->num_edges(), graph->num_states() - 1 + graph->num_objects());
  CheckEnvironment(*CreateWorld(LayeredGraphConfig{.num_layers = 1, .width = 1}).value().environment, {Unconditional()});
}

}  // namespace
}  // namespace gfn
