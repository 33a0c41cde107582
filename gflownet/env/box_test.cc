#include "gflownet/env/box.h"

#include <gtest/gtest.h>

#include "gflownet/core/rollout.h"
#include "gflownet/env/box_training.h"
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

TEST(Box, RolloutsAreDrawnFromThePolicy) {
  BoxTraining run({.dimensions = 1, .num_steps = 1});
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
