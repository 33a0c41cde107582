#include <gtest/gtest.h>

#include "gflownet/core/rollout.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

// The rewards of a batch; an undefined tensor and a failure if they cannot be had.
at::Tensor LogReward(const Reward& reward, TrajectoryBatch batch) {
  const Status status = EvaluateReward(reward, batch);
  EXPECT_TRUE(status.ok()) << Message(status);
  return batch.log_reward_B;
}

// Nature does what it did, and the last stop has its one outcome.
at::Tensor OutcomesUntil(const TrajectoryBatch& batch, int64_t row, int64_t k) {
  if (!batch.outcomes_BT.defined()) return {};
  return at::cat({batch.outcomes_BT[row].slice(0, 0, k), at::zeros({1}, at::kLong)}).unsqueeze(0);
}

// Row `row` of the batch cut after k actions and stopped there with its own stop action.
TrajectoryBatch StoppedAt(const Environment& environment, const TrajectoryBatch& batch, int64_t row, int64_t k) {
  TrajectoryBatch result;
  result.condition_ids = {batch.condition_ids[row]};
  const int64_t length = batch.lengths_B[row].item<int64_t>();
  const at::Tensor stop = batch.actions_BT[row].slice(0, length - 1, length);
  result.actions_BT = at::cat({batch.actions_BT[row].slice(0, 0, k), stop}).unsqueeze(0);
  result.outcomes_BT = OutcomesUntil(batch, row, k);
  result.lengths_B = at::full({1}, k + 1, at::kLong);
  const Status status = CompleteBatch(environment, result);
  EXPECT_TRUE(status.ok()) << Message(status);
  return result;
}

void CheckAlong(const Environment& environment, const Reward& reward, TrajectoryBatch batch, Tolerance tolerance) {
  const at::Tensor final_B = LogReward(reward, batch);
  const Status status = EvaluateReward(reward, batch, /*along=*/true);
  ASSERT_TRUE(status.ok()) << Message(status);
  ExpectClose(batch.log_reward_B, final_B, tolerance, "last entry along the trajectory against LogReward");
  for (int64_t row = 0; row < batch.size(); ++row) {
    for (int64_t k = 0; k < batch.lengths_B[row].item<int64_t>(); ++k) {
      if (!batch.stop_legal_BT[row][k].item<bool>()) continue;
      const at::Tensor alone = LogReward(reward, StoppedAt(environment, batch, row, k));
      ExpectClose(batch.log_reward_along_BT[row][k].reshape({1}), alone, tolerance,
                  "row " + std::to_string(row) + " stopped after " + std::to_string(k) + " actions, along against alone");
    }
  }
}

}  // namespace

void CheckReward(const Environment& environment, const Reward& reward, const std::vector<ConditionId>& conditions,
                 const ConformanceOptions& options) {
  SCOPED_TRACE("reward " + reward.Digest());
  EXPECT_FALSE(reward.Digest().empty());
  const TrajectoryBatch batch = RandomTrajectories(environment, conditions, options);
  const at::Tensor all_B = LogReward(reward, batch);
  ASSERT_TRUE(all_B.defined());
  EXPECT_TRUE(LogReward(reward, batch).equal(all_B)) << "the same batch twice";

  // Rows one by one (without padding), and in reverse order.
  std::vector<int64_t> reversed;
  for (int64_t row = 0; row < batch.size(); ++row) {
    reversed.insert(reversed.begin(), row);
    const at::Tensor alone = LogReward(reward, batch.Gather(std::vector<int64_t>{row}));
    ASSERT_TRUE(alone.defined());
    ExpectClose(alone, all_B.slice(0, row, row + 1), options.tolerance, "row " + std::to_string(row) + " alone");
  }
  ExpectClose(LogReward(reward, batch.Gather(reversed)).flip(0), all_B, options.tolerance, "rows in reverse order");

  // Padding is never read.
  TrajectoryBatch padded = batch;
  const bool discrete = environment.Spec().action == EnvironmentSpec::Action::kDiscrete;
  const at::Tensor moves = discrete ? batch.StepMask() : batch.StepMask().unsqueeze(2);
  padded.actions_BT = at::where(moves, batch.actions_BT, std::max<int64_t>(environment.Spec().num_actions - 1, 0));
  ExpectClose(LogReward(reward, padded), all_B, options.tolerance, "other values in the padding");

  const bool has_prefixes = dynamic_cast<const PrefixReward*>(&reward) != nullptr && batch.stop_legal_BT.defined();
  if (has_prefixes) CheckAlong(environment, reward, batch, options.tolerance);
}

}  // namespace gfn
