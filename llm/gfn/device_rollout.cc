#include "llm/gfn/device_rollout.h"

#include <algorithm>
#include <map>

#include "gflownet/base/check.h"
#include "gflownet/core/rollout.h"
#include "gflownet/tensor/categorical_aten.h"
#include "llm/gfn/trajectory_tokens.h"

namespace gfn {
namespace {

// The uniform of every draw, made before the first step. double [T, B]
at::Tensor Uniforms(const std::vector<RolloutRow>& rows_B, const RngKey& key, int64_t num_steps) {
  const int64_t num_rows = static_cast<int64_t>(rows_B.size());
  at::Tensor uniforms_TB = at::empty({num_steps, num_rows}, at::kDouble);
  double* data = uniforms_TB.mutable_data_ptr<double>();
  for (int64_t t = 0; t < num_steps; ++t) {
    for (int64_t b = 0; b < num_rows; ++b) *data++ = Uniform(key, rows_B[b].stream, static_cast<uint64_t>(t));
  }
  return uniforms_TB;
}

// The batch of tokens [B, T] on the host, whatever stands behind the first stop of a row.
TrajectoryBatch BatchOf(const at::Tensor& tokens_BT, const TokenRules& rules, const std::vector<TokenChoice>& by_step,
                        const std::vector<RolloutRow>& rows_B) {
  const int64_t num_rows = tokens_BT.size(0), num_tokens = tokens_BT.size(1);
  const int64_t* tokens = tokens_BT.const_data_ptr<int64_t>();
  TrajectoryBatch batch;
  batch.lengths_B = at::empty({num_rows}, at::kLong);
  int64_t* lengths = batch.lengths_B.mutable_data_ptr<int64_t>();
  for (int64_t b = 0; b < num_rows; ++b) {
    batch.condition_ids.push_back(rows_B[b].condition);
    int64_t end = 0;
    // Only logits that are not finite leave a row without a stop; such a row is refused by its whole length.
    while (end + 1 < num_tokens && rules.StopIndex(tokens[b * num_tokens + end]) < 0) ++end;
    lengths[b] = end + 1;
  }
  const int64_t num_steps = *std::max_element(lengths, lengths + num_rows);
  batch.actions_BT = at::zeros({num_rows, num_steps}, at::kLong);
  int64_t* actions = batch.actions_BT.mutable_data_ptr<int64_t>();
  for (int64_t b = 0; b < num_rows; ++b) std::copy_n(tokens + b * num_tokens, lengths[b], actions + b * num_steps);
  if (rules.support().ends_by_length) return batch;
  batch.stop_legal_BT = at::zeros({num_rows, num_steps}, at::kBool);
  bool* stop_legal = batch.stop_legal_BT.mutable_data_ptr<bool>();
  for (int64_t b = 0; b < num_rows; ++b) {
    for (int64_t k = 0; k < lengths[b]; ++k) stop_legal[b * num_steps + k] = by_step[k].stop_legal;
  }
  return batch;
}

}  // namespace

std::string WhyNotOnDevice(const SequenceEnvironment& environment, const std::vector<RolloutRow>& rows_B) {
  if (!environment.rules().DependsOnStepOnly()) return "which tokens are legal depends on the tokens before them";
  const bool has_prefix = std::ranges::any_of(rows_B, [](const RolloutRow& row) { return !row.prefix.empty(); });
  return has_prefix ? "a row begins with given tokens" : "";
}

StatusOr<WholeRollout> SampleOnDevice(DecodeSession& decoder, const SequenceEnvironment& environment,
                                      const std::vector<RolloutRow>& rows_B, const RngKey& key) {
  const at::NoGradGuard no_grad;
  if (const std::string reason = WhyNotOnDevice(environment, rows_B); !reason.empty())
    return InvalidArgument("a whole rollout cannot be queued: " + reason);
  const TokenRules& rules = environment.rules();
  const std::vector<TokenChoice> by_step = rules.ByStep();
  const at::Device device = decoder.model().device();
  const int64_t num_rows = static_cast<int64_t>(rows_B.size()), num_steps = static_cast<int64_t>(by_step.size());
  GFN_CHECK_EQ(decoder.num_rows(), num_rows);
  std::vector<Exploration> exploration_B;
  for (const RolloutRow& row : rows_B) exploration_B.push_back(row.exploration);
  const bool explores = !std::ranges::all_of(exploration_B, [](const Exploration& setting) { return setting.IsOnPolicy(); });

  const at::Tensor uniforms_TB = Uniforms(rows_B, key, num_steps).to(device);
  std::map<TokenChoice, at::Tensor> legal;  // bool [V] of each kind of step
  for (const TokenChoice& choice : by_step) {
    at::Tensor& legal_V = legal[choice];
    if (!legal_V.defined()) legal_V = rules.Legal(choice).to(device);
  }
  at::Tensor tokens_BT = at::zeros({num_rows, num_steps}, at::TensorOptions().dtype(at::kLong).device(device));
  at::Tensor largest_BT = at::zeros({num_rows, num_steps}, at::TensorOptions().dtype(at::kDouble).device(device));
  at::Tensor log_q_BT = at::zeros_like(largest_BT);
  for (int64_t k = 0; k < num_steps; ++k) {
    at::Tensor legal_V = legal.at(by_step[k]);
    at::Tensor logits_BV = decoder.Logits(), log_probs_BV;
    if (explores) {
      log_probs_BV = MaskedLogSoftmax(logits_BV, legal_V);
      logits_BV = BehaviourLogits(logits_BV, legal_V.unsqueeze(0).expand_as(logits_BV), exploration_B);
      legal_V.reset();
    }
    const UncheckedSample drawn = SampleUnchecked(logits_BV, legal_V, uniforms_TB[k]);
    tokens_BT.select(1, k).copy_(drawn.sample.action_B);
    largest_BT.select(1, k).copy_(drawn.largest_B);
    log_q_BT.select(1, k).copy_(explores ? log_probs_BV.gather(1, drawn.sample.action_B.unsqueeze(1)).squeeze(1)
                                         : drawn.sample.log_prob_B);
    decoder.Advance(drawn.sample.action_B);
  }

  const TrajectoryBatch batch = BatchOf(tokens_BT.to(at::kCPU).contiguous(), rules, by_step, rows_B);
  const at::Tensor bad_BT = largest_BT.to(at::kCPU).isfinite().logical_not().contiguous();
  for (int64_t b = 0; b < num_rows; ++b) {
    for (int64_t k = 0; k < batch.lengths_B.const_data_ptr<int64_t>()[b]; ++k) {
      if (bad_BT.const_data_ptr<bool>()[b * num_steps + k]) {
        return InvalidArgument("rollout: action " + std::to_string(k) + ": row " + std::to_string(b) +
                               ": a logit is NaN or infinite");
      }
    }
  }
  const at::Tensor padding_BT = batch.StepMask().logical_not().to(device);
  return WholeRollout{batch, log_q_BT.narrow(1, 0, batch.num_steps()).masked_fill(padding_BT, 0)};
}

}  // namespace gfn
