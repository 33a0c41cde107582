// The small worlds pass the suites that every world passes; their numbering and exact evaluation are checked against each other.
#include <gtest/gtest.h>

#include <map>

#include "gflownet/base/config_reader.h"
#include "gflownet/core/log_z.h"
#include "gflownet/core/rollout.h"
#include "gflownet/env/exact.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/env/state_policies.h"
#include "tests/support/conformance.h"
#include "tests/support/world_conformance.h"

namespace gfn {
namespace {

const std::vector<ConditionId> kNone = {Unconditional()};
const std::vector<ConditionId> kThree = {HashCondition("a"), HashCondition("b"), HashCondition("c")};

// Two stops, a hole in the alphabet, a minimum length: everything that text has.
PrefixTreeConfig TextLike() {
  return {.num_symbols = 4, .num_stops = 2, .min_length = 2, .max_length = 4, .illegal_symbols = {1}};
}

TEST(Hypergrid, IsAWorld) {
  CheckWorld(CreateWorld(HypergridConfig{.dimensions = 2, .side = 4}, HypergridRewardConfig{}).value(), "hypergrid");
  CheckEnvironment(Hypergrid({.dimensions = 3, .side = 2}), kNone);
}

TEST(Hypergrid, Reward) {
  const Hypergrid grid({.dimensions = 2, .side = 8});
  const HypergridReward reward(grid, {});
  CheckReward(grid, reward, kNone);
  // By hand: the corner is outer but not in a ring, (1, 1) is in both, the middle in neither.
  const at::Tensor cells = at::tensor(std::vector<int64_t>{0, 9, 27}, at::kLong);
  const at::Tensor values = reward.LogRewardOf(grid.ObjectsAt(cells, Unconditional())).exp();
  ExpectClose(values, at::tensor(std::vector<double>{0.6, 2.6, 0.1}), {1e-12}, "standard rewards");
}

// Cells whose distance from the middle is exactly a bound of the rings: counted with rational numbers. Sides of which 5 divides
// side - 1 have such cells.
TEST(Hypergrid, RoundingDecidesNothing) {
  const std::vector<std::pair<int64_t, int64_t>> ring_of_side = {{2, 0},  {6, 0},  {7, 2},  {8, 2},  {10, 2},  {11, 0},
                                                                 {16, 2}, {21, 2}, {26, 4}, {31, 4}, {4096, 0}};
  for (const auto& [side, known] : ring_of_side) {
    int64_t ring = 0, outer = 0;
    for (int64_t x = 0; x < side; ++x) {
      // |x / n - 1/2| > a / b  <=>  b |2 x - n| > 2 a n
      const int64_t n = side - 1, distance = std::abs(2 * x - n);
      ring += 10 * distance > 6 * n && 10 * distance < 8 * n;
      outer += 4 * distance > 2 * n;
    }
    if (side < 4096) {
      EXPECT_EQ(ring, known) << side;
    }
    for (const int64_t dimensions : {1, 2}) {
      if (side == 4096 && dimensions == 2) continue;
      const Hypergrid grid({.dimensions = dimensions, .side = side});
      const HypergridReward reward(grid, {.r0 = 1, .r1 = 10, .r2 = 100});
      const at::Tensor objects = at::arange(grid.NumObjects(), at::kLong);
      const at::Tensor values = reward.LogRewardOf(grid.ObjectsAt(objects, Unconditional())).exp();
      EXPECT_EQ(values.gt(100).sum().item<int64_t>(), dimensions == 1 ? ring : ring * ring) << side;
      EXPECT_EQ(values.gt(10).sum().item<int64_t>(), dimensions == 1 ? outer : outer * outer) << side;
      EXPECT_EQ(reward.HasModes(), ring > 0) << side;
    }
  }
}

TEST(Hypergrid, TheHardVariantHidesItsModes) {
  const Hypergrid grid({.dimensions = 2, .side = 8});
  const HypergridReward reward(grid, HypergridRewardConfig::Hard());
  const at::Tensor cells = at::tensor(std::vector<int64_t>{0, 9, 27}, at::kLong);
  const at::Tensor values = reward.LogRewardOf(grid.ObjectsAt(cells, Unconditional())).exp();
  ExpectClose(values, at::tensor(std::vector<double>{1.0001, 4.0001, 1e-4}), {1e-12}, "hard rewards");
}

TEST(PrefixTree, IsAWorld) { CheckWorld(CreateWorld(TextLike()).value(), "sequence"); }

TEST(PrefixTree, Environment) {
  CheckEnvironment(PrefixTree(TextLike()), kThree);
  CheckEnvironment(PrefixTree({.max_length = 3}), kNone);
}

TEST(PrefixTree, Reward) {
  const PrefixTree tree(TextLike());
  CheckReward(tree, PrefixTreeReward(tree, 3, 1.5), kThree, {.tolerance = kTinyModelTolerance});
}

TEST(PrefixTree, PolicyWithLogZ) {
  const PrefixTree tree(TextLike());
  ConditionTable conditions;
  std::vector<ConditionId> ids;
  for (const char* name : {"x", "y", "z"}) ids.push_back(conditions.Insert(name).value());
  ParameterSet parameters, others;
  const StatePolicyOptions options{.dtype = at::kDouble};
  const TabularPolicy table(tree, ids, parameters, options), other(tree, ids, others, options);
  const LogZPolicy policy(table, conditions, parameters, at::tensor(std::vector<double>{1, 2, 3}));
  const LogZPolicy other_policy(other, conditions, others, at::Tensor());
  const TrajectoryBatch batch = RandomTrajectories(tree, {ids[2], ids[0]});
  const TrajectoryScores scores = policy.Score(batch, {.needs = Need::kLogPf | Need::kLogZ});
  EXPECT_TRUE(scores.log_z_G.equal(at::tensor(std::vector<float>{3, 1}).to(scores.log_z_G.scalar_type())));
  FillParameters(parameters, 1);
  CheckPolicy(tree, policy, ids, {.tolerance = kTinyModelTolerance});
  CheckPolicyParameters(tree, {policy, parameters}, {other_policy, others}, ids);
}

TEST(Exact, DynamicProgrammingEqualsEnumeration) {
  const StatePolicyOptions options{.dtype = at::kDouble};
  {
    const Hypergrid grid({.dimensions = 2, .side = 5});
    ParameterSet parameters;
    const TabularPolicy policy(grid, kNone, parameters, options);
    FillParameters(parameters, 4);
    CheckExact(grid, policy);
  }
  const PrefixTree tree(TextLike());
  ParameterSet parameters;
  const TabularPolicy policy(tree, kNone, parameters, options);
  FillParameters(parameters, 5);
  CheckExact(tree, policy);
  // A tree's trajectories are its objects.
  EXPECT_EQ(EnumerateTrajectories(tree, Unconditional(), 1 << 16)->size(), tree.NumObjects());
  const auto refused = EnumerateTrajectories(tree, Unconditional(), 20);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(Message(refused.status()).find("more than 20"), std::string::npos) << Message(refused.status());
}

TEST(Exact, ErrorsOfKnownDistributions) {
  const at::Tensor log_reward = at::tensor(std::vector<double>{std::log(1.0), std::log(3.0)});
  const at::Tensor half = at::tensor(std::vector<double>{std::log(0.5), std::log(0.5)});
  const DistributionError error = CompareWithTarget(half, log_reward);
  EXPECT_NEAR(error.total_variation, 0.25, 1e-12);
  EXPECT_NEAR(error.log_z, std::log(4.0), 1e-12);
  EXPECT_NEAR(error.kl, 0.5 * std::log(0.5 / 0.25) + 0.5 * std::log(0.5 / 0.75), 1e-12);
  EXPECT_NEAR(CompareWithTarget(log_reward - std::log(4.0), log_reward).total_variation, 0, 1e-12);
  // At T = 0.5 the target is 1 : 9.
  EXPECT_NEAR(CompareWithTarget(half, log_reward, 0.5).total_variation, 0.4, 1e-12);
  // Disjoint: TV 1, JSD log 2.
  const at::Tensor left = at::tensor(std::vector<double>{0, -INFINITY});
  const at::Tensor right = at::tensor(std::vector<double>{-700, 0});
  EXPECT_NEAR(CompareWithTarget(left, right).jensen_shannon, std::log(2.0), 1e-9);
}

TEST(Exact, WorldsThatAreTooLargeAreRefusedByTheirNumbers) {
  const auto graph = StateGraph::Build(Hypergrid({.dimensions = 8, .side = 64}), Unconditional());
  ASSERT_FALSE(graph.ok());
  EXPECT_NE(Message(graph.status()).find("281474976710656 states"), std::string::npos) << Message(graph.status());
  const Status larger = CheckListable(Hypergrid({.dimensions = 32, .side = 4096}));
  EXPECT_NE(Message(larger).find("more than 9e18 states"), std::string::npos) << Message(larger);
  EXPECT_TRUE(CheckListable(Hypergrid({.dimensions = 4, .side = 16})).ok());
}

TEST(Worlds, ImpossibleOnesAreRefused) {
  EXPECT_FALSE(CheckConfig(HypergridConfig{.dimensions = 0, .side = 64}, "hypergrid").ok());
  EXPECT_FALSE(CheckConfig(PrefixTreeConfig{.min_length = 9}, "tree").ok());
  EXPECT_FALSE(CheckConfig(PrefixTreeConfig{.illegal_symbols = {0, 1}}, "tree").ok());
  EXPECT_FALSE(CheckConfig(PrefixTreeConfig{.num_symbols = 9, .max_length = 30}, "tree").ok());
  EXPECT_TRUE(CheckConfig(TextLike(), "tree").ok());
}

}  // namespace
}  // namespace gfn
