// The sampler as a composition of ATen operations, for devices without a kernel of their own, and the twin that the CPU
// kernel is tested against. Users want gflownet/tensor/categorical.h.
#pragma once

#include <ATen/core/Tensor.h>

#include "gflownet/base/status.h"
#include "gflownet/tensor/categorical.h"

namespace gfn {

StatusOr<CategoricalSample> SampleWithAten(const at::Tensor& logits_BA, const at::Tensor& mask, const at::Tensor& uniform_B);

// The same without looking at what was drawn, so that nobody waits for the device: a row that SampleWithAten would refuse gets
// some action in range, and `largest_B`, its largest legal logit, is what tells (NaN, +inf: not finite; -inf: no legal action).
struct UncheckedSample {
  CategoricalSample sample;
  at::Tensor largest_B;  // double
};
UncheckedSample SampleUnchecked(const at::Tensor& logits_BA, const at::Tensor& mask, const at::Tensor& uniform_B);

// "row 3 of 8: no legal action among 50257" and "row 3 of 8: a logit is NaN or +inf": one wording for both roads.
Status NoLegalAction(int64_t row, const at::Tensor& logits_BA);
Status NotFinite(int64_t row, const at::Tensor& logits_BA);

}  // namespace gfn
