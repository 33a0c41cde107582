// The worlds that are not listed trajectory by trajectory: one where nature decides, and a continuous one. Every objective is
// trained to the exact target, or refused before step 0; which is which stands here.
#include <gtest/gtest.h>

#include <set>

#include "gflownet/env/box_training.h"
#include "gflownet/env/objective_cases.h"
#include "gflownet/env/training_fixture.h"
#include "gflownet/env/windy_grid.h"

namespace gfn {
namespace {

// What does not fit says what does.
void ExpectRefusal(const Status& status) {
  ASSERT_FALSE(status.ok());
  EXPECT_NE(Message(status).find("; here fit: "), std::string::npos) << Message(status);
}

std::string NameOfChoice(const testing::TestParamInfo<ObjectiveCase>& info) { return info.param.name; }

// ---- nature decides ----

class OnWindyGrid : public testing::TestWithParam<ObjectiveCase> {};

// With nature's part in log_pb: where a policy can make up for the wind, every objective that trains P_B learns the target.
TEST_P(OnWindyGrid, ReachesTheTargetOrIsRefused) {
  static const std::set<std::string> kRefused = {"fm", "maximum_likelihood", "maximum_likelihood_importance", "dpg", "soft_q"};
  const WindyGrid grid({.side = 4, .gust = 0.1});
  const HypergridReward reward(grid, {});
  TrainingSetup setup{
      .environment = &grid, .reward = &reward, .objective = GetParam().objective, .backward = BackwardPart::kLearned};
  setup.trainer.rollouts = 64;
  setup.trainer.updates_per_batch = GetParam().updates_per_batch;
  if (GetParam().data == Data::kOnPolicy) {
    // Single trajectories have a gradient at the optimum too.
    setup.decay = {.decay = Decay::kCosine, .decay_steps = 400, .final_fraction = 0.02};
  } else {
    setup.trainer.behaviour = {.on_policy = 0, .tempered = 1, .exploration = {.epsilon = 0.2}};
  }
  TrainingRun run(setup);
  if (kRefused.contains(GetParam().name)) {
    ExpectRefusal(run.status());
    return;
  }
  ASSERT_TRUE(run.status().ok()) << Message(run.status());
  const at::Tensor log_reward_X = reward.LogRewardOf(grid.ObjectsAt(at::arange(16, at::kLong), Unconditional()));
  const auto log_reward = [&](ConditionId) { return log_reward_X; };
  EXPECT_GT(run.Worst(log_reward, 1).total_variation, 0.2);
  DistributionError error;
  for (int64_t round = 0; round < 12; ++round) {
    run.Steps(50);
    error = run.Worst(log_reward, 1);
    if (error.total_variation < 0.015) break;
  }
  EXPECT_LT(error.total_variation, 0.03);
  if (run.UsesLogZ()) {
    EXPECT_NEAR(run.LearnedLogZ(0), error.log_z, 0.05);
  }
}

// With a P_B that is fixed no policy makes up for the wind, whatever the objective: TV .2 and more after any number of steps.
TEST_P(OnWindyGrid, AFixedBackwardPolicyIsRefused) {
  const WindyGrid grid({.side = 4, .gust = 0.1});
  const HypergridReward reward(grid, {});
  TrainingSetup setup{.environment = &grid, .reward = &reward, .objective = GetParam().objective};
  setup.trainer.rollouts = 64;
  for (const BackwardPart part : {BackwardPart::kUniform, BackwardPart::kMaxEntropy}) {
    setup.backward = part;
    const TrainingRun run(setup);
    ASSERT_FALSE(run.status().ok());
    const std::string message = Message(run.status());
    if (GetParam().name == "fm") continue;  // sums over parents, which is said first
    EXPECT_NE(message.find("with a fixed P_B in windy_grid, where nature decides"), std::string::npos) << message;
    EXPECT_NE(message.find("task.backward: learned"), std::string::npos) << message;
    EXPECT_EQ(message.find("here fit"), std::string::npos) << message;
  }
}

INSTANTIATE_TEST_SUITE_P(Exact, OnWindyGrid, testing::ValuesIn(ObjectiveCases()), NameOfChoice);

// ---- points of a box ----

BoxConfig TwoBumps(bool torus) {
  return {.dimensions = 1, .num_steps = 2, .torus = torus, .reward = {.num_modes = 2, .width = 0.1, .background = 0.1}};
}

class OnBox : public testing::TestWithParam<ObjectiveCase> {};

TEST_P(OnBox, LearnsTheDensityOrIsRefused) {
  static const std::set<std::string> kRefused = {"modified_subtb_within_trajectories",
                                                 "modified_subtb",
                                                 "modified_subtb_root_lambda",
                                                 "modified_db",
                                                 "forward_looking_db",
                                                 "forward_looking_subtb",
                                                 "fm",
                                                 "maximum_likelihood"};
  BoxTraining run(TwoBumps(false), GetParam());
  if (kRefused.contains(GetParam().name)) {
    ExpectRefusal(run.status());
    return;
  }
  double distance = run.Error(100).total_variation;
  EXPECT_GT(distance, 0.15);
  for (int64_t round = 0; round < 6 && distance > 0.08; ++round) {
    run.Steps(100);
    distance = run.Error(100).total_variation;
  }
  EXPECT_LT(distance, 0.1);
}

INSTANTIATE_TEST_SUITE_P(Exact, OnBox, testing::ValuesIn(ObjectiveCases()), NameOfChoice);

TEST(OnBoxAndTorus, TrajectoryBalanceLearnsDensityAndLogZ) {
  for (const bool torus : {false, true}) {
    BoxTraining run(TwoBumps(torus));
    EXPECT_GT(run.Error(100).total_variation, 0.15);
    run.Steps(400);
    EXPECT_LT(run.Error(100).total_variation, 0.1) << "torus " << torus;
    EXPECT_NEAR(run.LogZError(), 0, 0.2) << "torus " << torus;
  }
}

}  // namespace
}  // namespace gfn
