#include "gflownet/env/box.h"

#include <gtest/gtest.h>

#include "gflownet/core/log_z.h"
#include "gflownet/core/rollout.h"
#include "gflownet/core/trainer.h"
#include "gflownet/env/continuous_policy.h"
#include "gflownet/env/exact.h"
#include "gflownet/env/objective_cases.h"
#include "gflownet/tensor/random.h"
#include "tests/support/conformance.h"
#include "tests/support/world_conformance.h"

namespace gfn {
namespace {

TEST(Box, IsAWorld) {
  CheckWorld(CreateWorld(BoxConfig{.num_steps = 3}).value(), "box");
  CheckWorld(CreateWorld(BoxConfig{.dimensions = 1, .torus = true}).value(), "torus");
}

TEST(Box, QuadratureIsTheIntegral) {
  // One narrow bump inside the box: 2 pi width^2 + background.
  const Box world({.reward = {.num_modes = 1, .width = 0.03, .background = 0.1}});
  const BoxReward reward(world, world.config().reward);
  const auto log_z = BoxLogZ(world, reward, 200);
  ASSERT_TRUE(log_z.ok()) << Message(log_z.status());
  EXPECT_NEAR(*log_z, std::log(2 * M_PI * 0.03 * 0.03 + 0.1), 1e-8);
  EXPECT_FALSE(BoxLogZ(Box({.dimensions = 8}), reward, 200).ok());
}

PointMixture SomeMixture(bool wraps) {
  const at::Tensor weights = at::tensor(std::vector<double>{0.3, 0.7}).view({1, 2});
  const at::Tensor means = at::tensor(std::vector<double>{0.1, 0.9}).view({1, 2, 1});
  const at::Tensor sigma = at::tensor(std::vector<double>{0.05, 0.4}).view({1, 2, 1});
  return {weights.log(), means, sigma, wraps};
}

TEST(PointMixture, DensityIntegratesToOneAndDrawsFollowIt) {
  for (const bool wraps : {false, true}) {
    const PointMixture mixture = SomeMixture(wraps);
    const at::Tensor points = Midpoints(1, 4000).value();
    const at::Tensor density = mixture.LogDensity(points).exp() / 4000;
    EXPECT_NEAR(density.sum().item<double>(), 1, 1e-6);
    // Shares of 20,000 draws in ten bins; their standard errors are below 0.0036.
    const at::Tensor uniforms = UniformTensor({1, RngPurpose::kTest, 0}, {20000, 2}, at::kDouble);
    const at::Tensor drawn = PointMixture{mixture.log_weights_BK.expand({20000, 2}), mixture.means_BKD.expand({20000, 2, 1}),
                                          mixture.sigma_BKD.expand({20000, 2, 1}), wraps}
                                 .Draw(uniforms);
    const at::Tensor bins = at::bincount((drawn.squeeze(1) * 10).to(at::kLong).clamp(0, 9), {}, 10).to(at::kDouble) / 20000;
    EXPECT_LT((bins - density.view({10, 400}).sum(1)).abs().max().item<double>(), 0.015) << "wraps " << wraps;
  }
}

ConditionTable OneCondition() {
  ConditionTable conditions;
  EXPECT_TRUE(conditions.Insert("").ok());
  return conditions;
}

class Trained {
 public:
  explicit Trained(const BoxConfig& config, const ObjectiveCase& choice = {"tb", TbConfig{}})
      : world_(config),
        reward_(world_, config.reward),
        policy_(world_, [this](const State& state) { return world_.Features(state); }, world_.NumFeatures(), parameters_,
                {.mlp = {.heads = {.learned_backward = true, .flow = true}, .width = 32}, .num_components = 6, .wraps = config.torus},
                {1, RngPurpose::kInit, 0}),
        log_z_policy_(policy_, conditions_, parameters_, at::Tensor()) {
    OptimizerConfig optimizer_config;
    optimizer_config.learning_rate = 0.01;
    optimizer_ = std::make_unique<Optimizer>(Optimizer::Create(optimizer_config, &parameters_).value());
    objective_ = MakeObjective(choice.objective).value();
    TrainerParts parts;
    parts.environment = &world_;
    parts.policy = &log_z_policy_;
    parts.reward = &reward_;
    parts.objective = objective_.get();
    parts.parameters = &parameters_;
    parts.optimizer = optimizer_.get();
    parts.conditions = {Unconditional()};
    TrainerConfig trainer_config;
    trainer_config.rollouts = 64;
    trainer_config.updates_per_batch = choice.updates_per_batch;
    if (choice.data != Data::kOnPolicy) trainer_config.behaviour = {.on_policy = 0, .tempered = 1, .exploration = {.epsilon = 0.1}};
    auto trainer = Trainer::Create(trainer_config, parts);
    status_ = trainer.status();
    if (trainer.ok()) trainer_ = std::move(trainer).value();
  }
  const Status& status() const { return status_; }
  void Steps(int64_t num) {
    ASSERT_TRUE(status_.ok()) << Message(status_);
    for (int64_t i = 0; i < num; ++i) {
      const auto metrics = trainer_->Step();
      ASSERT_TRUE(metrics.ok()) << Message(metrics.status());
    }
  }
  // On the cells of a quadrature.
  DistributionError Error(int64_t points_per_dimension) const {
    const at::Tensor points_GD = Midpoints(world_.config().dimensions, points_per_dimension).value();
    const at::Tensor log_q_G =
        LogTerminatingDensity(policy_, world_, points_GD, [this](const at::Tensor& x, int64_t n) { return world_.At(x, n); });
    EXPECT_NEAR(log_q_G.exp().mean().item<double>(), 1, 0.02) << "the density of objects integrates to 1";
    const at::Tensor log_reward_G = reward_.LogRewardOf(world_.At(points_GD, world_.config().num_steps));
    return CompareWithTarget(log_q_G - std::log(static_cast<double>(points_GD.size(0))), log_reward_G);
  }
  double LogZError() const { return parameters_.Get("log_z")[0].item<double>() - BoxLogZ(world_, reward_, 200).value(); }
  const Box& world() const { return world_; }
  const ContinuousPolicy& policy() const { return policy_; }

 private:
  Box world_;
  BoxReward reward_;
  ParameterSet parameters_;
  ConditionTable conditions_ = OneCondition();
  ContinuousPolicy policy_;
  LogZPolicy log_z_policy_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Trainer> trainer_;
  Status status_;
};

TEST(Box, TrajectoryBalanceLearnsTheDensity) {
  for (const bool torus : {false, true}) {
    Trained run({.dimensions = 1, .num_steps = 2, .torus = torus, .reward = {.num_modes = 2, .width = 0.1, .background = 0.1}});
    const double before = run.Error(100).total_variation;
    EXPECT_GT(before, 0.15);
    run.Steps(400);
    EXPECT_LT(run.Error(100).total_variation, 0.1) << "torus " << torus;
    EXPECT_NEAR(run.LogZError(), 0, 0.2);
  }
}

class OnBox : public testing::TestWithParam<ObjectiveCase> {};

TEST_P(OnBox, LearnsTheDensityOrIsRefused) {
  Trained run({.dimensions = 1, .num_steps = 2, .reward = {.num_modes = 2, .width = 0.1, .background = 0.1}}, GetParam());
  if (!run.status().ok()) {
    EXPECT_NE(Message(run.status()).find("; here fit: tb"), std::string::npos) << Message(run.status());
    return;
  }
  EXPECT_GT(run.Error(100).total_variation, 0.15);
  run.Steps(500);
  EXPECT_LT(run.Error(100).total_variation, 0.1);
  RecordProperty("trained", 1);
}

INSTANTIATE_TEST_SUITE_P(Exact, OnBox, testing::ValuesIn(ObjectiveCases()), [](const auto& info) { return info.param.name; });

TEST(Box, RolloutsAreDrawnFromThePolicy) {
  Trained run({.dimensions = 1, .num_steps = 1});
  const auto batch = Rollout(run.world(), run.policy(), RolloutRows({Unconditional()}, 20000), {2, RngPurpose::kRollout, 0});
  ASSERT_TRUE(batch.ok()) << Message(batch.status());
  const at::Tensor bins =
      at::bincount((batch->actions_BT.flatten() * 10).to(at::kLong).clamp(0, 9), {}, 10).to(at::kDouble) / 20000;
  const PointMixture first = run.policy().Forward(run.world().Initial({Unconditional()}).Gather(at::zeros({1000}, at::kLong)));
  const at::Tensor density = first.LogDensity(Midpoints(1, 1000).value()).exp() / 1000;
  EXPECT_LT((bins - density.view({10, 100}).sum(1)).abs().max().item<double>(), 0.015);
  const auto refused =
      Rollout(run.world(), run.policy(), RolloutRows({Unconditional()}, 2, {.top_k = 3}), {2, RngPurpose::kRollout, 0});
  EXPECT_FALSE(refused.ok());
}

}  // namespace
}  // namespace gfn
