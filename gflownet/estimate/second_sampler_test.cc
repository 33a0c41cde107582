// Samplers that are trained to answer a question: entropy from a second reward, free energies and supersets from samplers that
// begin in a state. All against enumeration.
#include <gtest/gtest.h>

#include "gflownet/env/hypergrid.h"
#include "gflownet/env/subset.h"
#include "gflownet/env/training_fixture.h"
#include "gflownet/estimate/entropy.h"
#include "gflownet/estimate/estimate_test_worlds.h"
#include "gflownet/estimate/quantities.h"
#include "gflownet/estimate/rooted_world.h"

namespace gfn {
namespace {

TrainingSetup TableSetup(const EnumerableEnvironment& world, const Reward& reward) {
  TrainingSetup setup{.environment = &world, .reward = &reward, .objective = TbConfig{}};
  setup.trainer.rollouts = 64;
  setup.trainer.behaviour = {.on_policy = 0, .tempered = 1, .exploration = {.epsilon = 0.2}};
  return setup;
}

TEST(SecondSampler, EntropyFromTotals) {
  const Hypergrid grid({.dimensions = 2, .side = 6});
  const HypergridReward reward(grid, {});
  const at::Tensor log_r_X = reward.LogRewardOf(grid.ObjectsAt(at::arange(36, at::kLong), Unconditional()));
  const double truth = ExactEntropy(log_r_X), log_c = log_r_X.max().item<double>() + 0.5;

  TrainingRun first(TableSetup(grid, reward));
  ASSERT_TRUE(first.status().ok()) << Message(first.status());
  first.Steps(350);
  const EntropyReward entropy_reward(reward, log_c);
  TrainingRun second(TableSetup(grid, entropy_reward));
  ASSERT_TRUE(second.status().ok()) << Message(second.status());
  second.Steps(350);

  const EstimateOptions options{.num_samples = 2000};
  const Sampler of_reward{.environment = &grid, .policy = &first.table(), .reward = &reward};
  const Sampler of_entropy{.environment = &grid, .policy = &second.table(), .reward = &entropy_reward};
  const auto log_z = EstimateLogFlow(of_reward, {}, options), log_z_ent = EstimateLogFlow(of_entropy, {}, options);
  ASSERT_TRUE(log_z.ok() && log_z_ent.ok());
  Interval scaled = log_z->log_z;
  scaled.mean -= log_c, scaled.low -= log_c, scaled.high -= log_c;
  const Interval by_totals = EntropyFromTotals(scaled, log_z_ent->log_z);
  ExpectCovers(by_totals, truth, 0.1, "H = log Z' + Z_ent / Z'");
  // By name, and what does not belong together is refused.
  EstimandRequest request{.second = of_entropy, .options = options};
  const auto by_name = Estimate(Estimand::kTargetEntropy, of_reward, request);
  ASSERT_TRUE(by_name.ok()) << Message(by_name.status());
  EXPECT_EQ(by_name->at(0).estimate.mean, by_totals.mean);
  EXPECT_NEAR(*by_name->at(0).exact, truth, 1e-9);
  const auto refusal = [&](const Sampler& sampler) {
    return std::string(Message(Estimate(Estimand::kTargetEntropy, sampler, request).status()));
  };
  const HypergridReward other(grid, {.r0 = 0.2});
  EXPECT_NE(refusal({.environment = &grid, .policy = &first.table(), .reward = &other}).find("another R"), std::string::npos);
  EXPECT_NE(
      refusal({.environment = &grid, .policy = &first.table(), .reward = &reward, .temperature = 2}).find("another temperature"),
      std::string::npos);
  request.second = of_reward;
  EXPECT_NE(refusal(of_reward).find("not -R' log R'"), std::string::npos);
  request.second.reset();
  EXPECT_NE(refusal(of_reward).find("second sampler"), std::string::npos);
  // The learned totals alone say the same.
  const double learned = EntropyFromTotals({.mean = first.LearnedLogZ(0) - log_c}, {.mean = second.LearnedLogZ(0)}).mean;
  EXPECT_NEAR(learned, truth, 0.15);
  // And so does the plain estimate of the first sampler, which is close to its target.
  const auto plain = EstimateEntropy(of_reward, {}, {}, 8, options);
  ASSERT_TRUE(plain.ok());
  EXPECT_NEAR(plain->low.mean, truth, 0.15);
  EXPECT_NEAR(plain->high.mean, truth, 0.15);
}

TEST(SecondSampler, EntropyRewardIsExactAndChecksItsConstant) {
  const Hypergrid grid({.dimensions = 2, .side = 4});
  const HypergridReward reward(grid, {});
  TrajectoryBatch all = EnumerateTrajectories(grid, Unconditional(), 1 << 12).value();
  ASSERT_TRUE(EvaluateReward(reward, all).ok());
  const double log_c = all.log_reward_B.max().item<double>() + 0.1;
  const auto value = EntropyReward(reward, log_c, 0.5).LogReward(all);
  ASSERT_TRUE(value.ok()) << Message(value.status());
  const at::Tensor scaled_B = ((all.log_reward_B - log_c) / 0.5).exp();
  EXPECT_TRUE(value->log_reward_B.exp().allclose(-scaled_B * scaled_B.log(), 1e-10));
  const auto refused = EntropyReward(reward, log_c - 0.2).LogReward(all);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(Message(refused.status()).find("expected less than log c"), std::string::npos) << Message(refused.status());
}

// A state-conditional GFlowNet: its log Z is minus the free energy of each root, and it samples the supersets of each.
TEST(SecondSampler, FreeEnergiesAndSupersets) {
  const Subset world({.num_elements = 5, .min_size = 0, .max_size = 5});
  const SubsetReward reward(world, {.seed = 3});
  const StateGraph graph = StateGraph::Build(world, Unconditional()).value();
  const at::Tensor log_r_X = ExactLogReward(world, graph, reward, Unconditional()).value();
  const State subsets = world.StatesAt(at::arange(graph.num_states(), at::kLong), Unconditional());
  const at::Tensor size_N = Subset::Members(subsets).sum(1);
  // A set of one element and one of two, in the order of the conditions.
  const int64_t one = size_N.eq(1).nonzero()[0].item<int64_t>(), two = size_N.eq(2).nonzero()[3].item<int64_t>();
  const std::vector<std::string> names = {"of one", "of two"};
  const ConditionId id_one = HashCondition(names[0]), id_two = HashCondition(names[1]);
  const auto rooted = RootedWorld::Create(world, Unconditional(), {{id_one, one}, {id_two, two}});
  ASSERT_TRUE(rooted.ok()) << Message(rooted.status());
  const TableReward table(**rooted, {{id_one, log_r_X}, {id_two, log_r_X}});

  TrainingSetup setup = TableSetup(**rooted, table);
  setup.conditions = names;
  setup.trainer.conditions_per_step = 2;
  TrainingRun run(setup);
  ASSERT_TRUE(run.status().ok()) << Message(run.status());
  DistributionError error;
  for (int round = 0; round < 20; ++round) {
    run.Steps(40);
    error = run.Worst([&](ConditionId id) { return table.Target(id); }, 1);
    if (error.total_variation < 0.02) break;
  }
  EXPECT_LT(error.total_variation, 0.04);
  EXPECT_NEAR(run.LearnedLogZ(0), ExactLogSumBelow(graph, one, log_r_X), 0.1);
  EXPECT_NEAR(run.LearnedLogZ(1), ExactLogSumBelow(graph, two, log_r_X), 0.1);
}

}  // namespace
}  // namespace gfn
