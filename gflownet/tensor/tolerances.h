// The one table of tolerances. Two numbers agree if
//   |a - b| <= tolerance * max(1, |b|),
// and a sum over T terms is given sqrt(T) times the tolerance of one term.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace gfn {

struct Tolerance {
  double value;

  // For a sum over `num_terms` terms, each with this tolerance.
  Tolerance ForSumOf(int64_t num_terms) const;
};

// float64 1e-9, fp32 1e-5, fp16 1e-2, bf16 4e-2. Aborts on other dtypes.
Tolerance ToleranceOf(at::ScalarType dtype);

// Sampler = scorer, fp32, a model of about 135 M parameters: a row of a
// batch-16 product differs from batch 1 by up to 5e-5 (measured).
inline constexpr Tolerance kTokenLogProbTolerance{5e-5};
// The same of a sampling session against Score, on the kernels of the CPU, in fp32 and bf16 alike: their hidden states are the
// same bits, and two ways to a softmax over the vocabulary are left (some 3e-5).
inline constexpr Tolerance kSamplerScorerTolerance{1e-4};
inline constexpr Tolerance kSequenceLogRewardTolerance{2e-4};
inline constexpr Tolerance kLossTolerance{1e-4};
inline constexpr Tolerance kGradNormTolerance{1e-3};
// Tiny models in float64.
inline constexpr Tolerance kTinyModelTolerance{1e-9};

// Sampler = scorer of a trajectory's log q, relative to max(1, |log q|), by the type of the model's weights. `same_bits`: both
// compute the same hidden states, bit for bit (the kernels of the CPU), so that two ways to a softmax over the vocabulary are all
// that is left, fp32 and bf16 alike: 1e-4 (1.4e-5 was seen on 135 M parameters in bf16). Elsewhere sums are made in another
// order: 2e-4 in fp32, and in bf16, which rounds what a product is given, 4e-2 a token, 1.6e-1 over some 16 of them. float64:
// 1e-9.
Tolerance SamplerTolerance(at::ScalarType weights, bool same_bits);

struct Closeness {
  bool close = true;
  // The worst element in units of the tolerance: close means <= 1.
  double worst_ratio = 0;
  // "element [2, 3]: 1.5 vs 1.25, difference 0.25, allowed 1e-05"; also the
  // shapes if they differ.
  std::string worst;

  explicit operator bool() const { return close; }
};

// Element by element in double on the CPU. Equal infinities agree; a NaN
// agrees with nothing; shapes must be equal.
Closeness AllClose(const at::Tensor& a, const at::Tensor& b, Tolerance tolerance);
Closeness AllClose(double a, double b, Tolerance tolerance);

}  // namespace gfn
