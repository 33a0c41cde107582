#include "gflownet/core/rollout_checks.h"

#include <limits>

#include "gflownet/base/check.h"
#include "gflownet/tensor/categorical.h"

namespace gfn {

Replay ReplayThroughSession(const Environment& environment, const Policy& policy, const TrajectoryBatch& batch,
                            const SeeLogits& see) {
  const at::NoGradGuard no_grad;
  const int64_t num_rows = batch.size(), num_steps = batch.num_steps();
  Replay replay;
  replay.log_pf_BT = at::zeros({num_rows, num_steps}, at::kDouble);
  if (batch.stop_legal_BT.defined()) replay.log_stop_BT = at::zeros({num_rows, num_steps}, at::kDouble);
  const at::Tensor stops_B = batch.actions_BT.gather(1, (batch.lengths_B - 1).unsqueeze(1)).squeeze(1);
  const std::unique_ptr<RolloutSession> session = policy.StartRollout(batch.condition_ids);
  State state = environment.Initial(batch.condition_ids);
  at::Tensor live_N = at::arange(num_rows, at::kLong);
  for (int64_t step = 0; step < num_steps; ++step) {
    const auto at_step = [&](const at::Tensor& column_BT) { return column_BT.select(1, step).index_select(0, live_N); };
    const at::Tensor logits_NA = session->Logits(state);
    if (const at::Tensor said_N = session->Fingerprints(); said_N.defined()) {
      if (!replay.fingerprint_BT.defined()) replay.fingerprint_BT = at::zeros({num_rows, num_steps}, at::kLong);
      replay.fingerprint_BT.select(1, step).index_copy_(0, live_N, said_N.to(at::kCPU));
    }
    if (see) see(step, live_N, state, logits_NA);
    const at::Tensor log_probs_NA = environment.ForwardSupport(state).LogProbs(logits_NA.to(at::kCPU, at::kDouble));
    const auto of = [&](const at::Tensor& actions_N) { return log_probs_NA.gather(1, actions_N.unsqueeze(1)).squeeze(1); };
    const at::Tensor actions_N = at_step(batch.actions_BT);
    replay.log_pf_BT.select(1, step).index_copy_(0, live_N, of(actions_N));
    if (replay.log_stop_BT.defined()) {
      const at::Tensor log_stop_N = of(stops_B.index_select(0, live_N));
      replay.log_stop_BT.select(1, step).index_copy_(0, live_N, at::where(at_step(batch.stop_legal_BT), log_stop_N, 0.0));
    }

    const at::Tensor outcome_N = batch.outcomes_BT.defined() ? at_step(batch.outcomes_BT) : at::Tensor();
    const State next = environment.Step(state, actions_N, outcome_N);
    session->Advance(actions_N.to(logits_NA.device()));
    const at::Tensor keep_M = next.done_B().logical_not().nonzero().squeeze(1);
    if (keep_M.numel() == 0) break;
    if (keep_M.numel() < live_N.numel()) session->Keep(keep_M.to(logits_NA.device()));
    state = next.Gather(keep_M);
    live_N = live_N.index_select(0, keep_M);
  }
  return replay;
}

StatusOr<Redrawn> DrawAgain(const Environment& environment, const Policy& policy, const TrajectoryBatch& batch,
                            const std::vector<RolloutRow>& rows_B, const RngKey& key) {
  GFN_CHECK_EQ(static_cast<int64_t>(rows_B.size()), batch.size());
  Redrawn redrawn;
  Status failed;
  ReplayThroughSession(
      environment, policy, batch, [&](int64_t step, const at::Tensor& live_N, const State& state_N, const at::Tensor& logits_NA) {
        std::vector<double> uniforms;
        std::vector<bool> is_drawn;
        for (int64_t i = 0; i < live_N.numel(); ++i) {
          const RolloutRow& row = rows_B[live_N[i].item<int64_t>()];
          GFN_CHECK(row.exploration.IsOnPolicy()) << "a row that explores draws otherwise than the policy";
          uniforms.push_back(Uniform(key, row.stream, static_cast<uint64_t>(step)));
          is_drawn.push_back(step >= static_cast<int64_t>(row.prefix.size()));
        }
        const at::Tensor legal_NA = environment.ForwardSupport(state_N).Dense().to(logits_NA.device());
        const auto sample = SampleCategorical(logits_NA, legal_NA, at::tensor(uniforms, at::kDouble));
        if (!sample.ok()) {
          failed.Update(sample.status());
          return;
        }
        const at::Tensor other_N =
            sample->action_B.to(at::kCPU).ne(batch.actions_BT.select(1, step).index_select(0, live_N)).contiguous();
        for (size_t i = 0; i < is_drawn.size(); ++i) {
          if (!is_drawn[i]) continue;
          ++redrawn.drawn;
          redrawn.different += other_N.const_data_ptr<bool>()[i] ? 1 : 0;
        }
      });
  RETURN_IF_ERROR(failed);
  return redrawn;
}

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
  if (a.numel() == 0) return 0;
  const at::Tensor expected = b.detach().to(at::kCPU, at::kDouble);
  const at::Tensor difference = (a.detach().to(at::kCPU, at::kDouble) - expected).abs() / expected.abs().clamp_min(1);
  return difference.isfinite().all().item<bool>() ? difference.max().item<double>() : std::numeric_limits<double>::infinity();
}

}  // namespace gfn
