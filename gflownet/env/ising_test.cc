#include "gflownet/env/ising.h"

#include <gtest/gtest.h>

#include "gflownet/env/state_graph.h"
#include "gflownet/tensor/random.h"
#include "tests/support/conformance.h"
#include "tests/support/world_conformance.h"

namespace gfn {
namespace {

at::Tensor AllObjects(const Ising& world, const IsingReward& reward) {
  return reward.LogRewardOf(world.ObjectsAt(at::arange(world.NumObjects(), at::kLong), Unconditional()));
}

TEST(Ising, IsAWorld) {
  IsingConfig config{.side = 2, .reward = {.coupling_spread = 0.5, .field = 0.3}};
  CheckWorld(CreateWorld(config).value(), "ising");
  config.order = AssignmentOrder::kLeftToRight;
  CheckWorld(CreateWorld(config).value(), "ising_left_to_right");
}

TEST(Ising, TheTransferMatrixIsTheSumOverAllSpins) {
  for (const int64_t side : {2, 3, 4}) {
    for (const double spread : {0.0, 0.6}) {
      const IsingConfig config{.side = side, .reward = {.beta = 0.37, .coupling = 1.1, .coupling_spread = spread, .field = 0.2}};
      const Ising world(config);
      const double sum = AllObjects(world, IsingReward(world, config.reward)).logsumexp(0).item<double>();
      const auto log_z = IsingLogZ(config);
      ASSERT_TRUE(log_z.ok()) << Message(log_z.status());
      EXPECT_NEAR(*log_z, sum, 1e-10) << "side " << side << ", spread " << spread;
    }
  }
  EXPECT_NEAR(*IsingLogZ({.side = 6, .reward = {.beta = 0}}), 36 * std::log(2.0), 1e-10);
  EXPECT_FALSE(IsingLogZ({.side = 11}).ok());
}

// With some spins given, at another temperature: the sum over the rest.
TEST(Ising, TheTransferMatrixKeepsGivenSpins) {
  const Ising world({.side = 3});
  const IsingReward reward(world, {.beta = 0.5, .coupling_spread = 0.8, .field = -0.3, .seed = 4});
  State state = world.Initial({Unconditional()});
  for (const int64_t action : {2 * 4 + 1, 2 * 0 + 0, 2 * 8 + 1}) state = world.Step(state, at::tensor({action}, at::kLong));
  const State objects = world.ObjectsAt(at::arange(world.NumObjects(), at::kLong), Unconditional());
  const at::Tensor below_X = world.IsBelow(objects, state);
  EXPECT_EQ(below_X.sum().item<int64_t>(), 64);
  const at::Tensor log_r_X = (reward.LogRewardOf(objects) / 1.7).masked_fill(below_X.logical_not(), -INFINITY);
  const auto log_sum = reward.LogSumBelow(state, 1.7);
  ASSERT_TRUE(log_sum.has_value());
  EXPECT_NEAR(*log_sum, log_r_X.logsumexp(0).item<double>(), 1e-10);
  // Couplings between rows that are no neighbours have no transfer matrix.
  const Ising larger({.side = 4});
  at::Tensor far = at::zeros({16, 16}, at::kDouble);
  far[0][8] = far[8][0] = 1;
  EXPECT_FALSE(IsingReward(larger, 1, far, at::zeros({16}, at::kDouble)).LogSumBelow(larger.Initial({Unconditional()}), 1));
}

TEST(Ising, AnyPairwiseEnergyIsAReward) {
  const Ising world({.side = 2});
  const at::Tensor half = NormalTensor({1, RngPurpose::kTest, 0}, {4, 4}, at::kDouble).triu(1);
  const at::Tensor field = NormalTensor({2, RngPurpose::kTest, 0}, {4}, at::kDouble);
  const IsingReward reward(world, 0.7, half + half.t(), field);
  const at::Tensor found = AllObjects(world, reward);
  for (int64_t number = 0; number < 16; ++number) {
    double energy = 0;
    auto spin = [&](int64_t i) { return (number >> (3 - i)) & 1 ? 1.0 : -1.0; };
    for (int64_t i = 0; i < 4; ++i) {
      energy += field[i].item<double>() * spin(i);
      for (int64_t j = i + 1; j < 4; ++j) energy += half[i][j].item<double>() * spin(i) * spin(j);
    }
    EXPECT_NEAR(found[number].item<double>(), 0.7 * energy, 1e-12) << number;
  }
}

}  // namespace
}  // namespace gfn
