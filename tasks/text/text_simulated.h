// Two-sided truth: samplers measured on conditions for which the frozen model itself has drawn the hidden text (Grosse et al.
// 1511.02543; Zhao et al. 2404.17546). Such a draw z* is an exact sample of the posterior of its own condition, so with
// a(z) = log R(z) - log q(z) and z_k ~ q
//   E a(z*) >= log Z                                  eubo; the gap is KL(p | q)
//   E log mean(exp a(z_1), .. , exp a(z_K)) <= log Z       iw_bound
//   E log mean(exp a(z*), exp a(z_2), .. , exp a(z_K)) >= log Z   iw_upper
// so that KL(q | p) = log Z - elbo and KL(p | q) = eubo - log Z lie between two numbers each, that nobody has to believe.
#pragma once

#include <vector>

#include "tasks/text/text_evaluation.h"

namespace gfn {

// One condition with its exact draw.
struct ExactDraw {
  TextExample example;          // with the y that was drawn, as text
  std::vector<int32_t> y;       // its tokens: they are scored, not those of the text
  std::vector<int32_t> tokens;  // z* and its stop
};

// Conditions from drawing behind the beginnings of `examples`, as many as max_conditions (0: as examples). InvalidArgument where
// an exact draw cannot be had: another target than the likelihood at T = 1, or a task that does not know how.
StatusOr<EvaluationResult> EvaluateSimulated(TextParts& parts, const std::vector<TextExample>& examples, int64_t num_samples,
                                             int64_t max_conditions);

}  // namespace gfn
