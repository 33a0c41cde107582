#include <algorithm>

#include "gflownet/core/conformance.h"
#include "gflownet/core/rollout.h"

namespace gfn {
namespace {

class RewardExaminer {
 public:
  RewardExaminer(const Environment& environment, const Reward& reward, Tolerance tolerance, Findings& findings)
      : environment_(environment), reward_(reward), tolerance_(tolerance), findings_(findings) {}

  // The rewards of a batch; an undefined tensor and a finding if they cannot be had.
  at::Tensor LogReward(TrajectoryBatch batch) {
    findings_.ExpectOk(EvaluateReward(reward_, batch));
    return batch.log_reward_B;
  }

  void Compare(const TrajectoryBatch& batch, const at::Tensor& expected_B, const std::string& what, bool reversed = false) {
    const at::Tensor found_B = LogReward(batch);
    if (found_B.defined()) findings_.ExpectClose(reversed ? found_B.flip(0) : found_B, expected_B, tolerance_, "reward: " + what);
  }

  void CheckAlong(TrajectoryBatch batch) {
    const at::Tensor final_B = LogReward(batch);
    if (!findings_.ExpectOk(EvaluateReward(reward_, batch, /*along=*/true))) return;
    findings_.ExpectClose(batch.log_reward_B, final_B, tolerance_, "reward: last entry along the trajectory against LogReward");
    for (int64_t row = 0; row < batch.size(); ++row) {
      for (int64_t k = 0; k < batch.lengths_B[row].item<int64_t>(); ++k) {
        if (!batch.stop_legal_BT[row][k].item<bool>()) continue;
        TrajectoryBatch stopped = StoppedAt(batch, row, k);
        if (!findings_.ExpectOk(CompleteBatch(environment_, stopped))) return;
        Compare(stopped, batch.log_reward_along_BT[row][k].reshape({1}),
                "row " + std::to_string(row) + " stopped after " + std::to_string(k) + " actions, alone against along");
      }
    }
  }

 private:
  // Row `row` of the batch cut after k actions and stopped there with its own stop action.
  static TrajectoryBatch StoppedAt(const TrajectoryBatch& batch, int64_t row, int64_t k) {
    TrajectoryBatch result;
    result.condition_ids = {batch.condition_ids[row]};
    const int64_t length = batch.lengths_B[row].item<int64_t>();
    const at::Tensor stop = batch.actions_BT[row].slice(0, length - 1, length);
    result.actions_BT = at::cat({batch.actions_BT[row].slice(0, 0, k), stop}).unsqueeze(0);
    // Nature does what it did, and the last stop has its one outcome.
    if (batch.outcomes_BT.defined())
      result.outcomes_BT = at::cat({batch.outcomes_BT[row].slice(0, 0, k), at::zeros({1}, at::kLong)}).unsqueeze(0);
    result.lengths_B = at::full({1}, k + 1, at::kLong);
    return result;
  }

  const Environment& environment_;
  const Reward& reward_;
  Tolerance tolerance_;
  Findings& findings_;
};

}  // namespace

void FindBrokenReward(const Environment& environment, const Reward& reward, const std::vector<ConditionId>& conditions,
                      const ConformanceOptions& options, Findings& findings) {
  findings.Expect(!reward.Digest().empty(), "reward: Digest is empty");
  const auto batch = DrawRandomTrajectories(environment, conditions, options);
  if (!findings.ExpectOk(batch.status())) return;
  RewardExaminer examiner(environment, reward, options.tolerance, findings);
  const at::Tensor all_B = examiner.LogReward(*batch);
  if (!all_B.defined()) return;
  const at::Tensor again_B = examiner.LogReward(*batch);
  findings.Expect(again_B.defined() && again_B.equal(all_B), "reward: the same batch has other values the second time");

  // Rows one by one (without padding), and in reverse order.
  std::vector<int64_t> reversed;
  for (int64_t row = 0; row < batch->size(); ++row) {
    reversed.insert(reversed.begin(), row);
    examiner.Compare(batch->Gather(std::vector<int64_t>{row}), all_B.slice(0, row, row + 1),
                     "row " + std::to_string(row) + " alone against the batch");
  }
  examiner.Compare(batch->Gather(reversed), all_B, "rows in reverse order against the batch", /*reversed=*/true);

  // Padding is never read.
  TrajectoryBatch padded = *batch;
  const bool discrete = environment.Spec().action == EnvironmentSpec::Action::kDiscrete;
  const at::Tensor moves = discrete ? batch->StepMask() : batch->StepMask().unsqueeze(2);
  padded.actions_BT = at::where(moves, batch->actions_BT, std::max<int64_t>(environment.Spec().num_actions - 1, 0));
  examiner.Compare(padded, all_B, "other values in the padding");

  if (dynamic_cast<const PrefixReward*>(&reward) != nullptr && batch->stop_legal_BT.defined()) examiner.CheckAlong(*batch);
}

}  // namespace gfn
