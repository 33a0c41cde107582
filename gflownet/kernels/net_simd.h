// Vectors of the machine's width, for the files compiled once per instruction set (*_isa.cc, see CMakeLists.txt).
//
// Everything lives in a namespace named after the instruction set (GFN_ISA), and these files use no standard library: an inline
// function shared with other files could be emitted here with instructions that the machine lacks, and be the copy the linker
// keeps. GCC's vector extensions throughout: the same source is the portable twin.
#pragma once

#include <stdint.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace gfn::GFN_ISA {

#if defined(__AVX512F__)
inline constexpr int kWidth = 16;
#elif defined(__AVX2__)
inline constexpr int kWidth = 8;
#else
inline constexpr int kWidth = 4;
#endif

typedef float Floats __attribute__((vector_size(kWidth * 4)));
typedef int32_t Ints __attribute__((vector_size(kWidth * 4)));
typedef Floats FloatsUnaligned __attribute__((aligned(4), may_alias));

#define GFN_INLINE inline __attribute__((always_inline))

GFN_INLINE Floats Get(const float* x) { return *reinterpret_cast<const FloatsUnaligned*>(x); }
GFN_INLINE void Put(float* x, Floats v) { *reinterpret_cast<FloatsUnaligned*>(x) = v; }
GFN_INLINE Floats All(float x) {
#if defined(__AVX512F__)
  return static_cast<Floats>(_mm512_set1_ps(x));
#elif defined(__AVX2__)
  return static_cast<Floats>(_mm256_set1_ps(x));
#else
  return Floats{x, x, x, x};
#endif
}
// Lanes of x where gate > 0, else 0.
GFN_INLINE Floats Gated(Floats x, Floats gate) { return (Floats)((Ints)x & (Ints)(gate > Floats{})); }
GFN_INLINE Floats Relu(Floats x) { return Gated(x, x); }
GFN_INLINE float SumOf(Floats x) {
  float sum = 0;
  for (int i = 0; i < kWidth; ++i) sum += x[i];
  return sum;
}
// The first n floats (n < kWidth), `rest` in the other lanes.
GFN_INLINE Floats GetFirst(const float* x, int64_t n, float rest) {
  Floats v = All(rest);
  for (int64_t i = 0; i < n; ++i) v[i] = x[i];
  return v;
}

// exp within 2 units in the last place for -87 <= x <= 88, 0 below, also for -infinity (and no denormal number, which would cost
// a hundred cycles): 2^n e^r, r in [-ln 2 / 2, ln 2 / 2] by Cody and Waite's reduction and a degree-6 polynomial (coefficients of
// Cephes expf). Keeps not-a-number.
GFN_INLINE Floats ExpOf(Floats x) {
  const Floats low = All(-87.0f), high = All(88.0f), magic = All(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Ints not_low = ~(Ints)(x < low);
  x = x > high ? high : x;
  const Floats shifted = x * All(1.44269504088896341f) + magic, n = shifted - magic;
  const Floats r = n * All(2.12194440e-4f) + (n * All(-0.693359375f) + x);
  Floats y = All(1.9875691500e-4f);
  y = y * r + All(1.3981999507e-3f);
  y = y * r + All(8.3334519073e-3f);
  y = y * r + All(4.1665795894e-2f);
  y = y * r + All(1.6666665459e-1f);
  y = y * r + All(5.0000001201e-1f);
  y = y * (r * r) + (r + All(1.0f));
  const Ints exponent = (Ints)shifted - (Ints)magic;
  return (Floats)((Ints)(y * (Floats)((exponent + 127) << 23)) & not_low);
}

}  // namespace gfn::GFN_ISA
