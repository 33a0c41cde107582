// The one inner loop of every product: a tile C [MR, 16 NV] += A [MR, K] B [K, 16 NV] held in registers.
//
// A is read a word at a time and broadcast, B in whole vectors. Which operand is which decides the product:
//   y = x W^T          A = x rows,            B = a panel of W
//   dx^T = W^T dy^T    A = a panel of W,      B = dy transposed
//   S^T = K Q^T        A = key rows,          B = queries transposed (attention)
// On AVX-512 a tile of 8 x 48 keeps 24 sums, 3 vectors of B and a broadcast in the 32 registers, and needs 11 loads for 24
// multiply-adds. AVX2 has 16 registers of half that width: 6 x 16 keeps 12 sums and needs 8 loads for 12 multiply-adds, and its
// B moves 64 bytes a step where 2 x 48 would move 192, more than the second-level cache gives. Wider tiles of such a machine
// are computed 16 columns after the other, fewer rows take more columns. Included by *_isa.cc only.
#pragma once

#include "llm/kernels/simd.h"

namespace gfn::GFN_ISA {

// Rows of a tile, and vectors of sums that the registers of the instruction set hold beside what is read.
#if defined(__AVX512F__)
inline constexpr int kTileRows = 8;
inline constexpr int kTileSums = 24;
#elif defined(__AVX2__)
inline constexpr int kTileRows = 6;
inline constexpr int kTileSums = 6;
#else
inline constexpr int kTileRows = 2;
inline constexpr int kTileSums = 3;
#endif

struct DotFloat {
  static constexpr int kPerWord = 1;
  static GFN_INLINE Vec Add(Vec a, Vec b, Vec acc) { return MulAdd(a, b, acc); }
};
struct DotPairs {
  static constexpr int kPerWord = 2;
  static GFN_INLINE Vec Add(Vec a, Vec b, Vec acc) { return DotBFloat16(a, b, acc); }
};

// A word (r, k) is a[r * row_stride + k * k_stride]; row k of B begins at b + k * ld_b.
struct Operands {
  const float* a;
  int64_t row_stride;
  int64_t k_stride;
  const float* b;
  int64_t ld_b;
  int64_t k;
  float alpha = 1;  // the sums are multiplied by it
  // Sums of earlier k to go on from, [MR][16 NV]: the same order of additions as in one go. Null: zeros.
  const float* from = nullptr;
  int64_t ld_from = 0;
};

// How far a B that streams from memory is asked for ahead of use, in words (16 KiB): found by measurement, 4 to 64 KiB do nearly
// as well.
inline constexpr int64_t kAhead = 4096;

template <int MR, int NV>
struct Tile {
  Vec sum[MR][NV];
};

// kStream: whole rows of B (48 columns) are asked for kAhead words before their use.
template <class Dot, int MR, int NV, bool kStream>
GFN_INLINE void Multiply(const Operands& o, Tile<MR, NV>& tile) {
  Vec sum[MR][NV];
#pragma GCC unroll 8
  for (int r = 0; r < MR; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) sum[r][v] = o.from == nullptr ? Zero() : Load(o.from + r * o.ld_from + v * kLanes);
  }
  const float* a = o.a;
  const float* b = o.b;
  const int64_t rs = o.row_stride, ks = o.k_stride, ld_b = o.ld_b;
  for (int64_t k = o.k; k > 0; --k) {
    Vec bv[NV];
    if constexpr (kStream) {
#pragma GCC unroll 4
      for (int v = 0; v < 3; ++v) __builtin_prefetch(b + kAhead + v * kLanes, 0, 2);
    }
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) bv[v] = Load(b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < MR; ++r) {
      const Vec av = Set(a[r * rs]);
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) sum[r][v] = Dot::Add(av, bv[v], sum[r][v]);
    }
    a += ks;
    b += ld_b;
  }
#pragma GCC unroll 8
  for (int r = 0; r < MR; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) tile.sum[r][v] = sum[r][v];
  }
}

// C [MR, cols] = (or +=) A B, 16 (NV - 1) < cols <= 16 NV.
template <class Dot, int MR, int NV, bool kStream = false>
void MultiplyStore(const Operands& o, float* c, int64_t ld_c, int64_t cols, bool accumulate) {
  if constexpr (MR * NV > kTileSums && NV > 1) {
    Operands part = o;
    for (int v = 0; v < NV; ++v, part.b += kLanes, c += kLanes, cols -= kLanes) {
      MultiplyStore<Dot, MR, 1>(part, c, ld_c, cols < kLanes ? cols : kLanes, accumulate);
      if (part.from != nullptr) part.from += kLanes;
    }
  } else {
    // C arrives while the sums are made.
    for (int r = 0; r < MR; ++r) {
      for (int v = 0; v < NV; ++v) __builtin_prefetch(c + r * ld_c + v * kLanes, 1, 3);
    }
    Tile<MR, NV> tile;
    Multiply<Dot, MR, NV, kStream>(o, tile);
    const int64_t last = cols - (NV - 1) * kLanes;
    const Vec alpha = Set(o.alpha);
#pragma GCC unroll 8
    for (int r = 0; r < MR; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) {
        float* to = c + r * ld_c + v * kLanes;
        const int64_t lanes = v + 1 < NV ? kLanes : last;
        const Vec sum = tile.sum[r][v] * alpha;
        if (lanes == kLanes) {
          Store(to, accumulate ? Load(to) + sum : sum);
        } else {
          StoreFirst(to, accumulate ? LoadFirst(to, lanes) + sum : sum, lanes);
        }
      }
    }
  }
}

using TileFunction = void (*)(const Operands& o, float* c, int64_t ld_c, int64_t cols, bool accumulate);

// The tile function for 1..kTileRows rows and NV vectors.
template <class Dot, int NV, bool kStream = false, int MR = kTileRows>
TileFunction TileOf(int64_t rows) {
  if constexpr (MR > 1) {
    if (rows < MR) return TileOf<Dot, NV, kStream, MR - 1>(rows);
  }
  return MultiplyStore<Dot, MR, NV, kStream>;
}

template <class Dot, bool kStream = false>
TileFunction TileFor(int64_t rows, int64_t cols) {
  switch ((cols + kLanes - 1) / kLanes) {
    case 1:
      return TileOf<Dot, 1, kStream>(rows);
    case 2:
      return TileOf<Dot, 2, kStream>(rows);
    default:
      return TileOf<Dot, 3, kStream>(rows);
  }
}

// Columns that a tile of so many rows keeps in registers at once.
GFN_INLINE int64_t StripColumns(int64_t rows) {
  const int64_t vectors = kTileSums / rows;
  return (vectors < 1 ? 1 : (vectors > 3 ? 3 : vectors)) * kLanes;
}

// Splits `rows` into tiles of nearly equal height, none above kTileRows: tile i covers [Begin(i), Begin(i + 1)).
struct RowTiles {
  explicit RowTiles(int64_t rows) : count((rows + kTileRows - 1) / kTileRows) {
    base = count > 0 ? rows / count : 0;
    extra = rows - base * count;
  }
  int64_t Begin(int64_t i) const { return i * base + (i < extra ? i : extra); }
  int64_t count, base, extra;
};

}  // namespace gfn::GFN_ISA
