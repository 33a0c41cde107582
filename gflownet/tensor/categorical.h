// The one sampler of discrete actions, used by text generation and by
// Rollout: masked log-softmax and inverse-CDF draws. Temperature, top-k and top-p
// are separate functions that change *behaviour* logits only; the
// log-probabilities of the policy come from untouched logits.
//
// Shapes: B rows, A actions. An action is illegal where the mask is false or
// its logit is -inf. A mask is undefined (all legal), [A] or [B, A], bool.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "gflownet/base/status.h"

namespace gfn {

// log q over the legal actions, renormalised over them; -inf where illegal.
// Differentiable; float16/bfloat16 logits are computed and returned in fp32.
// A row without a legal action is a programmer error and comes out as NaN.
at::Tensor MaskedLogSoftmax(const at::Tensor& logits_BA, const at::Tensor& mask = {});

struct CategoricalSample {
  at::Tensor action_B;    // int64
  at::Tensor log_prob_B;  // double: log-softmax of the logits given
};

// The inverse-CDF draw: the first legal action a with
//   sum_{a' <= a} q(a') > u,   0 <= u < 1,
// in double precision, so that one (logits, u) gives one action everywhere. An
// action of probability 0 is never drawn. uniform_B: [B] double (CPU or the
// logits' device). Returns InvalidArgument naming the row if a row has no
// legal action, or a logit that is NaN or +inf. No gradient.
StatusOr<CategoricalSample> SampleCategorical(const at::Tensor& logits_BA, const at::Tensor& mask, const at::Tensor& uniform_B);

// --- Behaviour only: each returns new logits [B, A] in fp32 (or double). ---

// -inf where the mask is false (also [1, A] or [A]); a copy in any case. The
// functions below take -inf as illegal.
at::Tensor ApplyMask(const at::Tensor& logits_BA, const at::Tensor& mask);
// logits / temperature, temperature > 0.
at::Tensor WithTemperature(const at::Tensor& logits_BA, double temperature);
// Keeps the k largest logits of each row; those equal to the k-th stay too.
at::Tensor WithTopK(const at::Tensor& logits_BA, int64_t k);
// Keeps the smallest set of most probable actions whose probability reaches p
// (0 < p <= 1), at least one (Holtzman et al. 2020, nucleus sampling).
at::Tensor WithTopP(const at::Tensor& logits_BA, double p);
// Keeps actions of at least p times the probability of the most probable one (0 < p <= 1; Nguyen et al. 2407.01082).
at::Tensor WithMinP(const at::Tensor& logits_BA, double p);

// --- log sum exp ---

// Over the last dimension; fp32 for half precision. A row of -inf gives -inf
// with a zero gradient (torch's gives NaN).
at::Tensor LogSumExp(const at::Tensor& x);
// -inf for an empty span.
double LogSumExp(std::span<const double> x);
// log of the mean of exp(x).
double LogMeanExp(std::span<const double> x);

}  // namespace gfn
