// Products and row kernels of small networks, serial. Compiled once for each instruction set.
#include "gflownet/kernels/net_simd.h"
#include "gflownet/kernels/net_table.h"

namespace gfn::GFN_ISA {
namespace {

// A tile of C is kRows x kPanel, held in registers: two vectors a row, with as many rows as leave registers for them and a
// broadcast (12 sums of 16 registers on AVX2, 24 of 32 on AVX-512).
#if defined(__AVX512F__)
constexpr int kRows = 12;
#elif defined(__AVX2__)
constexpr int kRows = 6;
#else
constexpr int kRows = 4;
#endif
constexpr int kPanel = 2 * kWidth;
// Steps of k for which the panels of an outer product are packed at a time: both stay in the second-level cache.
constexpr int64_t kDepth = 128;
// Rows of X^T packed at a time, whole tiles.
constexpr int64_t kOuterRows = 32 * kRows;

struct TileJob {
  const float* a;
  int64_t row_stride, k_stride;
  const float* b;  // [k][kPanel]
  int64_t k;
};

template <int MR>
struct TileSums {
  Floats sum[MR][2];
};

template <int MR>
GFN_INLINE void Multiply(const TileJob& job, TileSums<MR>& out) {
  Floats sum[MR][2];
#pragma GCC unroll 12
  for (int r = 0; r < MR; ++r) sum[r][0] = sum[r][1] = Floats{};
  const float *a = job.a, *b = job.b;
  const int64_t rs = job.row_stride, ks = job.k_stride;
  for (int64_t k = job.k; k > 0; --k, a += ks, b += kPanel) {
    const Floats b0 = Get(b), b1 = Get(b + kWidth);
#pragma GCC unroll 12
    for (int r = 0; r < MR; ++r) {
      const Floats av = All(a[r * rs]);
      sum[r][0] += av * b0;
      sum[r][1] += av * b1;
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < MR; ++r) {
    out.sum[r][0] = sum[r][0];
    out.sum[r][1] = sum[r][1];
  }
}

// Which part of k a tile's sums are of: the first replaces C, the last applies the epilogue.
struct Part {
  bool first, last;
};

// Stores the sums of a tile at (row, column) of C.
template <int MR>
GFN_INLINE void Finish(const TileSums<MR>& tile, const ProductJob& job, int64_t row, int64_t column, Part part) {
  const bool add = !part.first || job.epilogue == Epilogue::kAdd;
  const Epilogue epilogue = part.last ? job.epilogue : Epilogue::kStore;
  float* c = job.c + row * job.ld_c + column;
  for (int r = 0; r < MR; ++r, c += job.ld_c) {
    for (int v = 0; v < 2; ++v) {
      const int64_t at = v * kWidth;
      Floats sum = tile.sum[r][v];
      if (add) sum += Get(c + at);
      switch (epilogue) {
        case Epilogue::kStore:
        case Epilogue::kAdd:
          break;
        case Epilogue::kBias:
          sum += Get(job.bias + column + at);
          break;
        case Epilogue::kBiasRelu:
          sum = Relu(sum + Get(job.bias + column + at));
          break;
        case Epilogue::kRelu:
          sum = Gated(sum, Get(job.gate + (row + r) * job.ld_c + column + at));
          break;
      }
      Put(c + at, sum);
    }
  }
}

template <int MR>
void ProductTile(const ProductJob& job, int64_t row, int64_t column, int64_t begin, int64_t depth) {
  TileSums<MR> tile;
  Multiply<MR>({job.a + row * job.ld_a + begin, job.ld_a, 1, job.packed + column * job.k + begin * kPanel, depth}, tile);
  Finish<MR>(tile, job, row, column, {begin == 0, begin + depth == job.k});
}

template <int MR>
void OuterTile(const float* a, const float* b, int64_t k, float* g, int64_t ld_g, bool add) {
  TileSums<MR> tile;
  Multiply<MR>({a, 1, kRows, b, k}, tile);
  for (int r = 0; r < MR; ++r, g += ld_g) {
    for (int v = 0; v < 2; ++v) Put(g + v * kWidth, add ? Get(g + v * kWidth) + tile.sum[r][v] : tile.sum[r][v]);
  }
}

using ProductFunction = void (*)(const ProductJob& job, int64_t row, int64_t column, int64_t begin, int64_t depth);
template <int MR = kRows>
ProductFunction ProductOf(int64_t rows) {
  if constexpr (MR > 1) {
    if (rows < MR) return ProductOf<MR - 1>(rows);
  }
  return ProductTile<MR>;
}
using OuterFunction = void (*)(const float* a, const float* b, int64_t k, float* g, int64_t ld_g, bool add);
template <int MR = kRows>
OuterFunction OuterOf(int64_t rows) {
  if constexpr (MR > 1) {
    if (rows < MR) return OuterOf<MR - 1>(rows);
  }
  return OuterTile<MR>;
}

// Columns [0, n) of rows [0, k) of Y as panels [n / kPanel][k][kPanel].
void PackPanels(const float* y, int64_t ld_y, int64_t k, int64_t n, float* to) {
  for (int64_t column = 0; column < n; column += kPanel) {
    for (int64_t i = 0; i < k; ++i, to += kPanel) {
      const float* from = y + i * ld_y + column;
      Put(to, Get(from));
      Put(to + kWidth, Get(from + kWidth));
    }
  }
}

// Columns [0, m) of rows [0, k) of X as [ceil(m / kRows)][k][kRows]. Whole vectors are copied where the row has that many of
// its `limit` columns: what one writes too far, the next overwrites.
void PackColumns(const float* x, int64_t ld_x, int64_t k, int64_t m, int64_t limit, float* to) {
  static_assert(kRows <= kWidth);
  for (int64_t column = 0; column < m; column += kRows) {
    const int64_t count = limit - column < kRows ? limit - column : kRows;
    const bool whole = column + kWidth <= limit;
    for (int64_t i = 0; i < k; ++i, to += kRows) {
      const float* from = x + i * ld_x + column;
      if (whole) {
        Put(to, Get(from));
      } else {
        for (int64_t j = 0; j < count; ++j) to[j] = from[j];
      }
    }
  }
}

}  // namespace

void NetPack(const float* const* lines, bool transposed, int64_t offset, int64_t k, int64_t n, float* packed) {
  for (int64_t column = 0; column < n; column += kPanel) {
    const int64_t columns = n - column < kPanel ? n - column : kPanel;
    float* panel = packed + column * k;
    if (!transposed) {
      for (int64_t i = 0; i < k; ++i) {
        const float* from = lines[i] + offset + column;
        for (int64_t j = 0; j < kPanel; ++j) panel[i * kPanel + j] = j < columns ? from[j] : 0.0f;
      }
      continue;
    }
    for (int64_t j = 0; j < kPanel; ++j) {
      if (j < columns) {
        const float* from = lines[column + j] + offset;
        for (int64_t i = 0; i < k; ++i) panel[i * kPanel + j] = from[i];
      } else {
        for (int64_t i = 0; i < k; ++i) panel[i * kPanel + j] = 0.0f;
      }
    }
  }
}

void NetProduct(const ProductJob& job) {
  // Rows in blocks, so that those of A and C stay in the nearest caches while all panels of B pass; k in blocks, so that a panel
  // does.
  constexpr int64_t kBlock = 16 * kRows, kSteps = 384;
  for (int64_t first = 0; first < job.m; first += kBlock) {
    const int64_t last = first + kBlock < job.m ? first + kBlock : job.m;
    const int64_t tiles = (last - first + kRows - 1) / kRows, base = (last - first) / tiles, extra = (last - first) % tiles;
    for (int64_t begin = 0; begin < job.k; begin += kSteps) {
      const int64_t depth = job.k - begin < kSteps ? job.k - begin : kSteps;
      for (int64_t column = 0; column < job.n; column += kPanel) {
        int64_t row = first;
        for (int64_t t = 0; t < tiles; ++t) {
          const int64_t rows = base + (t < extra ? 1 : 0);
          ProductOf<>(rows)(job, row, column, begin, depth);
          row += rows;
        }
      }
    }
  }
}

int64_t NetOuterScratch(int64_t n) { return kDepth * ((n + kPanel - 1) / kPanel * kPanel + kOuterRows) + kWidth; }

void NetOuter(const OuterJob& job) {
  const int64_t padded_n = (job.n + kPanel - 1) / kPanel * kPanel;
  float* panels = job.scratch;
  float* columns = panels + kDepth * padded_n;
  for (int64_t k = 0; k < job.k; k += kDepth) {
    const int64_t depth = job.k - k < kDepth ? job.k - k : kDepth;
    PackPanels(job.y + k * job.ld_y, job.ld_y, depth, padded_n, panels);
    for (int64_t first = 0; first < job.m; first += kOuterRows) {
      const int64_t count = job.m - first < kOuterRows ? job.m - first : kOuterRows;
      PackColumns(job.x + k * job.ld_x + first, job.ld_x, depth, count, job.ld_x - first, columns);
      for (int64_t column = 0; column < padded_n; column += kPanel) {
        for (int64_t row = 0; row < count; row += kRows) {
          OuterOf<>(count - row < kRows ? count - row : kRows)(columns + row * depth, panels + column * depth, depth,
                                                               job.g + (first + row) * job.ld_g + column, job.ld_g,
                                                               job.add || k > 0);
        }
      }
    }
  }
}

void NetGather(const float* rows, int64_t width, const float* start, const int32_t* index, const float* value, int64_t count,
               float* sum, float* y) {
  constexpr int kWide = 4;  // vectors of the sum held in registers while the rows pass
  int64_t j = 0;
  for (; j + kWide * kWidth <= width; j += kWide * kWidth) {
    Floats sums[kWide];
    for (int v = 0; v < kWide; ++v) sums[v] = Get(start + j + v * kWidth);
    for (int64_t f = 0; f < count; ++f) {
      const Floats x = All(value[f]);
      const float* row = rows + index[f] * width + j;
      for (int v = 0; v < kWide; ++v) sums[v] += x * Get(row + v * kWidth);
    }
    for (int v = 0; v < kWide; ++v) {
      Put(sum + j + v * kWidth, sums[v]);
      Put(y + j + v * kWidth, Relu(sums[v]));
    }
  }
  for (; j < width; j += kWidth) {
    Floats sums = Get(start + j);
    for (int64_t f = 0; f < count; ++f) sums += All(value[f]) * Get(rows + index[f] * width + j);
    Put(sum + j, sums);
    Put(y + j, Relu(sums));
  }
}

void NetScatter(float* rows, int64_t width, const int32_t* index, const float* value, int64_t count, const float* dy) {
  for (int64_t f = 0; f < count; ++f) {
    float* row = rows + index[f] * width;
    const Floats x = All(value[f]);
    for (int64_t j = 0; j < width; j += kWidth) Put(row + j, Get(row + j) + x * Get(dy + j));
  }
}

void NetAddRows(const float* x, int64_t ld, int64_t n, int64_t width, float* sums) {
  for (int64_t i = 0; i < n; ++i, x += ld) {
    for (int64_t j = 0; j < width; j += kWidth) Put(sums + j, Get(sums + j) + Get(x + j));
  }
}

void NetSoftmaxGradient(float* x, int64_t count, float log_sum, float mass) {
  const Floats shift = All(log_sum), scale = All(-mass);
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) Put(x + i, ExpOf(Get(x + i) - shift) * scale);
  if (i == count) return;
  const Floats last = ExpOf(GetFirst(x + i, count - i, log_sum) - shift) * scale;
  for (int64_t j = i; j < count; ++j) x[j] = last[j - i];
}

float NetLogSumExp(const float* x, int64_t count) {
  float largest = x[0];
  int64_t i = 0;
  if (count >= kWidth) {
    Floats lanes = Get(x);
    for (i = kWidth; i + kWidth <= count; i += kWidth) {
      const Floats v = Get(x + i);
      lanes = v > lanes ? v : lanes;
    }
    for (int lane = 0; lane < kWidth; ++lane) largest = lanes[lane] > largest ? lanes[lane] : largest;
  }
  for (; i < count; ++i) largest = x[i] > largest ? x[i] : largest;
  const Floats shift = All(largest);
  Floats sums = {};
  i = 0;
  for (; i + kWidth <= count; i += kWidth) sums += ExpOf(Get(x + i) - shift);
  if (i < count) sums += ExpOf(GetFirst(x + i, count - i, -__builtin_inff()) - shift);
  return largest + static_cast<float>(__builtin_log(static_cast<double>(SumOf(sums))));
}

int64_t NetDraw(const float* x, int64_t count, float log_sum, double uniform) {
  constexpr int kVectors = 4;  // whose weights are added up at once
  const Floats shift = All(log_sum);
  double before = 0;
  for (int64_t begin = 0; begin < count; begin += kVectors * kWidth) {
    Floats weights[kVectors], sums = {};
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = begin + v * kWidth, left = count - at;
      weights[v] = left >= kWidth ? ExpOf(Get(x + at) - shift)
                   : left > 0     ? ExpOf(GetFirst(x + at, left, -__builtin_inff()) - shift)
                                  : Floats{};
      sums += weights[v];
    }
    const double sum = static_cast<double>(SumOf(sums));
    if (before + sum > uniform) {
      for (int i = 0; i < kVectors * kWidth; ++i) {
        const float weight = weights[i / kWidth][i % kWidth];
        before += static_cast<double>(weight);
        if (weight > 0 && before > uniform) return begin + i;
      }
    } else {
      before += sum;
    }
  }
  // Rounding carried the target past the end: the last that has a weight.
  int64_t last = count - 1;
  while (last >= 0 && !(ExpOf(All(x[last]) - shift)[0] > 0)) --last;
  return last;
}

const NetTable kNetTable = {
    .panel = kPanel,
    .pack = NetPack,
    .product = NetProduct,
    .outer = NetOuter,
    .outer_scratch = NetOuterScratch,
    .gather = NetGather,
    .scatter = NetScatter,
    .add_rows = NetAddRows,
    .softmax_gradient = NetSoftmaxGradient,
    .log_sum_exp = NetLogSumExp,
    .draw = NetDraw,
};

}  // namespace gfn::GFN_ISA
