// Sixteen float32 lanes, for the files compiled once per instruction set (*_isa.cc, see CMakeLists.txt).
//
// Everything lives in a namespace named after the instruction set (GFN_ISA), and these files use no standard library: an inline
// function shared with other files could be emitted here with instructions that the machine lacks, and be the copy the linker
// keeps. On AVX-512 a Vec is one register, on AVX2 two, else four of GCC's generic vectors: the same source is the portable twin.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

namespace gfn::GFN_ISA {

#if defined(__AVX512F__)
inline constexpr int kNativeLanes = 16;
#elif defined(__AVX2__)
inline constexpr int kNativeLanes = 8;
#else
inline constexpr int kNativeLanes = 4;
#endif
inline constexpr int kLanes = 16;
inline constexpr int kParts = kLanes / kNativeLanes;
inline constexpr float kMinusInfinity = -__builtin_inff();

typedef float Native __attribute__((vector_size(kNativeLanes * 4)));
typedef int32_t NativeInt __attribute__((vector_size(kNativeLanes * 4)));
typedef Native NativeUnaligned __attribute__((aligned(4), may_alias));

struct Vec {
  Native part[kParts];
};

#define GFN_INLINE inline __attribute__((always_inline))
// Applies an expression to each part p.
#define GFN_EACH_PART(result, expression) \
  Vec result;                             \
  for (int p = 0; p < kParts; ++p) result.part[p] = (expression)

GFN_INLINE Vec Set(float x) {
#if defined(__AVX512F__)
  return Vec{{static_cast<Native>(_mm512_set1_ps(x))}};
#elif defined(__AVX2__)
  const Native all = _mm256_set1_ps(x);
  return Vec{{all, all}};
#else
  const Native all = {x, x, x, x};
  return Vec{{all, all, all, all}};
#endif
}
GFN_INLINE Vec Zero() { return Set(0.0f); }
GFN_INLINE Vec Load(const float* x) {
  GFN_EACH_PART(r, reinterpret_cast<const NativeUnaligned*>(x)[p]);
  return r;
}
GFN_INLINE void Store(float* x, Vec v) {
  for (int p = 0; p < kParts; ++p) reinterpret_cast<NativeUnaligned*>(x)[p] = v.part[p];
}
// The first n lanes (0 <= n <= 16), the others zero.
GFN_INLINE Vec LoadFirst(const float* x, int64_t n) {
#if defined(__AVX512F__)
  return Vec{{static_cast<Native>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), x))}};
#else
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = x[i];
  return Load(lanes);
#endif
}
GFN_INLINE void StoreFirst(float* x, Vec v, int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(x, static_cast<__mmask16>((1u << n) - 1), static_cast<__m512>(v.part[0]));
#else
  float lanes[kLanes];
  Store(lanes, v);
  for (int64_t i = 0; i < n; ++i) x[i] = lanes[i];
#endif
}

GFN_INLINE Vec operator+(Vec a, Vec b) {
  GFN_EACH_PART(r, a.part[p] + b.part[p]);
  return r;
}
GFN_INLINE Vec operator-(Vec a, Vec b) {
  GFN_EACH_PART(r, a.part[p] - b.part[p]);
  return r;
}
GFN_INLINE Vec operator*(Vec a, Vec b) {
  GFN_EACH_PART(r, a.part[p] * b.part[p]);
  return r;
}
GFN_INLINE Vec operator/(Vec a, Vec b) {
  GFN_EACH_PART(r, a.part[p] / b.part[p]);
  return r;
}
// a * b + c, fused where the machine can (the files are compiled with -ffp-contract=fast).
GFN_INLINE Vec MulAdd(Vec a, Vec b, Vec c) {
  GFN_EACH_PART(r, a.part[p] * b.part[p] + c.part[p]);
  return r;
}
// The larger; b if either is not a number.
GFN_INLINE Vec Max(Vec a, Vec b) {
#if defined(__AVX512F__)
  return Vec{{static_cast<Native>(_mm512_max_ps(static_cast<__m512>(a.part[0]), static_cast<__m512>(b.part[0])))}};
#else
  GFN_EACH_PART(r, a.part[p] > b.part[p] ? a.part[p] : b.part[p]);
  return r;
#endif
}
GFN_INLINE Vec Min(Vec a, Vec b) {
#if defined(__AVX512F__)
  return Vec{{static_cast<Native>(_mm512_min_ps(static_cast<__m512>(a.part[0]), static_cast<__m512>(b.part[0])))}};
#else
  GFN_EACH_PART(r, a.part[p] < b.part[p] ? a.part[p] : b.part[p]);
  return r;
#endif
}
// The lanes below n from a, the others from b (0 <= n <= 16).
GFN_INLINE Vec FirstFrom(int64_t n, Vec a, Vec b) {
#if defined(__AVX512F__)
  return Vec{{static_cast<Native>(_mm512_mask_blend_ps(static_cast<__mmask16>((1u << n) - 1), static_cast<__m512>(b.part[0]),
                                                       static_cast<__m512>(a.part[0])))}};
#else
  float x[kLanes], y[kLanes];
  Store(x, a);
  Store(y, b);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i];
  return Load(y);
#endif
}

// Sums the lanes: halves are added until one is left.
GFN_INLINE float Sum(Vec v) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(static_cast<__m512>(v.part[0]));
#else
  float x[kLanes];
  Store(x, v);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) x[i] += x[i + width];
  }
  return x[0];
#endif
}
GFN_INLINE float Largest(Vec v) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps(static_cast<__m512>(v.part[0]));
#else
  float x[kLanes];
  Store(x, v);
  float m = x[0];
  for (int i = 1; i < kLanes; ++i) m = x[i] > m ? x[i] : m;
  return m;
#endif
}

GFN_INLINE float Lane0(Vec v) { return v.part[0][0]; }

// Two bfloat16 a word: acc + a.high * b.high + a.low * b.low.
GFN_INLINE Vec DotBFloat16(Vec a, Vec b, Vec acc) {
#if defined(__AVX512BF16__)
  return Vec{{static_cast<Native>(_mm512_dpbf16_ps(static_cast<__m512>(acc.part[0]), (__m512bh) static_cast<__m512>(a.part[0]),
                                                   (__m512bh) static_cast<__m512>(b.part[0])))}};
#else
  Vec r;
  for (int p = 0; p < kParts; ++p) {
    const NativeInt x = (NativeInt)a.part[p], y = (NativeInt)b.part[p];
    const Native high = (Native)(x & static_cast<int32_t>(0xffff0000u)) * (Native)(y & static_cast<int32_t>(0xffff0000u));
    r.part[p] = (Native)(x << 16) * (Native)(y << 16) + (high + acc.part[p]);
  }
  return r;
#endif
}

// A word of each lane: bfloat16(low) | bfloat16(high) << 16, rounded to nearest even (not-a-number stays so).
GFN_INLINE Vec PairBFloat16(Vec low, Vec high) {
  Vec r;
  for (int p = 0; p < kParts; ++p) {
    const NativeInt l = (NativeInt)low.part[p], h = (NativeInt)high.part[p];
    const NativeInt nan_l = low.part[p] != low.part[p],
                    nan_h = high.part[p] != high.part[p];  // NOLINT(misc-redundant-expression)
    const NativeInt rounded_l = l + 0x7fff + ((l >> 16) & 1), rounded_h = h + 0x7fff + ((h >> 16) & 1);
    const NativeInt x = (rounded_l & ~nan_l) | ((l | 0x400000) & nan_l);
    const NativeInt y = (rounded_h & ~nan_h) | ((h | 0x400000) & nan_h);
    r.part[p] = (Native)(((x >> 16) & 0xffff) | (y & static_cast<int32_t>(0xffff0000u)));
  }
  return r;
}

// exp within 2 units in the last place: 2^n e^r, r in [-ln 2 / 2, ln 2 / 2] by Cody and Waite's reduction and a degree-6
// polynomial (coefficients of Cephes expf). Overflows to infinity, underflows through the subnormals to 0, keeps not-a-number.
GFN_INLINE Vec Exp(Vec x) {
  x = Min(Set(89.0f), Max(Set(-104.0f), x));
  const Vec magic = Set(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec shifted = MulAdd(x, Set(1.44269504088896341f), magic);
  const Vec n = shifted - magic;
  Vec r = MulAdd(n, Set(-0.693359375f), x);
  r = MulAdd(n, Set(2.12194440e-4f), r);
  Vec y = Set(1.9875691500e-4f);
  y = MulAdd(y, r, Set(1.3981999507e-3f));
  y = MulAdd(y, r, Set(8.3334519073e-3f));
  y = MulAdd(y, r, Set(4.1665795894e-2f));
  y = MulAdd(y, r, Set(1.6666665459e-1f));
  y = MulAdd(y, r, Set(5.0000001201e-1f));
  y = MulAdd(y, r * r, r + Set(1.0f));
#if defined(__AVX512F__)
  return Vec{{static_cast<Native>(_mm512_scalef_ps(static_cast<__m512>(y.part[0]), static_cast<__m512>(n.part[0])))}};
#else
  for (int p = 0; p < kParts; ++p) {
    // 2^n in two factors, so that both are normal numbers.
    const NativeInt exponent = (NativeInt)shifted.part[p] - (NativeInt)magic.part[p];
    const NativeInt half = exponent >> 1;
    y.part[p] = y.part[p] * (Native)((half + 127) << 23) * (Native)((exponent - half + 127) << 23);
  }
  return y;
#endif
}

// to [16][ld_to] = the transpose of from [rows, cols] (at most 16 x 16), zero beyond it.
GFN_INLINE void TransposeBlock(const float* from, int64_t ld_from, int64_t rows, int64_t cols, float* to, int64_t ld_to) {
#if defined(__AVX512F__)
  __m512 x[16], y[16];
  const __mmask16 mask = static_cast<__mmask16>((1u << cols) - 1);
  for (int i = 0; i < 16; ++i) {
    x[i] = i < rows ? _mm512_maskz_loadu_ps(mask, from + i * ld_from) : _mm512_setzero_ps();
  }
  for (int i = 0; i < 16; i += 2) {  // pairs of rows: 2 x 2 blocks
    y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {  // 4 x 4 blocks: x[i + j] holds columns 4 b + j of rows i..i + 3 in its 128-bit block b
    for (int j = 0; j < 4; ++j) {
      const __m512d low = _mm512_castps_pd(y[i + j / 2]), high = _mm512_castps_pd(y[i + 2 + j / 2]);
      x[i + j] = _mm512_castpd_ps(j % 2 == 0 ? _mm512_unpacklo_pd(low, high) : _mm512_unpackhi_pd(low, high));
    }
  }
  for (int j = 0; j < 4; ++j) {  // blocks across the four quarters
    y[j] = _mm512_shuffle_f32x4(x[j], x[4 + j], 0x88);
    y[4 + j] = _mm512_shuffle_f32x4(x[j], x[4 + j], 0xdd);
    y[8 + j] = _mm512_shuffle_f32x4(x[8 + j], x[12 + j], 0x88);
    y[12 + j] = _mm512_shuffle_f32x4(x[8 + j], x[12 + j], 0xdd);
  }
  for (int j = 0; j < 4; ++j) {
    _mm512_storeu_ps(to + j * ld_to, _mm512_shuffle_f32x4(y[j], y[8 + j], 0x88));
    _mm512_storeu_ps(to + (8 + j) * ld_to, _mm512_shuffle_f32x4(y[j], y[8 + j], 0xdd));
    _mm512_storeu_ps(to + (4 + j) * ld_to, _mm512_shuffle_f32x4(y[4 + j], y[12 + j], 0x88));
    _mm512_storeu_ps(to + (12 + j) * ld_to, _mm512_shuffle_f32x4(y[4 + j], y[12 + j], 0xdd));
  }
#elif defined(__AVX2__)
  for (int64_t c = 0; c < 16; c += 8) {  // four blocks of 8 x 8
    const __m256i mask =
        _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(cols - c)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    for (int64_t r = 0; r < 16; r += 8) {
      __m256 x[8], y[8];
      for (int i = 0; i < 8; ++i)
        x[i] = r + i < rows && c < cols ? _mm256_maskload_ps(from + (r + i) * ld_from + c, mask) : _mm256_setzero_ps();
      for (int i = 0; i < 8; i += 2) {  // 2 x 2 blocks
        y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
      }
      for (int i = 0; i < 8; i += 4) {  // 4 x 4 blocks, as above
        for (int j = 0; j < 4; ++j) {
          const __m256d low = _mm256_castps_pd(y[i + j / 2]), high = _mm256_castps_pd(y[i + 2 + j / 2]);
          x[i + j] = _mm256_castpd_ps(j % 2 == 0 ? _mm256_unpacklo_pd(low, high) : _mm256_unpackhi_pd(low, high));
        }
      }
      for (int j = 0; j < 4; ++j) {  // the halves
        _mm256_storeu_ps(to + (c + j) * ld_to + r, _mm256_permute2f128_ps(x[j], x[4 + j], 0x20));
        _mm256_storeu_ps(to + (c + 4 + j) * ld_to + r, _mm256_permute2f128_ps(x[j], x[4 + j], 0x31));
      }
    }
  }
#else
  for (int64_t j = 0; j < kLanes; ++j) {
    for (int64_t i = 0; i < kLanes; ++i) to[j * ld_to + i] = i < rows && j < cols ? from[i * ld_from + j] : 0.0f;
  }
#endif
}

}  // namespace gfn::GFN_ISA
