// The mixture against formulas and differences, without a sampler.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "gflownet/core/rollout.h"
#include "gflownet/env/state_graph.h"
#include "lvm/mixture/mixture_model.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

std::unique_ptr<MixtureModel> Model(int64_t num_points, double sigma = 0.5) {
  const at::Tensor truth = MixtureModel::TrueMeans(4);
  return MixtureModel::Create(sigma, MixtureModel::Simulate(truth, sigma, num_points, 3), truth + 0.3).value();
}

TEST(MixtureModel, JointDensityIsTheFormula) {
  const auto model = Model(3);
  const TrajectoryBatch all = model->world().EveryObject(model->conditions().ids());
  const at::Tensor log_joint_B = model->LogJoint(all).value().detach();
  ASSERT_EQ(log_joint_B.numel(), 48);
  EXPECT_LT((log_joint_B - model->LogJointTable().flatten()).abs().max().item<double>(), 1e-12);
  // Point 1 under z = (2, 1): groups and petals stand at half steps of a circle.
  const int64_t row = 16 + 2 * 4 + 1;
  const double angle_petal = std::numbers::pi * 0.75;
  double distance = 0;
  for (const int64_t axis : {0, 1}) {
    const double petal = axis == 0 ? std::cos(angle_petal) : std::sin(angle_petal);
    const double center = model->means()[2][axis].item<double>() + petal;
    distance += std::pow(model->data()[1][axis].item<double>() - center, 2);
  }
  const double expected = -distance / (2 * 0.25) - std::log(2 * std::numbers::pi * 0.25) - std::log(16.0);
  EXPECT_NEAR(log_joint_B[row].item<double>(), expected, 1e-12);
  EXPECT_NEAR(MixtureModel::TrueMeans(4)[0][0].item<double>(), std::numbers::sqrt2, 1e-12);
}

TEST(MixtureModel, GradientIsTheFiniteDifference) {
  const auto model = Model(5);
  const TrajectoryBatch all = model->world().EveryObject(model->conditions().ids());
  const auto value = [&] { return model->LogJoint(all).value().softmax(0).dot(at::arange(80, at::kDouble)); };
  value().backward();
  const at::Tensor gradient = model->means().grad().clone();
  const at::NoGradGuard no_grad;
  for (const int64_t group : {0, 3}) {
    at::Tensor entry = model->means()[group][1];
    const double step = 1e-6;
    entry.add_(step);
    const double up = value().item<double>();
    entry.sub_(2 * step);
    const double down = value().item<double>();
    entry.add_(step);
    EXPECT_NEAR(gradient[group][1].item<double>(), (up - down) / (2 * step), 1e-5);
  }
}

TEST(MixtureModel, ClosedFormIsWhereTheGradientVanishes) {
  const auto model = Model(50);
  TrajectoryBatch all = model->world().EveryObject(model->conditions().ids());
  all.weight_B = model->LogJointTable().softmax(1).flatten();
  ASSERT_TRUE(model->Maximise(all, 1).ok());
  model->LogJoint(all).value().dot(all.weight_B).backward();
  EXPECT_LT(model->means().grad().abs().max().item<double>(), 1e-9);
  const at::Tensor best = model->means().detach().clone();
  const at::NoGradGuard no_grad;
  at::Tensor(model->means()).add_(1);
  ASSERT_TRUE(model->Maximise(all, 0.25).ok());
  EXPECT_LT((model->means() - best - 0.75).abs().max().item<double>(), 1e-9) << "a quarter of the way";
}

// Pairs of the model: z uniform, x around the component of z; their mean log p(x, z) is minus the entropy.
TEST(MixtureModel, SamplesAreOfTheJoint) {
  const double sigma = 0.2;
  const auto model = Model(4, sigma);
  const TrajectoryBatch dream = model->SampleJoint(20000, {7, RngPurpose::kData, 1}).value();
  const at::Tensor log_joint_B = model->LogJoint(dream).value().detach();
  const double entropy = std::log(2 * std::numbers::pi * std::numbers::e * sigma * sigma) + std::log(16.0);
  EXPECT_NEAR(log_joint_B.mean().item<double>(), -entropy, 5 / std::sqrt(20000.0));
  const at::Tensor count_X = (dream.actions_BT.select(1, 0) * 4 + dream.actions_BT.select(1, 1)).bincount({}, 16);
  EXPECT_LT((count_X - 1250).abs().max().item<double>(), 5 * std::sqrt(1250.0));
  // The dream's conditions are known to the model, and those of the data stay so.
  EXPECT_EQ(model->PointsOf(model->conditions().ids()).size(0), 4);
}

TEST(MixtureModel, EqualPointsAreOneCondition) {
  const at::Tensor points = at::tensor({1.0, 2.0, 1.0, 2.0, 3.0, 4.0}).view({3, 2}).to(at::kDouble);
  const auto model = MixtureModel::Create(1, points, MixtureModel::TrueMeans(2)).value();
  EXPECT_EQ(model->conditions().size(), 2);
  EXPECT_EQ(model->data().size(0), 2);
}

TEST(CodeWorld, IsAWorld) {
  const auto model = Model(2);
  CheckEnvironment(model->world(), model->conditions().ids());
  const ModelReward reward(*model);
  CheckReward(model->world(), reward, model->conditions().ids());
}

TEST(CodeWorld, EveryObjectIsOneTrajectoryEach) {
  const auto model = Model(2);
  TrajectoryBatch all = model->world().EveryObject(model->conditions().ids());
  ASSERT_TRUE(CompleteBatch(model->world(), all).ok());
  const at::Tensor index_B = model->world().ObjectIndex(FinalStates(model->world(), all));
  EXPECT_TRUE(index_B.equal(at::arange(16, at::kLong).repeat({2})));
}

}  // namespace
}  // namespace gfn
