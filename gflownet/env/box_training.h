// For tests: a continuous policy on a box or torus, trained through the Trainer and measured by quadrature.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "gflownet/core/log_z.h"
#include "gflownet/core/trainer.h"
#include "gflownet/env/box.h"
#include "gflownet/env/continuous_policy.h"
#include "gflownet/env/exact.h"
#include "gflownet/env/objective_cases.h"

namespace gfn {

class BoxTraining {
 public:
  explicit BoxTraining(const BoxConfig& config, const ObjectiveCase& choice = {"tb", TbConfig{}})
      : world_(config),
        reward_(world_, config.reward),
        policy_(
            world_, StateFeatures([this](const State& state) { return world_.Features(state); }), world_.NumFeatures(),
            parameters_,
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
    if (choice.data != Data::kOnPolicy)
      trainer_config.behaviour = {.on_policy = 0, .tempered = 1, .exploration = {.epsilon = 0.1}};
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
  static ConditionTable UnconditionalTable() {
    ConditionTable conditions;
    EXPECT_TRUE(conditions.Insert("").ok());
    return conditions;
  }

  Box world_;
  BoxReward reward_;
  ParameterSet parameters_;
  ConditionTable conditions_ = UnconditionalTable();
  ContinuousPolicy policy_;
  LogZPolicy log_z_policy_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Trainer> trainer_;
  Status status_;
};

}  // namespace gfn
