#include "gflownet/tensor/categorical_aten.h"

#include <ATen/ATen.h>

namespace gfn {
namespace {

std::string RowText(int64_t row, const at::Tensor& logits_BA) {
  return "categorical: row " + std::to_string(row) + " of " + std::to_string(logits_BA.size(0)) + ": ";
}

// The first row where the flag is set, -1: none.
int64_t FirstRow(const at::Tensor& flag_B) {
  const at::Tensor rows = flag_B.nonzero();
  return rows.numel() == 0 ? -1 : rows[0].item<int64_t>();
}

}  // namespace

Status NoLegalAction(int64_t row, const at::Tensor& logits_BA) {
  return InvalidArgument(RowText(row, logits_BA) + "no legal action among " + std::to_string(logits_BA.size(1)) +
                         ": the masks leave nothing, or every legal logit is -inf");
}

Status NotFinite(int64_t row, const at::Tensor& logits_BA) {
  return InvalidArgument(RowText(row, logits_BA) + "a logit is NaN or +inf");
}

StatusOr<CategoricalSample> SampleWithAten(const at::Tensor& logits_BA, const at::Tensor& mask, const at::Tensor& uniform_B) {
  const UncheckedSample drawn = SampleUnchecked(logits_BA, mask, uniform_B);
  const at::Tensor& largest_B = drawn.largest_B;
  if (const int64_t row = FirstRow(at::isnan(largest_B).logical_or(largest_B == INFINITY)); row >= 0) {
    return NotFinite(row, logits_BA);
  }
  if (const int64_t row = FirstRow(largest_B == -INFINITY); row >= 0) return NoLegalAction(row, logits_BA);
  return drawn.sample;
}

UncheckedSample SampleUnchecked(const at::Tensor& logits_BA, const at::Tensor& mask, const at::Tensor& uniform_B) {
  const at::NoGradGuard no_grad;
  const at::Tensor legal_BA = ApplyMask(logits_BA, mask).to(at::kDouble);
  // amax carries a NaN along, and +inf is the largest there is.
  const at::Tensor largest_B = legal_BA.amax(1);
  const int64_t num_actions = logits_BA.size(1);
  const at::Tensor log_weight_BA = legal_BA - largest_B.unsqueeze(1);
  const at::Tensor weight_BA = log_weight_BA.exp();
  const at::Tensor index_A = at::arange(num_actions, at::TensorOptions().dtype(at::kLong).device(logits_BA.device()));
  const at::Tensor total_B = weight_BA.sum(1);
  const at::Tensor target_B = uniform_B.to(legal_BA.device()) * total_B;
  const at::Tensor has_weight_BA = weight_BA > 0;
  // A parallel prefix sum need not be monotone in its last bits, so the first action past the target is looked for.
  const at::Tensor past_BA = (weight_BA.cumsum(1) > target_B.unsqueeze(1)).logical_and(has_weight_BA);
  const at::Tensor first_B = at::where(past_BA, index_A, num_actions).amin(1);
  const at::Tensor last_B = at::where(has_weight_BA, index_A, -1).amax(1);
  const at::Tensor action_B = at::minimum(first_B, last_B).clamp(0, num_actions - 1);
  const at::Tensor chosen_B = log_weight_BA.gather(1, action_B.unsqueeze(1)).squeeze(1);
  return {{action_B, chosen_B - total_B.log()}, largest_B};
}

}  // namespace gfn
