#include "gflownet/core/local_search.h"

#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/core/backward_rollout.h"
#include "gflownet/core/rollout.h"

namespace gfn {
namespace {

int64_t Length(const TrajectoryBatch& batch, int64_t row) { return batch.lengths_B.data_ptr<int64_t>()[row]; }

// How many steps of an object of that length may be taken back: 1 .. this.
int64_t MostUndone(const LocalSearchConfig& config, int64_t length) {
  return config.max_undo == 0 ? length : std::min(config.max_undo, length);
}

// sum over the steps from `from` on of log_pf and of log_pb, [B] each as numbers.
struct TailScores {
  std::vector<double> log_pf, log_pb;
};
TailScores ScoreTails(const Environment& environment, const Policy& policy, const TrajectoryBatch& batch,
                      const std::vector<int64_t>& from_B) {
  const bool is_tree = environment.Spec().is_tree;
  const Needs needs = is_tree ? Needs(Need::kLogPf) : Need::kLogPf | Need::kLogPb;
  const TrajectoryScores scores = policy.Score(batch, {.needs = needs, .with_grad = false});
  const at::Tensor steps_T = at::arange(batch.num_steps(), at::kLong);
  const at::Tensor tail_BT = steps_T.unsqueeze(0).ge(at::tensor(from_B, at::kLong).unsqueeze(1)).logical_and(batch.StepMask());
  auto sums = [&](const at::Tensor& values_BT) {
    const at::Tensor sum_B = values_BT.to(at::kCPU, at::kDouble).masked_fill(tail_BT.logical_not(), 0).sum(1).contiguous();
    return std::vector<double>(sum_B.data_ptr<double>(), sum_B.data_ptr<double>() + sum_B.numel());
  };
  return {sums(scores.log_pf_BT), is_tree ? std::vector<double>(from_B.size(), 0) : sums(scores.log_pb_BT)};
}

// Draws of one iteration, each purpose at a seed of its own.
RngKey KeyOf(const RngKey& key, RngPurpose purpose, int64_t iteration) {
  return {MixBits(key.seed + static_cast<uint64_t>(iteration) + 1), purpose, key.step};
}

// A proposal for every row: another way to the same object, and what was built from the state that both share.
struct Proposal {
  std::vector<int64_t> kept;  // [B]: actions that both have
  TrajectoryBatch old_way, proposed;
};

StatusOr<Proposal> Propose(const Environment& environment, const Policy& policy, const LocalSearchConfig& config,
                           const LocalSearchInput& input, const TrajectoryBatch& current, const RngKey& key, int64_t iteration) {
  Proposal proposal;
  const RngKey choices = KeyOf(key, RngPurpose::kBehaviour, iteration);
  ASSIGN_OR_RETURN(proposal.old_way,
                   BackwardRollout(environment, policy, FinalStates(environment, current), current.condition_ids, input.streams,
                                   KeyOf(key, RngPurpose::kBackward, iteration)));
  std::vector<RolloutRow> rows;
  for (int64_t row = 0; row < current.size(); ++row) {
    const int64_t length = Length(proposal.old_way, row);
    const int64_t undone = 1 + UniformInt(choices, input.streams[row], 0, MostUndone(config, length));
    proposal.kept.push_back(length - undone);
    const int64_t* actions = proposal.old_way.actions_BT.data_ptr<int64_t>() + row * proposal.old_way.num_steps();
    rows.push_back({current.condition_ids[row], input.streams[row], {}, {actions, actions + proposal.kept.back()}});
  }
  ASSIGN_OR_RETURN(proposal.proposed, Rollout(environment, policy, rows, KeyOf(key, RngPurpose::kRollout, iteration)));
  return proposal;
}

}  // namespace

StatusOr<TrajectoryBatch> LocalSearch(const Environment& environment, const Policy& policy, const Reward& reward,
                                      const LocalSearchConfig& config, const LocalSearchInput& input, const RngKey& key) {
  GFN_CHECK(input.batch.log_reward_B.defined() && input.streams.size() == input.batch.condition_ids.size());
  TrajectoryBatch current = input.batch;
  for (int64_t iteration = 0; iteration < config.iterations; ++iteration) {
    ASSIGN_OR_RETURN(Proposal proposal, Propose(environment, policy, config, input, current, key, iteration));
    RETURN_IF_ERROR(EvaluateReward(reward, proposal.proposed, input.along));
    const TailScores destroyed = ScoreTails(environment, policy, proposal.old_way, proposal.kept);
    const TailScores built = ScoreTails(environment, policy, proposal.proposed, proposal.kept);
    const RngKey choices = KeyOf(key, RngPurpose::kBehaviour, iteration);
    std::vector<int64_t> chosen;  // of the current rows, then the proposed ones
    for (int64_t row = 0; row < current.size(); ++row) {
      const double gain = proposal.proposed.log_reward_B[row].item<double>() - current.log_reward_B[row].item<double>();
      const int64_t length = Length(proposal.old_way, row), new_length = Length(proposal.proposed, row);
      const int64_t most = MostUndone(config, length), new_most = MostUndone(config, new_length);
      const double log_ratio = gain / input.temperature + std::log(static_cast<double>(most) / static_cast<double>(new_most)) +
                               built.log_pb[row] + destroyed.log_pf[row] - destroyed.log_pb[row] - built.log_pf[row];
      // A way back that is longer than max_undo does not exist.
      const bool has_way_back = new_length - proposal.kept[row] <= new_most;
      const bool accepted =
          config.greedy ? gain > 0 : has_way_back && std::log(UniformOpen(choices, input.streams[row], 1)) < log_ratio;
      chosen.push_back(accepted ? current.size() + row : row);
    }
    current = Concatenate({current, proposal.proposed}).Gather(chosen);
  }
  return current;
}

}  // namespace gfn
