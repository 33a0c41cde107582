// Products with a packed matrix, serial (packed_matrix.cc splits them over threads). Compiled once for each instruction set.
#include "llm/kernels/packed_isa.h"

#include "llm/kernels/expand_isa.h"

namespace gfn::GFN_ISA {
namespace {

// Words of `in` summed in registers before they are added to y, at most. Part of the definition of the result: it fixes the order
// of the sum.
constexpr int64_t kDepth = 768;

// Words of a panel that all rows of a block pass over before the next are read or expanded: 16 columns of them stay in the
// first-level cache. Sums go on exactly where they stopped, so this is not part of the result.
constexpr int64_t kChunkWords = 192;
// The same of words that are expanded for few rows: all 48 columns of them stay there, between being written and being read.
constexpr int64_t kShortChunkWords = 96;
constexpr int64_t kShortChunkRows = 24;

// Words are declared float; bfloat16 pairs are read and written through these.
typedef uint16_t AliasU16 __attribute__((may_alias));
typedef uint32_t AliasU32 __attribute__((may_alias));

uint16_t BFloat16Bits(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  if (x != x) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// Whether a product reads the panels as they are stored.
template <class Dot>
bool IsDirect(const PanelWeights& w) {
  return Dot::kPerWord == 2 ? w.type == WeightType::kBFloat16 : w.type == WeightType::kFloat32;
}

// Words of one part of `in`: parts end between blocks, whatever the storage.
int64_t PartEnd(int64_t words, int64_t part, int64_t parts) {
  return part + 1 < parts ? words * (part + 1) / parts / kBlockNumbers * kBlockNumbers : words;
}

// The columns [col, col + cols) of y that one panel gives.
template <class Dot>
void ApplyPanel(const ApplyJob& job, const RowTiles& tiles, int64_t col, int64_t cols) {
  const PanelWeights& w = job.weights;
  const unsigned char* panel = w.panels + col / kPanelWidth * w.panel_bytes;
  const bool direct = IsDirect<Dot>(w);
  const int64_t words = OperandWords(w.bfloat16, w.in);
  const int64_t strip = StripColumns(tiles.base + (tiles.extra > 0 ? 1 : 0));
  const int64_t parts = words > kDepth ? (words + kDepth - 1) / kDepth : 1;
  float* expanded = job.scratch;
  float* sums = expanded + kChunkWords * kPanelWidth;  // [n][48] of a part that is not finished
  for (int64_t part = 0, begin = 0; part < parts; ++part) {
    const int64_t end = PartEnd(words, part, parts);
    const int64_t chunk = direct && strip == kPanelWidth        ? end - begin
                          : !direct && job.n <= kShortChunkRows ? kShortChunkWords
                                                                : kChunkWords;
    for (int64_t k = begin; k < end; k += chunk) {
      const int64_t count = end - k < chunk ? end - k : chunk;
      const bool last = k + count == end;
      const float* b = expanded;
      if (direct) {
        b = reinterpret_cast<const float*>(panel) + k * kPanelWidth;
      } else if (Dot::kPerWord == 2) {
        ExpandPairs(w, panel, k, k + count, expanded);
      } else {
        ExpandFloats(w, panel, k, k + count, expanded);
      }
      // Few rows ask for weights a fixed distance ahead as they stream through them; many take the next chunk along, a few lines
      // a tile, so that memory has the time of the whole chunk to deliver it.
      const int64_t num_tiles = (cols + strip - 1) / strip * tiles.count,
                    lines = direct && num_tiles > 1 ? count * kPanelWidth / kLanes : 0;
      const float* next = b + count * kPanelWidth;
      int64_t asked = 0, done = 0;
      for (int64_t s = 0; s < cols; s += strip) {
        const int64_t width = cols - s < strip ? cols - s : strip;
        const TileFunction tall = TileFor<Dot>(tiles.base + 1, width), low = TileFor<Dot>(tiles.base, width);
        for (int64_t i = 0; i < tiles.count; ++i) {
          const int64_t row = tiles.Begin(i);
          for (const int64_t until = lines * ++done / num_tiles; asked < until; ++asked)
            __builtin_prefetch(next + asked * kLanes, 0, 2);
          Operands o = {.a = job.x + row * job.ld_x + k,
                        .row_stride = job.ld_x,
                        .k_stride = 1,
                        .b = b + s,
                        .ld_b = kPanelWidth,
                        .k = count};
          if (k > begin) {
            o.from = sums + row * kPanelWidth + s;
            o.ld_from = kPanelWidth;
          }
          const TileFunction tile = direct && num_tiles == 1 ? TileFor<Dot, true>(tiles.base, width)
                                    : i < tiles.extra        ? tall
                                                             : low;
          if (last) {
            tile(o, job.y + row * job.ld_y + col + s, job.ld_y, width, job.accumulate || part > 0);
          } else {
            tile(o, sums + row * kPanelWidth + s, kPanelWidth, (width + kLanes - 1) / kLanes * kLanes, false);
          }
        }
      }
    }
    begin = end;
  }
}

// The same for one panel of bfloat16 that is multiplied as float32, and so few rows that their sums stay in registers while it is
// expanded there: no expanded number goes through memory, which is what decoding waits for. The same additions in the same order.
template <int MR>
void ApplyFewRows(const ApplyJob& job, int64_t col, int64_t cols) {
  const PanelWeights& w = job.weights;
  const unsigned char* panel = w.panels + col / kPanelWidth * w.panel_bytes;
  const int64_t words = OperandWords(true, w.in), parts = words > kDepth ? (words + kDepth - 1) / kDepth : 1;
  for (int64_t part = 0, begin = 0; part < parts; ++part) {
    const int64_t end = PartEnd(words, part, parts);
    Vec sum[MR][3];
    for (int r = 0; r < MR; ++r) {
      for (int v = 0; v < 3; ++v) sum[r][v] = Zero();
    }
    ForEachPair<WeightType::kBFloat16>(panel, begin, end, [&](int64_t k, int v, Vec low, Vec high) {
      for (int r = 0; r < MR; ++r) {
        const float* x = job.x + r * job.ld_x + k;
        sum[r][v] = MulAdd(Set(x[1]), high, MulAdd(Set(x[0]), low, sum[r][v]));
      }
    });
    const bool accumulate = job.accumulate || part > 0;
    for (int r = 0; r < MR; ++r) {
      for (int v = 0; v < 3 && v * kLanes < cols; ++v) {
        float* to = job.y + r * job.ld_y + col + v * kLanes;
        const int64_t lanes = cols - v * kLanes < kLanes ? cols - v * kLanes : kLanes;
        if (lanes == kLanes) {
          Store(to, accumulate ? Load(to) + sum[r][v] : sum[r][v]);
        } else {
          StoreFirst(to, accumulate ? LoadFirst(to, lanes) + sum[r][v] : sum[r][v], lanes);
        }
      }
    }
    begin = end;
  }
}

// Rows whose sums over all 48 columns fit the registers.
constexpr int kRegisterRows = kTileSums / 3;

using FewRowsFunction = void (*)(const ApplyJob& job, int64_t col, int64_t cols);

template <int MR = kRegisterRows>
FewRowsFunction FewRowsOf(int64_t rows) {
  if constexpr (MR > 1) {
    if (rows < MR) return FewRowsOf<MR - 1>(rows);
  }
  return ApplyFewRows<MR>;
}

template <class Dot>
void ApplyAs(const ApplyJob& job) {
  const RowTiles tiles(job.n);
  const bool few = Dot::kPerWord == 1 && job.weights.type == WeightType::kBFloat16 && job.n <= kRegisterRows;
  for (int64_t col = 0; col < job.cols; col += kPanelWidth) {
    const int64_t cols = job.cols - col < kPanelWidth ? job.cols - col : kPanelWidth;
    few ? FewRowsOf(job.n)(job, col, cols) : ApplyPanel<Dot>(job, tiles, col, cols);
  }
}

// Words along the rows of W summed in registers before they are added to dx; fixes the order of the sum. A multiple of 48.
constexpr int64_t kTransposedWords = 384;

// Numbers [k, k + width) of rows [0, count) of W, from the panels that hold them, as words along the rows: columns
// [width][words].
template <class Dot>
void GatherColumns(const TransposedJob& job, int64_t row, int64_t k, int64_t width, int64_t count, int64_t words, float* expanded,
                   float* columns) {
  const PanelWeights& w = job.weights;
  for (int64_t r = 0; r < count; r += kPanelWidth) {
    const unsigned char* panel = w.panels + (row + r) / kPanelWidth * w.panel_bytes;
    const float* from = expanded;
    if (w.type == WeightType::kFloat32) {
      from = reinterpret_cast<const float*>(panel) + k * kPanelWidth;
      // The next group of columns, a while before it is gathered.
      for (int64_t j = 0; j < width * kPanelWidth; j += kLanes) __builtin_prefetch(from + kLanes * kPanelWidth + j, 0, 2);
    } else {
      ExpandFloats(w, panel, k, k + (width + 1) / 2 * 2, expanded);
    }
    for (int64_t j = 0; j < width; ++j, from += kPanelWidth) {
      if constexpr (Dot::kPerWord == 1) {
        for (int64_t v = 0; v < kPanelWidth; v += kLanes) Store(columns + j * words + r + v, Load(from + v));
      } else {  // rounded already
        AliasU16* to = reinterpret_cast<AliasU16*>(columns + j * words) + r;
        const AliasU32* bits = reinterpret_cast<const AliasU32*>(from);
        for (int64_t i = 0; i < kPanelWidth; ++i) to[i] = static_cast<uint16_t>(bits[i] >> 16);
      }
    }
  }
}

// Rows [row, row + count) of dy^T for the n rows of dy: panels of 48 columns, [ceil(n / 48)][words][48].
void PackTransposed(const TransposedJob& job, int64_t row, int64_t count, int64_t words, float* rounded, float* packed) {
  const float* from = job.dy + row;
  int64_t ld = job.ld_dy, valid = count;
  if (job.weights.bfloat16) {
    PrepareRows(true, from, job.n, count, job.ld_dy, rounded, words);
    from = rounded;
    ld = words;
    valid = OperandWords(true, count);
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

template <class Dot>
void ApplyTransposedAs(const TransposedJob& job) {
  constexpr int kPerWord = Dot::kPerWord;
  constexpr int64_t kWords = kTransposedWords, kRows = kWords * kPerWord;
  const int64_t panels = (job.n + kPanelWidth - 1) / kPanelWidth, in = job.weights.in;
  float* packed = job.scratch;
  float* rounded = packed + panels * kPanelWidth * kWords;
  float* columns = rounded + (job.weights.bfloat16 ? job.n * kWords : 0);
  float* expanded = columns + kLanes * kWords;
  alignas(64) float c[kLanes * kPanelWidth] = {};
  for (int64_t row = 0; row < job.rows; row += kRows) {
    const int64_t count = job.rows - row < kRows ? job.rows - row : kRows;
    const int64_t padded = (count + kPanelWidth - 1) / kPanelWidth * kPanelWidth, words = padded / kPerWord;
    const bool accumulate = job.accumulate || row > 0;
    PackTransposed(job, row, count, words, rounded, packed);
    for (int64_t k = 0; k < in; k += kLanes) {
      const int64_t width = in - k < kLanes ? in - k : kLanes;
      GatherColumns<Dot>(job, row, k, width, padded, words, expanded, columns);
      const RowTiles tiles(width);
      for (int64_t i = 0; i < job.n; i += kPanelWidth) {
        const int64_t cols = job.n - i < kPanelWidth ? job.n - i : kPanelWidth;
        for (int64_t t = 0; t < tiles.count; ++t) {
          const int64_t r = tiles.Begin(t);
          TileFor<Dot>(tiles.Begin(t + 1) - r, cols)({.a = columns + r * words,
                                                      .row_stride = words,
                                                      .k_stride = 1,
                                                      .b = packed + i * words,
                                                      .ld_b = kPanelWidth,
                                                      .k = words},
                                                     c + r * kPanelWidth, kPanelWidth, (cols + kLanes - 1) / kLanes * kLanes,
                                                     false);
        }
        AddTransposed(c, cols, width, job.dx + i * job.ld_dx + k, job.ld_dx, accumulate);
      }
    }
  }
}

}  // namespace

int64_t OperandWords(bool bfloat16, int64_t in) {
  if (!bfloat16) return in;
  return kNativePairs ? (in + 1) / 2 : (in + 1) / 2 * 2;
}

void PackRows(bool bfloat16, const float* x, int64_t n, int64_t in, int64_t ld_x, float* words, int64_t ld_words) {
  for (int64_t i = 0; i < n; ++i, x += ld_x, words += ld_words) {
    if (!bfloat16) {
      __builtin_memcpy(words, x, static_cast<size_t>(in) * sizeof(float));
      continue;
    }
    AliasU16* to = reinterpret_cast<AliasU16*>(words);
    for (int64_t k = 0; k < in; ++k) to[k] = BFloat16Bits(x[k]);
    if (in % 2 != 0) to[in] = 0;
  }
}

void PrepareRows(bool bfloat16, const float* x, int64_t n, int64_t in, int64_t ld_x, float* words, int64_t ld_words) {
  if (!bfloat16 || kNativePairs) return PackRows(bfloat16, x, n, in, ld_x, words, ld_words);
  for (int64_t i = 0; i < n; ++i, x += ld_x, words += ld_words) {
    for (int64_t k = 0; k < in; k += kLanes) {
      const int64_t lanes = in - k < kLanes ? in - k : kLanes;
      lanes == kLanes ? Store(words + k, RoundBFloat16(Load(x + k)))
                      : StoreFirst(words + k, RoundBFloat16(LoadFirst(x + k, lanes)), lanes);
    }
    if (in % 2 != 0) words[in] = 0;
  }
}

int64_t ApplyScratch(int64_t n) { return (kChunkWords + n) * kPanelWidth; }

int64_t TransposedScratch(bool bfloat16, int64_t n) {
  return ((n + kPanelWidth - 1) / kPanelWidth * kPanelWidth + (bfloat16 ? n : 0) + kLanes) * kTransposedWords +
         kLanes * kPanelWidth;
}

void ApplyTransposed(const TransposedJob& job) {
  kNativePairs&& job.weights.bfloat16 ? ApplyTransposedAs<DotPairs>(job) : ApplyTransposedAs<DotFloat>(job);
}

void Apply(const ApplyJob& job) { kNativePairs&& job.weights.bfloat16 ? ApplyAs<DotPairs>(job) : ApplyAs<DotFloat>(job); }

}  // namespace gfn::GFN_ISA
