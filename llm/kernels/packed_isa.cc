// Products with a packed matrix, serial (packed_matrix.cc splits them over threads). Compiled once for each instruction set.
#include "llm/kernels/packed_isa.h"

#include "llm/kernels/micro_kernel.h"

namespace gfn::GFN_ISA {
namespace {

// Words of `in` summed in registers before they are added to y, at most: a panel's share stays in the nearest caches while all
// rows of a block pass over it. Part of the definition of the result: it fixes the order of the sum.
constexpr int64_t kDepth = 768;

// How far weights are asked for ahead of use, in words (16 KiB): found by measurement, 4 to 64 KiB do nearly as well.
constexpr int64_t kAhead = 4096;

// Words are declared float; bfloat16 pairs are read and written through these.
typedef uint16_t AliasU16 __attribute__((may_alias));
typedef uint32_t AliasU32 __attribute__((may_alias));

uint16_t RoundBFloat16(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  if (x != x) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <class Dot>
void ApplyAs(const ApplyJob& job) {
  const RowTiles tiles(job.n);
  const int64_t parts = job.words > kDepth ? (job.words + kDepth - 1) / kDepth : 1;
  for (int64_t col = 0; col < job.cols; col += kPanelWidth) {
    const float* panel = job.panels + col * job.words;
    const int64_t cols = job.cols - col < kPanelWidth ? job.cols - col : kPanelWidth;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t k = job.words * part / parts, depth = job.words * (part + 1) / parts - k;
      for (int64_t i = 0; i < tiles.count; ++i) {
        const int64_t row = tiles.Begin(i);
        const TileFunction tile = TileFor<Dot>(tiles.Begin(i + 1) - row, cols);
        tile({job.x + row * job.ld_x + k, job.ld_x, 1, panel + k * kPanelWidth, kPanelWidth, depth, kAhead},
             job.y + row * job.ld_y + col, job.ld_y, cols, job.accumulate || k > 0);
      }
    }
  }
}

// Element k of rows [0, count) of W, from the panels that hold them, as words along the rows: count float32, or count / 2 pairs.
void GatherColumn(const TransposedJob& job, int64_t row, int64_t k, int64_t count, float* words) {
  for (int64_t r = 0; r < count; r += kPanelWidth) {
    const float* from = job.panels + (row + r) * job.words + (job.bfloat16 ? k / 2 : k) * kPanelWidth;
    // The next group of columns, a while before it is gathered.
    const float* next = from + (job.bfloat16 ? kLanes / 2 : kLanes) * kPanelWidth;
    for (int64_t j = 0; j < kPanelWidth; j += kLanes) __builtin_prefetch(next + j, 0, 2);
    if (!job.bfloat16) {
      __builtin_memcpy(words + r, from, kPanelWidth * sizeof(float));
      continue;
    }
    const AliasU32* pairs = reinterpret_cast<const AliasU32*>(from);
    AliasU16* to = reinterpret_cast<AliasU16*>(words) + r;
    const int shift = k % 2 == 0 ? 0 : 16;
    for (int64_t j = 0; j < kPanelWidth; ++j) to[j] = static_cast<uint16_t>(pairs[j] >> shift);
  }
}

// Rows [row, row + count) of dy^T for the n rows of dy: panels of 48 columns, [ceil(n / 48)][words][48].
void PackTransposed(const TransposedJob& job, int64_t row, int64_t count, int64_t words, float* rounded, float* packed) {
  const float* from = job.dy + row;
  int64_t ld = job.ld_dy, valid = count;
  if (job.bfloat16) {
    PrepareRows(true, from, job.n, count, job.ld_dy, rounded, words);
    from = rounded;
    ld = words;
    valid = (count + 1) / 2;
  }
  for (int64_t i = 0; i < job.n; i += kLanes) {
    const int64_t rows = job.n - i < kLanes ? job.n - i : kLanes;
    float* to = packed + i / kPanelWidth * words * kPanelWidth + i % kPanelWidth;
    for (int64_t j = 0; j < words; j += kLanes) {
      const int64_t cols = valid - j < kLanes ? (valid - j > 0 ? valid - j : 0) : kLanes;
      TransposeBlock(from + i * ld + j, ld, rows, cols, to + j * kPanelWidth, kPanelWidth);
    }
  }
}

// dx [n, 16 columns] (+)= the transpose of c [16][48].
void AddTransposed(const float* c, int64_t n, int64_t cols, float* dx, int64_t ld_dx, bool accumulate) {
  float block[kLanes * kLanes];
  for (int64_t i = 0; i < n; i += kLanes) {
    TransposeBlock(c + i, kPanelWidth, kLanes, kLanes, block, kLanes);
    const int64_t rows = n - i < kLanes ? n - i : kLanes;
    for (int64_t r = 0; r < rows; ++r) {
      float* to = dx + (i + r) * ld_dx;
      const Vec sum = Load(block + r * kLanes);
      if (cols == kLanes) {
        Store(to, accumulate ? Load(to) + sum : sum);
      } else {
        StoreFirst(to, accumulate ? LoadFirst(to, cols) + sum : sum, cols);
      }
    }
  }
}

// Words along the rows of W summed in registers before they are added to dx; fixes the order of the sum. A multiple of 48.
constexpr int64_t kTransposedWords = 384;

template <class Dot>
void ApplyTransposedAs(const TransposedJob& job) {
  constexpr int kPerWord = Dot::kPerWord;
  constexpr int64_t kWords = kTransposedWords, kRows = kWords * kPerWord;
  const int64_t panels = (job.n + kPanelWidth - 1) / kPanelWidth;
  float* packed = job.scratch;
  float* rounded = packed + panels * kPanelWidth * kWords;
  float* columns = rounded + (job.bfloat16 ? job.n * kWords : 0);
  alignas(64) float c[kLanes * kPanelWidth] = {};
  for (int64_t row = 0; row < job.rows; row += kRows) {
    const int64_t count = job.rows - row < kRows ? job.rows - row : kRows;
    const int64_t padded = (count + kPanelWidth - 1) / kPanelWidth * kPanelWidth, words = padded / kPerWord;
    const bool accumulate = job.accumulate || row > 0;
    PackTransposed(job, row, count, words, rounded, packed);
    for (int64_t k = 0; k < job.in; k += kLanes) {
      const int64_t width = job.in - k < kLanes ? job.in - k : kLanes;
      for (int64_t r = 0; r < width; ++r) GatherColumn(job, row, k + r, padded, columns + r * words);
      const RowTiles tiles(width);
      for (int64_t i = 0; i < job.n; i += kPanelWidth) {
        const int64_t cols = job.n - i < kPanelWidth ? job.n - i : kPanelWidth;
        for (int64_t t = 0; t < tiles.count; ++t) {
          const int64_t r = tiles.Begin(t);
          TileFor<Dot>(tiles.Begin(t + 1) - r, cols)(
              {columns + r * words, words, 1, packed + i * words, kPanelWidth, words}, c + r * kPanelWidth, kPanelWidth,
              (cols + kLanes - 1) / kLanes * kLanes, false);
        }
        AddTransposed(c, cols, width, job.dx + i * job.ld_dx + k, job.ld_dx, accumulate);
      }
    }
  }
}

}  // namespace

void PrepareRows(bool bfloat16, const float* x, int64_t n, int64_t in, int64_t ld_x, float* words, int64_t ld_words) {
  for (int64_t i = 0; i < n; ++i, x += ld_x, words += ld_words) {
    if (!bfloat16) {
      __builtin_memcpy(words, x, static_cast<size_t>(in) * sizeof(float));
      continue;
    }
    AliasU16* to = reinterpret_cast<AliasU16*>(words);
    for (int64_t k = 0; k < in; ++k) to[k] = RoundBFloat16(x[k]);
    if (in % 2 != 0) to[in] = 0;
  }
}

int64_t TransposedScratch(bool bfloat16, int64_t n) {
  return ((n + kPanelWidth - 1) / kPanelWidth * kPanelWidth + (bfloat16 ? n : 0) + kLanes) * kTransposedWords;
}

void ApplyTransposed(const TransposedJob& job) {
  job.bfloat16 ? ApplyTransposedAs<DotPairs>(job) : ApplyTransposedAs<DotFloat>(job);
}

void Apply(const ApplyJob& job) { job.bfloat16 ? ApplyAs<DotPairs>(job) : ApplyAs<DotFloat>(job); }

}  // namespace gfn::GFN_ISA
