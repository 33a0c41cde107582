// Reductions over a row of logits. Compiled once for each instruction set.
#include "llm/kernels/lm_head_isa.h"

#include "llm/kernels/simd.h"

namespace gfn::GFN_ISA {
namespace {

// Logits i..i+15 plus the mask's bias (0 or -infinity); -infinity beyond the end.
GFN_INLINE Vec MaskedLogits(const float* logits, const float* bias, int64_t i, int64_t count) {
  const int64_t lanes = count - i < kLanes ? count - i : kLanes;
  Vec v = lanes == kLanes ? Load(logits + i) : FirstFrom(lanes, LoadFirst(logits + i, lanes), Set(kMinusInfinity));
  if (bias != nullptr) v = v + (lanes == kLanes ? Load(bias + i) : LoadFirst(bias + i, lanes));
  return v;
}

}  // namespace

ExponentialSum SumExponentials(const float* logits, const float* bias, int64_t count) {
  Vec top = Set(kMinusInfinity);
  for (int64_t i = 0; i < count; i += kLanes) top = Max(top, MaskedLogits(logits, bias, i, count));
  const float largest = Largest(top);
  if (largest == kMinusInfinity) return {largest, 0.0f};
  Vec sum = Zero();
  for (int64_t i = 0; i < count; i += kLanes) sum = sum + Exp(MaskedLogits(logits, bias, i, count) - Set(largest));
  return {largest, Sum(sum)};
}

void SoftmaxTimes(const float* bias, int64_t count, float log_sum_exp, float factor, float* logits) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const Vec v = Exp(MaskedLogits(logits, bias, i, count) - Set(log_sum_exp)) * Set(factor);
    count - i < kLanes ? StoreFirst(logits + i, v, count - i) : Store(logits + i, v);
  }
}

}  // namespace gfn::GFN_ISA
