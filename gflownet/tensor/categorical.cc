#include "gflownet/tensor/categorical.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gflownet/base/check.h"
#include "gflownet/tensor/categorical_aten.h"
#include "gflownet/tensor/categorical_row.h"

namespace gfn {
namespace {

at::Tensor Widen(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat); }

void CheckShapes(const at::Tensor& logits_BA, const at::Tensor& mask) {
  GFN_CHECK(logits_BA.dim() == 2 && logits_BA.size(1) > 0) << "logits must be [B, A], they are " << logits_BA.sizes();
  if (!mask.defined()) return;
  GFN_CHECK(mask.scalar_type() == at::kBool) << "a mask is bool, this one is " << at::toString(mask.scalar_type());
  const bool fits = mask.size(-1) == logits_BA.size(1) &&
                    (mask.dim() == 1 || (mask.dim() == 2 && (mask.size(0) == 1 || mask.size(0) == logits_BA.size(0))));
  GFN_CHECK(fits) << "mask " << mask.sizes() << " does not fit logits " << logits_BA.sizes();
}

template <class T>
StatusOr<CategoricalSample> SampleRows(const at::Tensor& logits_BA, const at::Tensor& mask, const at::Tensor& uniform_B) {
  const int64_t num_rows = logits_BA.size(0);
  const int64_t num_actions = logits_BA.size(1);
  const T* logits = logits_BA.const_data_ptr<T>();
  const bool* masks = mask.defined() ? mask.const_data_ptr<bool>() : nullptr;
  const int64_t mask_stride = mask.defined() && mask.dim() == 2 && mask.size(0) > 1 ? num_actions : 0;
  const double* uniforms = uniform_B.const_data_ptr<double>();
  std::vector<RowSample> rows(num_rows);
  const int64_t grain = std::max<int64_t>(1, 16384 / num_actions);
  at::parallel_for(0, num_rows, grain, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const bool* row_mask = masks == nullptr ? nullptr : masks + b * mask_stride;
      rows[b] = DrawRow(logits + b * num_actions, row_mask, num_actions, uniforms[b]);
    }
  });

  CategoricalSample sample{at::empty({num_rows}, at::kLong), at::empty({num_rows}, at::kDouble)};
  for (int64_t b = 0; b < num_rows; ++b) {
    if (rows[b].error == RowSample::Error::kNoLegalAction) return NoLegalAction(b, logits_BA);
    if (rows[b].error == RowSample::Error::kNotFinite) return NotFinite(b, logits_BA);
    sample.action_B.mutable_data_ptr<int64_t>()[b] = rows[b].action;
    sample.log_prob_B.mutable_data_ptr<double>()[b] = rows[b].log_prob;
  }
  return sample;
}

}  // namespace

at::Tensor MaskedLogSoftmax(const at::Tensor& logits_BA, const at::Tensor& mask) {
  CheckShapes(logits_BA, mask);
  const at::Tensor wide_BA = Widen(logits_BA);
  return (mask.defined() ? wide_BA.masked_fill(mask.logical_not(), -INFINITY) : wide_BA).log_softmax(1);
}

StatusOr<CategoricalSample> SampleCategorical(const at::Tensor& logits_BA, const at::Tensor& mask, const at::Tensor& uniform_B) {
  CheckShapes(logits_BA, mask);
  GFN_CHECK(uniform_B.defined() && uniform_B.scalar_type() == at::kDouble && uniform_B.dim() == 1 &&
            uniform_B.size(0) == logits_BA.size(0))
      << "uniforms must be double [" << logits_BA.size(0) << "]";
  if (!logits_BA.is_cpu()) return SampleWithAten(logits_BA.detach(), mask, uniform_B);
  const at::Tensor dense_BA = Widen(logits_BA.detach()).contiguous();
  const at::Tensor dense_mask = mask.defined() ? mask.contiguous() : mask;
  const at::Tensor dense_uniform_B = uniform_B.to(at::kCPU).contiguous();
  return dense_BA.scalar_type() == at::kDouble ? SampleRows<double>(dense_BA, dense_mask, dense_uniform_B)
                                               : SampleRows<float>(dense_BA, dense_mask, dense_uniform_B);
}

at::Tensor ApplyMask(const at::Tensor& logits_BA, const at::Tensor& mask) {
  CheckShapes(logits_BA, mask);
  const at::Tensor wide_BA = Widen(logits_BA.detach());
  if (mask.defined()) return wide_BA.masked_fill(mask.logical_not(), -INFINITY);
  return wide_BA.is_same(logits_BA) || wide_BA.is_alias_of(logits_BA) ? wide_BA.clone() : wide_BA;
}

at::Tensor WithTemperature(const at::Tensor& logits_BA, double temperature) {
  GFN_CHECK(temperature > 0 && std::isfinite(temperature)) << "temperature " << temperature;
  return Widen(logits_BA.detach()) / temperature;
}

at::Tensor WithTopK(const at::Tensor& logits_BA, int64_t k) {
  GFN_CHECK_GT(k, 0) << "top-k";
  const at::Tensor wide_BA = Widen(logits_BA.detach());
  if (k >= wide_BA.size(1)) return wide_BA.clone();
  const at::Tensor threshold_B1 = std::get<0>(wide_BA.topk(k, 1)).slice(1, k - 1, k);
  return wide_BA.masked_fill(wide_BA < threshold_B1, -INFINITY);
}

at::Tensor WithTopP(const at::Tensor& logits_BA, double p) {
  GFN_CHECK(p > 0 && p <= 1) << "top-p " << p;
  const at::Tensor wide_BA = Widen(logits_BA.detach());
  if (p == 1) return wide_BA.clone();
  const auto [sorted_BA, order_BA] = wide_BA.to(at::kDouble).sort(/*stable=*/true, 1, /*descending=*/true);
  const at::Tensor prob_BA = sorted_BA.softmax(1);
  // An action stays if those before it do not reach p yet; the first one always does.
  const at::Tensor before_BA = prob_BA.cumsum(1) - prob_BA;
  at::Tensor drop_sorted_BA = before_BA >= p;
  drop_sorted_BA.select(1, 0).fill_(false);
  const at::Tensor drop_BA = at::empty_like(drop_sorted_BA).scatter_(1, order_BA, drop_sorted_BA);
  return wide_BA.masked_fill(drop_BA, -INFINITY);
}

at::Tensor WithMinP(const at::Tensor& logits_BA, double p) {
  GFN_CHECK(p > 0 && p <= 1) << "min-p " << p;
  const at::Tensor wide_BA = Widen(logits_BA.detach());
  return wide_BA.masked_fill(wide_BA < wide_BA.amax(1, /*keepdim=*/true) + std::log(p), -INFINITY);
}

at::Tensor LogSumExp(const at::Tensor& x) {
  const at::Tensor wide = Widen(x);
  const at::Tensor largest = wide.detach().amax(-1, /*keepdim=*/true);
  const at::Tensor shift = at::where(largest.isfinite(), largest, at::zeros_like(largest));
  const at::Tensor sum = (wide - shift).exp().sum(-1);
  // log(0) would send NaN back through the row; the constant branch sends nothing.
  const at::Tensor is_empty = sum == 0;
  const at::Tensor log_sum = sum.masked_fill(is_empty, 1).log() + shift.squeeze(-1);
  return log_sum.masked_fill(is_empty, -INFINITY);
}

double LogSumExp(std::span<const double> x) {
  double largest = -std::numeric_limits<double>::infinity();
  for (double value : x) largest = std::max(largest, value);
  if (!std::isfinite(largest)) return largest;
  double sum = 0;
  for (double value : x) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

double LogMeanExp(std::span<const double> x) { return LogSumExp(x) - std::log(static_cast<double>(x.size())); }

}  // namespace gfn
