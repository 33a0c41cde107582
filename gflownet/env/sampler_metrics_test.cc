// Metrics of a sampler against hand-worked numbers and against the exact distribution.
#include "gflownet/env/sampler_metrics.h"

#include <gtest/gtest.h>

#include "gflownet/core/rollout.h"
#include "gflownet/env/exact.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/state_policies.h"

namespace gfn {
namespace {

TEST(Correlation, HandWorked) {
  const at::Tensor x = at::tensor({1.0, 2.0, 3.0, 4.0}, at::kDouble);
  EXPECT_NEAR(Correlation(x, 3 * x + 1), 1, 1e-12);
  EXPECT_NEAR(Correlation(x, -x), -1, 1e-12);
  EXPECT_NEAR(Correlation(x, at::tensor({1.0, 3.0, 2.0, 4.0}, at::kDouble)), 0.8, 1e-12);
  EXPECT_TRUE(std::isnan(Correlation(x, at::full({4}, 0.3, at::kDouble)))) << "a constant correlates with nothing";
}

TEST(Calibration, IsPerfectAtTheTargetAndWeighsByTheSampler) {
  const at::Tensor log_r = at::tensor({0.0, 1.0, 2.0, -1.0}, at::kDouble);
  const CalibrationError perfect = MeasureCalibration((log_r / 2).log_softmax(0), log_r, 2);
  EXPECT_NEAR(perfect.correlation, 1, 1e-12);
  EXPECT_NEAR(perfect.variance, 0, 1e-12);
  // q = (1/4, 3/4), log R = (0, 0): log R - log q takes log 4 and log 4/3.
  const CalibrationError two = MeasureCalibration(at::tensor({0.25, 0.75}, at::kDouble).log(), at::zeros({2}, at::kDouble));
  EXPECT_NEAR(two.variance, 0.25 * 0.75 * std::log(3.0) * std::log(3.0), 1e-12);
  // An object that is never drawn, and one of reward 0, have no log.
  const CalibrationError cut =
      MeasureCalibration(at::tensor({0.5, 0.5, 0.0}, at::kDouble).log(), at::tensor({1.0, 1.0, 5.0}, at::kDouble));
  EXPECT_NEAR(cut.variance, 0, 1e-12);
}

class SampledGrid : public testing::Test {
 protected:
  SampledGrid() {
    const at::NoGradGuard no_grad;
    const at::Tensor& table = parameters_.Get("table.forward");
    table.copy_(at::arange(table.numel(), at::kDouble).view(table.sizes()).mul(1.7).sin());
  }
  Hypergrid grid_{HypergridConfig{.dimensions = 2, .side = 4}};
  HypergridReward reward_{grid_, {}};
  ParameterSet parameters_;
  TabularPolicy policy_{grid_, {Unconditional()}, parameters_, {.dtype = at::kDouble}};
};

TEST_F(SampledGrid, TheImportanceBoundIsLogZ) {
  const auto samples = DrawSamples(grid_, policy_, reward_, Unconditional(), 8192, {3, RngPurpose::kTest, 0});
  ASSERT_TRUE(samples.ok()) << samples.status();
  const SampledError error = MeasureSamples(*samples);
  const double log_z =
      reward_.LogRewardOf(grid_.ObjectsAt(at::arange(16, at::kLong), Unconditional())).logsumexp(0).item<double>();
  EXPECT_NEAR(error.iw_bound, log_z, 0.15);
  EXPECT_LT(error.elbo, log_z);
  EXPECT_GT(error.ess, 100);
  EXPECT_LT(error.ess, 8192);
  // Rows do not depend on how many are drawn at a time.
  const auto again = DrawSamples(grid_, policy_, reward_, Unconditional(), 100, {3, RngPurpose::kTest, 0}, {}, 7);
  EXPECT_TRUE(again->batch.lengths_B.equal(samples->batch.lengths_B.slice(0, 0, 100)));
}

TEST_F(SampledGrid, TopObjectsAreDistinctAndDiffer) {
  const at::Tensor index = at::tensor({5, 5, 0, 6, 3}, at::kLong);  // (1,1) twice, (0,0), (1,2), (0,3)
  const State objects = grid_.ObjectsAt(index, Unconditional());
  const at::Tensor log_reward = at::tensor({2.0, 2.0, 0.0, 1.0, -3.0}, at::kDouble);
  const TopObjects top =
      MeasureTop(objects, log_reward, 3, [&](const State& state) { return HypergridFeatures(grid_, state, at::kFloat); });
  EXPECT_EQ(top.count, 4);
  EXPECT_NEAR(top.log_reward, 1, 1e-12) << "(2 + 1 + 0) / 3";
  EXPECT_NEAR(top.diversity, (1 + 2 + 2) / 3.0, 1e-6) << "coordinates that differ: (1,1)-(1,2) 1, the others 2";
}

}  // namespace
}  // namespace gfn
