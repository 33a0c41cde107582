#include "gflownet/env/bit_sequence.h"

#include <gtest/gtest.h>

#include "gflownet/env/state_graph.h"
#include "tests/support/conformance.h"
#include "tests/support/world_conformance.h"

namespace gfn {
namespace {

TEST(BitSequence, IsAWorld) {
  BitSequenceConfig config{.num_bits = 6, .word_bits = 2, .reward = {.num_modes = 3}};
  CheckWorld(CreateWorld(config).value(), "bit_sequence");
  config.order = AssignmentOrder::kLeftToRight;
  CheckWorld(CreateWorld(config).value(), "bit_sequence_left_to_right");
}

TEST(BitSequence, RewardFallsWithTheDistanceToTheNearestMode) {
  const BitSequence world({.num_bits = 16, .word_bits = 4});
  const BitSequenceReward reward(world, {.num_modes = 5, .beta = 1.5});
  const at::Tensor& modes = reward.modes();
  ASSERT_EQ(modes.sizes(), (at::IntArrayRef{5, 16}));
  // A mode, and every sequence one bit away from it, counted bit by bit.
  at::Tensor bits = modes[2].repeat({17, 1});
  for (int64_t i = 0; i < 16; ++i) bits[i + 1][i] = 1 - bits[i + 1][i];
  const at::Tensor number = bits.matmul(at::arange(15, -1, -1, at::kLong).exp2().to(at::kLong));
  const State objects = world.ObjectsAt(number, Unconditional());
  EXPECT_TRUE(world.Bits(objects).equal(bits));
  const at::Tensor nearest = (bits.unsqueeze(1) - modes.unsqueeze(0)).abs().sum(2).amin(1);
  EXPECT_EQ(nearest[0].item<int64_t>(), 0);
  EXPECT_EQ(nearest[1].item<int64_t>(), 1);
  ExpectClose(reward.LogRewardOf(objects), nearest.to(at::kDouble) * -1.5, {1e-12}, "log R");
}

TEST(BitSequence, AtTheSizeOfThePaperItRunsButIsNotListed) {
  const RewardedWorld world = CreateWorld(BitSequenceConfig{.num_bits = 120, .word_bits = 8}).value();
  EXPECT_EQ(world.environment->Spec().num_actions, 15 * 256);
  TrajectoryBatch batch = RandomTrajectories(*world.environment, {Unconditional()}, {.rollouts = 2});
  EXPECT_TRUE(EvaluateReward(*world.reward, batch).ok());
  EXPECT_LT(batch.log_reward_B.max().item<double>(), -10) << "random sequences are far from every mode";
  EXPECT_FALSE(CheckListable(*world.enumerable()).ok());
  EXPECT_FALSE(CreateWorld(BitSequenceConfig{.num_bits = 10, .word_bits = 4}).ok());
}

}  // namespace
}  // namespace gfn
