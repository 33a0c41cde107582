#include "gflownet/train/adamw_kernel.h"

#include <cmath>

// Compiled for each instruction set and chosen at run time; one machine always takes the same.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define GFN_FOR_EACH_ISA __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define GFN_FOR_EACH_ISA
#endif

namespace gfn {
namespace {

template <class T>
inline __attribute__((always_inline)) void Range(const AdamWCoefficients& c, T* __restrict p, T* __restrict m, T* __restrict v,
                                                 const T* __restrict g, int64_t first, int64_t last) {
  const T decay = static_cast<T>(c.decay), step_size = static_cast<T>(c.step_size);
  const T one_minus_beta1 = static_cast<T>(1 - c.beta1), one_minus_beta2 = static_cast<T>(1 - c.beta2);
  const T beta2 = static_cast<T>(c.beta2), scale = static_cast<T>(c.gradient_scale);
  const T root_correction = static_cast<T>(c.root_correction), epsilon = static_cast<T>(c.epsilon);
  for (int64_t i = first; i < last; ++i) {
    const T gradient = g[i] * scale;
    const T mean = m[i] + one_minus_beta1 * (gradient - m[i]);
    const T square = beta2 * v[i] + one_minus_beta2 * gradient * gradient;
    m[i] = mean;
    v[i] = square;
    p[i] = p[i] * decay - step_size * (mean / (std::sqrt(square) / root_correction + epsilon));
  }
}

}  // namespace

GFN_FOR_EACH_ISA void AdamWRange(const AdamWCoefficients& c, float* p, float* m, float* v, const float* g, int64_t first,
                                 int64_t last) {
  Range(c, p, m, v, g, first, last);
}

GFN_FOR_EACH_ISA void AdamWRange(const AdamWCoefficients& c, double* p, double* m, double* v, const double* g, int64_t first,
                                 int64_t last) {
  Range(c, p, m, v, g, first, last);
}

}  // namespace gfn
