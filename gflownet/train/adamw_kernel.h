// The arithmetic of one AdamW step on plain arrays. Users want gflownet/train/optimizer.h.
#pragma once

#include <cstdint>

namespace gfn {

struct AdamWCoefficients {
  double decay;  // 1 - lr * weight decay
  double beta1, beta2;
  double step_size;        // lr / (1 - beta1^t)
  double root_correction;  // sqrt(1 - beta2^t)
  double epsilon;
  double gradient_scale;  // of clipping
};

// Elements first .. last-1 in one pass over p, m, v and g.
void AdamWRange(const AdamWCoefficients& c, float* p, float* m, float* v, const float* g, int64_t first, int64_t last);
void AdamWRange(const AdamWCoefficients& c, double* p, double* m, double* v, const double* g, int64_t first, int64_t last);

}  // namespace gfn
