// Words of a panel as a product wants them, whatever its storage: the rows of B of the micro kernel. Included by *_isa.cc only.
//
// Layout of a panel (48 rows of W) by storage:
//   float32   [in][48]
//   bfloat16  [in / 2][48][2], pairs along `in`
//   blocks    for each 32 of `in`: d[48], (m[48]), both half precision, then for each pair (k, k + 1) of `in`
//             Q4: bytes [48], k in the low four bits, k + 1 in the high; Q8: bytes [2][48]
// An expanded number is the file format's float32, bit for bit: q d is exact (at most 8 + 11 bits), so that a fused multiply-add
// rounds once, where d q + m does.
#pragma once

#include "llm/kernels/micro_kernel.h"
#include "llm/kernels/weight_type.h"

namespace gfn::GFN_ISA {

// Whether bfloat16 products multiply pairs in one instruction; otherwise both operands are expanded to float32 first, which gives
// the same numbers but for the order of the sum.
#if defined(__AVX512BF16__)
inline constexpr bool kNativePairs = true;
#else
inline constexpr bool kNativePairs = false;
#endif

struct Ints {
  NativeInt part[kParts];
};

GFN_INLINE Ints LoadBytes(const unsigned char* x) {
#if defined(__AVX512F__)
  return {{(NativeInt)_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)))}};
#elif defined(__AVX2__)
  return {{(NativeInt)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x))),
           (NativeInt)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x + 8)))}};
#else
  Ints r;
  for (int i = 0; i < kLanes; ++i) r.part[i / kNativeLanes][i % kNativeLanes] = x[i];
  return r;
#endif
}

GFN_INLINE Ints LoadHalves(const unsigned char* x) {
#if defined(__AVX512F__)
  return {{(NativeInt)_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)))}};
#elif defined(__AVX2__)
  return {{(NativeInt)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))),
           (NativeInt)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + 16)))}};
#else
  Ints r;
  for (int i = 0; i < kLanes; ++i) r.part[i / kNativeLanes][i % kNativeLanes] = x[2 * i] | x[2 * i + 1] << 8;
  return r;
#endif
}

GFN_INLINE Vec ToFloat(Ints x) {
  Vec r;
  for (int p = 0; p < kParts; ++p) r.part[p] = __builtin_convertvector(x.part[p], Native);
  return r;
}

// Half precision as float32, exactly, for finite numbers: a multiplication moves the exponent and normalises what is subnormal.
GFN_INLINE Vec HalvesToFloat(const unsigned char* x) {
  const Ints bits = LoadHalves(x);
  Vec r;
  for (int p = 0; p < kParts; ++p) {
    const Native scaled = (Native)((bits.part[p] & 0x7fff) << 13) * 0x1p112f;
    r.part[p] = (Native)((NativeInt)scaled | (bits.part[p] & 0x8000) << 16);
  }
  return r;
}

// Rounded to bfloat16, nearest even; not-a-number stays so.
GFN_INLINE Vec RoundBFloat16(Vec x) {
  Vec r;
  for (int p = 0; p < kParts; ++p) {
    const NativeInt bits = (NativeInt)x.part[p], nan = x.part[p] != x.part[p];  // NOLINT(misc-redundant-expression)
    const NativeInt rounded = ((bits + 0x7fff + ((bits >> 16) & 1)) & ~nan) | ((bits | 0x400000) & nan);
    r.part[p] = (Native)(rounded & static_cast<int32_t>(0xffff0000u));
  }
  return r;
}

// Calls emit(k, v, numbers k of rows 16 v.., numbers k + 1 of the same) for each even k in [begin, end) and v < 3.
template <WeightType kType, class Emit>
GFN_INLINE void ForEachPair(const unsigned char* panel, int64_t begin, int64_t end, const Emit& emit) {
  if constexpr (kType == WeightType::kBFloat16) {
    for (int64_t k = begin; k < end; k += 2) {
#pragma GCC unroll 3
      for (int v = 0; v < 3; ++v) {
        const float* at = reinterpret_cast<const float*>(panel) + k / 2 * kPanelWidth + v * kLanes;
        __builtin_prefetch(at + kAhead, 0, 2);
        const Vec words = Load(at);
        Vec low, high;
        for (int p = 0; p < kParts; ++p) {
          low.part[p] = (Native)((NativeInt)words.part[p] << 16);
          high.part[p] = (Native)((NativeInt)words.part[p] & static_cast<int32_t>(0xffff0000u));
        }
        emit(k, v, low, high);
      }
    }
  } else {
    constexpr bool kFourBits = kType != WeightType::kQ8_0, kMinimum = kType == WeightType::kQ4_1;
    constexpr int64_t kHeader = kPanelWidth * (kMinimum ? 4 : 2);
    constexpr int64_t kPairBytes = kPanelWidth * (kFourBits ? 1 : 2);
    constexpr int64_t kBlockBytes = kHeader + kBlockNumbers / 2 * kPairBytes;
    while (begin < end) {
      const unsigned char* block = panel + begin / kBlockNumbers * kBlockBytes;
      const int64_t whole = (begin / kBlockNumbers + 1) * kBlockNumbers, stop = whole < end ? whole : end;
      for (int v = 0; v < 3; ++v) {
        const Vec d = HalvesToFloat(block + v * 2 * kLanes);
        const Vec m = kMinimum ? HalvesToFloat(block + 2 * kPanelWidth + v * 2 * kLanes) : Zero();
        for (int64_t k = begin; k < stop; k += 2) {
          const unsigned char* q = block + kHeader + k % kBlockNumbers / 2 * kPairBytes + v * kLanes;
          Ints low = LoadBytes(q), high = low;
          if constexpr (!kFourBits) high = LoadBytes(q + kPanelWidth);
          for (int p = 0; p < kParts; ++p) {
            if constexpr (kFourBits) {
              high.part[p] = low.part[p] >> 4;
              low.part[p] = low.part[p] & 15;
            } else {  // the sign of a byte
              high.part[p] = (high.part[p] << 24) >> 24;
              low.part[p] = (low.part[p] << 24) >> 24;
            }
            if constexpr (kType == WeightType::kQ4_0) {
              high.part[p] -= 8;
              low.part[p] -= 8;
            }
          }
          if constexpr (kMinimum) {
            emit(k, v, MulAdd(ToFloat(low), d, m), MulAdd(ToFloat(high), d, m));
          } else {
            emit(k, v, ToFloat(low) * d, ToFloat(high) * d);
          }
        }
      }
      begin = stop;
    }
  }
}

// Numbers [begin, end) (even) of a panel that is not float32, as rows [end - begin][48] of float32.
template <WeightType kType>
void ExpandFloats(bool round, const unsigned char* panel, int64_t begin, int64_t end, float* to) {
  if (round && kType != WeightType::kBFloat16) {
    ForEachPair<kType>(panel, begin, end, [&](int64_t k, int v, Vec low, Vec high) {
      float* at = to + (k - begin) * kPanelWidth + v * kLanes;
      Store(at, RoundBFloat16(low));
      Store(at + kPanelWidth, RoundBFloat16(high));
    });
    return;
  }
  ForEachPair<kType>(panel, begin, end, [&](int64_t k, int v, Vec low, Vec high) {
    float* at = to + (k - begin) * kPanelWidth + v * kLanes;
    Store(at, low);
    Store(at + kPanelWidth, high);
  });
}

inline void ExpandFloats(const PanelWeights& w, const unsigned char* panel, int64_t begin, int64_t end, float* to) {
  switch (w.type) {
    case WeightType::kFloat32:
      return;  // read where they are
    case WeightType::kBFloat16:
      return ExpandFloats<WeightType::kBFloat16>(w.bfloat16, panel, begin, end, to);
    case WeightType::kQ4_0:
      return ExpandFloats<WeightType::kQ4_0>(w.bfloat16, panel, begin, end, to);
    case WeightType::kQ4_1:
      return ExpandFloats<WeightType::kQ4_1>(w.bfloat16, panel, begin, end, to);
    case WeightType::kQ8_0:
      return ExpandFloats<WeightType::kQ8_0>(w.bfloat16, panel, begin, end, to);
  }
}

// Words [begin, end) of a panel of blocks as pairs of bfloat16, rows [end - begin][48].
template <WeightType kType>
void ExpandPairs(const unsigned char* panel, int64_t begin, int64_t end, float* to) {
  ForEachPair<kType>(panel, 2 * begin, 2 * end, [&](int64_t k, int v, Vec low, Vec high) {
    Store(to + (k / 2 - begin) * kPanelWidth + v * kLanes, PairBFloat16(low, high));
  });
}

inline void ExpandPairs(const PanelWeights& w, const unsigned char* panel, int64_t begin, int64_t end, float* to) {
  switch (w.type) {
    case WeightType::kFloat32:
    case WeightType::kBFloat16:
      return;  // read where they are, or not multiplied as pairs
    case WeightType::kQ4_0:
      return ExpandPairs<WeightType::kQ4_0>(panel, begin, end, to);
    case WeightType::kQ4_1:
      return ExpandPairs<WeightType::kQ4_1>(panel, begin, end, to);
    case WeightType::kQ8_0:
      return ExpandPairs<WeightType::kQ8_0>(panel, begin, end, to);
  }
}

}  // namespace gfn::GFN_ISA
