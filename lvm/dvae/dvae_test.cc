// The discrete VAE on small grids: densities against a plain loop, gradients against differences, a posterior that is enumerated.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "gflownet/core/condition_column.h"
#include "gflownet/core/rollout.h"
#include "gflownet/core/trainer.h"
#include "gflownet/tensor/random.h"
#include "lvm/dvae/dvae_model.h"
#include "lvm/dvae/dvae_policy.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

using testing::HasSubstr;

DvaeConfig Small() {
  DvaeConfig config;
  config.grid = 2;
  config.num_codes = 4;
  config.channels = 8;
  config.residual_blocks = 1;
  return config;
}

at::Tensor RandomImages(int64_t num, int64_t side) {
  return UniformTensor({3, RngPurpose::kTest, 0}, {num, side, side}, at::kDouble, 1).lt(0.4).to(at::kByte);
}

// An embedding of more than one number and a decoder that starts wide apart, so that codes matter.
std::unique_ptr<DvaeModel> SmallDvae(int64_t num_images, double scale = 1.5, int64_t side = 8) {
  auto model = DvaeModel::Create(Small(), RandomImages(num_images, side), 2).value();
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : model->parameters()) at::Tensor(parameter.value).mul_(scale);
  return model;
}

TEST(DvaeModel, JointDensityIsTheSumOverPixels) {
  const auto model = SmallDvae(3);
  const TrajectoryBatch all = model->world().EveryObject(model->conditions().ids());
  ASSERT_EQ(all.size(), 3 * 256);
  const at::Tensor log_joint_B = model->LogJoint(all).value().detach();
  const at::Tensor logits_BSS = model->Decode(all.actions_BT).detach().to(at::kDouble);
  const at::Tensor images = RandomImages(3, 8);
  for (const int64_t row : {0, 100, 300, 767}) {
    double expected = -4 * std::log(4.0);
    for (int64_t y = 0; y < 8; ++y) {
      for (int64_t x = 0; x < 8; ++x) {
        const double p = 1 / (1 + std::exp(-logits_BSS[row][y][x].item<double>()));
        expected += std::log(images[row / 256][y][x].item<int64_t>() == 1 ? p : 1 - p);
      }
    }
    EXPECT_NEAR(log_joint_B[row].item<double>(), expected, 1e-4 * std::abs(expected));
  }
  EXPECT_GT((log_joint_B[0] - log_joint_B[100]).abs().item<double>(), 1e-3) << "codes say something";
}

TEST(DvaeModel, EveryParameterHasItsGradient) {
  const auto model = SmallDvae(2);
  const TrajectoryBatch batch = model->SampleJoint(20, {1, RngPurpose::kTest, 1}).value();
  const auto value = [&] { return model->LogJoint(batch).value().mean(); };
  value().backward();
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : model->parameters()) {
    const at::Tensor direction = NormalTensor({9, RngPurpose::kTest, 0}, parameter.value.sizes(), at::kFloat, 1);
    const double slope = (parameter.value.grad() * direction).sum().item<double>(), step = 5e-4 / direction.norm().item<double>();
    at::Tensor(parameter.value).add_(direction, step);
    const double up = value().item<double>();
    at::Tensor(parameter.value).sub_(direction, 2 * step);
    const double down = value().item<double>();
    at::Tensor(parameter.value).add_(direction, step);
    EXPECT_NEAR(slope, (up - down) / (2 * step), 0.05 * std::abs(slope) + 0.05) << parameter.name << " " << slope;
  }
}

TEST(DvaeModel, DreamsAreOfTheModel) {
  const auto model = SmallDvae(2);
  const TrajectoryBatch dream = model->SampleJoint(4000, {5, RngPurpose::kTest, 2}).value();
  const at::Tensor p_B = model->Decode(dream.actions_BT).sigmoid(), x_B = model->ImagesOf(ConditionColumn(dream.condition_ids));
  EXPECT_NEAR((x_B.squeeze(1) - p_B).mean().item<double>(), 0, 5e-3);
  const at::Tensor count = dream.actions_BT.flatten().bincount({}, 4);
  EXPECT_LT((count - 4000).abs().max().item<double>(), 5 * std::sqrt(4000.0));
}

// A dream may be an image of the data: then it is that condition, beside others that are new.
TEST(DvaeModel, ADreamOfTheDataIsNotLost) {
  DvaeConfig config = Small();
  config.grid = 1;
  const auto model = DvaeModel::Create(config, at::zeros({1, 1, 1}, at::kByte), 2).value();
  const TrajectoryBatch dream = model->SampleJoint(64, {5, RngPurpose::kTest, 3}).value();
  const at::Tensor ink = model->ImagesOf(ConditionColumn(dream.condition_ids)).mean();
  EXPECT_GT(ink.item<double>(), 0.1);
  EXPECT_LT(ink.item<double>(), 0.9);
}

TEST(DvaeModel, SidesThatCanBeMade) {
  EXPECT_EQ(UpsamplingKernels(4, 28).value(), (std::vector<int64_t>{3, 4, 4}));
  EXPECT_EQ(UpsamplingKernels(2, 8).value(), (std::vector<int64_t>{4, 4}));
  EXPECT_EQ(UpsamplingKernels(4, 4).value(), std::vector<int64_t>{});
  EXPECT_THAT(Message(UpsamplingKernels(4, 27).status()), HasSubstr("side 27"));
  EXPECT_THAT(Message(UpsamplingKernels(3, 28).status()), HasSubstr("grid of 3"));
  for (const int64_t side : {4, 7, 14}) {
    DvaeConfig config = Small();
    config.grid = 4;
    const auto model = DvaeModel::Create(config, RandomImages(1, side), 1).value();
    EXPECT_EQ(model->Decode(at::zeros({2, 16}, at::kLong)).sizes(), (std::vector<int64_t>{2, side, side}));
  }
}

struct Sampler {
  std::unique_ptr<DvaeModel> model;
  ParameterSet parameters;
  std::unique_ptr<DvaePolicy> policy;

  explicit Sampler(int64_t num_images) : model(SmallDvae(num_images, 1.2)) {
    policy = std::make_unique<DvaePolicy>(model->world(), *model, DvaePolicyConfig{.encoded = 64, .width = 128}, parameters, 1);
  }
};

TEST(DvaePolicy, IsAPolicyAndCountsItsParameters) {
  Sampler sampler(3);
  CheckPolicy(sampler.model->world(), *sampler.policy, sampler.model->conditions().ids());
  EXPECT_EQ(DvaePolicy::NumParameters(Small(), 8, {.encoded = 64, .width = 128}),
            static_cast<double>(sampler.parameters.num_elements()));
}

// With four codes of four values the posterior of each image is known.
TEST(DvaePolicy, LearnsTheEnumeratedPosterior) {
  Sampler sampler(4);
  const ModelReward reward(*sampler.model);
  const auto objective = MakeObjective(VarGradConfig{}).value();
  OptimizerConfig config;
  config.learning_rate = 5e-3;
  config.schedule.decay = Decay::kLinear;
  config.schedule.decay_steps = 2000;
  config.schedule.final_fraction = 0.02;
  Optimizer optimizer = Optimizer::Create(config, &sampler.parameters).value();
  TrainerParts parts;
  parts.environment = &sampler.model->world();
  parts.policy = sampler.policy.get();
  parts.reward = &reward;
  parts.objective = objective.get();
  parts.parameters = &sampler.parameters;
  parts.optimizer = &optimizer;
  parts.conditions = sampler.model->conditions().ids();
  TrainerConfig trainer_config;
  trainer_config.conditions_per_step = 4;
  trainer_config.rollouts = 32;
  // The posterior has several modes, which a sampler on its own does not look for.
  trainer_config.behaviour.on_policy = 0.5;
  trainer_config.behaviour.tempered = 0.5;
  trainer_config.behaviour.per_rollout = true;
  trainer_config.behaviour.exploration.epsilon = 0.3;
  trainer_config.behaviour.exploration.epsilon_end = 0.05;
  trainer_config.behaviour.exploration.epsilon_steps = 1200;
  auto trainer = Trainer::Create(trainer_config, parts).value();
  for (int step = 0; step < 2000; ++step) ASSERT_TRUE(trainer->Step().ok());
  const at::NoGradGuard no_grad;
  const TrajectoryBatch all = sampler.model->world().EveryObject(parts.conditions);
  const at::Tensor log_q_CX =
      sampler.policy->Score(all, {.needs = Need::kLogPf, .with_grad = false}).log_pf_BT.sum(1).to(at::kDouble).view({4, -1});
  const at::Tensor log_joint_CX = sampler.model->LogJoint(all).value().view({4, -1});
  const at::Tensor distance_C = (log_q_CX.exp() - log_joint_CX.softmax(1)).abs().sum(1) / 2;
  EXPECT_LT(distance_C.max().item<double>(), 0.05) << distance_C;
  // The importance estimate of the likelihood agrees with the exact one within its interval.
  const TrajectoryBatch drawn =
      Rollout(*parts.environment, *sampler.policy, RolloutRows({parts.conditions[0]}, 2000), {3, RngPurpose::kEval, 0}).value();
  const at::Tensor log_w_B = sampler.model->LogJoint(drawn).value() -
                             sampler.policy->Score(drawn, {.needs = Need::kLogPf, .with_grad = false}).log_pf_BT.sum(1);
  const double estimate = log_w_B.logsumexp(0).item<double>() - std::log(2000.0),
               exact = log_joint_CX[0].logsumexp(0).item<double>();
  const double deviation = (log_w_B - estimate).exp().std().item<double>() / std::sqrt(2000.0);
  EXPECT_NEAR(estimate, exact, 4 * deviation + 1e-6);
}

}  // namespace
}  // namespace gfn
