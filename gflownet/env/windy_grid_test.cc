#include "gflownet/env/windy_grid.h"

#include <gtest/gtest.h>

#include "gflownet/core/rollout.h"
#include "gflownet/env/objective_cases.h"
#include "gflownet/env/training_fixture.h"
#include "tests/support/conformance.h"
#include "tests/support/world_conformance.h"

namespace gfn {
namespace {

TEST(WindyGrid, IsAWorld) { CheckWorld(CreateWorld(WindyGridConfig{.side = 4}).value(), "windy_grid"); }

TEST(WindyGrid, RolloutsBlowAsTheExactDistributionSays) {
  const WindyGrid grid({.side = 4, .gust = 0.4});
  ParameterSet parameters;
  const TabularPolicy policy(grid, {Unconditional()}, parameters, {.dtype = at::kDouble});
  FillParameters(parameters, 2);
  const auto batch = Rollout(grid, policy, RolloutRows({Unconditional()}, 20000), {1, RngPurpose::kRollout, 0});
  ASSERT_TRUE(batch.ok()) << Message(batch.status());
  ASSERT_TRUE(batch->outcomes_BT.defined() && batch->Check().ok());
  const at::Tensor found = at::bincount(grid.ObjectIndex(FinalStates(grid, *batch)), {}, 16).to(at::kDouble) / 20000;
  const at::Tensor exact = ExactLogTerminating(grid, policy, Unconditional()).exp();
  // Expected total variation of 20,000 draws over 16 cells is below 1/2 sqrt(16 / 20,000) = 0.014.
  EXPECT_LT((found - exact).abs().sum().item<double>() / 2, 0.02);
  // The hypergrid without wind is another world.
  const at::Tensor calm = ExactLogTerminating(Hypergrid({.side = 4}), policy, Unconditional()).exp();
  EXPECT_GT((calm - exact).abs().sum().item<double>() / 2, 0.05);
}

class OnWindyGrid : public testing::TestWithParam<ObjectiveCase> {};

// With nature's part in log_pb: where a policy can make up for the wind, every objective that fits learns the target.
TEST_P(OnWindyGrid, ReachesTheTargetOrIsRefused) {
  const WindyGrid grid({.side = 4, .gust = 0.1});
  const HypergridReward reward(grid, {});
  TrainingSetup setup{.environment = &grid, .reward = &reward, .objective = GetParam().objective, .backward = BackwardPart::kLearned};
  setup.trainer.rollouts = 64;
  setup.trainer.updates_per_batch = GetParam().updates_per_batch;
  if (GetParam().data != Data::kOnPolicy) {
    setup.trainer.behaviour = {.on_policy = 0, .tempered = 1, .exploration = {.epsilon = 0.2}};
  }
  TrainingRun run(setup);
  if (!run.status().ok()) {
    EXPECT_NE(Message(run.status()).find("; here fit: tb"), std::string::npos) << Message(run.status());
    return;
  }
  const at::Tensor log_reward_X = reward.LogRewardOf(grid.ObjectsAt(at::arange(16, at::kLong), Unconditional()));
  const auto log_reward = [&](ConditionId) { return log_reward_X; };
  EXPECT_GT(run.Worst(log_reward, 1).total_variation, 0.2);
  DistributionError error;
  for (int64_t round = 0; round < 20; ++round) {
    run.Steps(50);
    error = run.Worst(log_reward, 1);
    if (error.total_variation < 0.015) break;
  }
  EXPECT_LT(error.total_variation, 0.03);
  RecordProperty("trained", 1);
  if (run.UsesLogZ()) EXPECT_NEAR(run.LearnedLogZ(0), error.log_z, 0.05);
}

INSTANTIATE_TEST_SUITE_P(Exact, OnWindyGrid, testing::ValuesIn(ObjectiveCases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace gfn
