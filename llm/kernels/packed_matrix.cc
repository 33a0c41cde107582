#include "llm/kernels/packed_matrix.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "gflownet/base/check.h"
#include "llm/kernels/dispatch.h"
#include "llm/kernels/kernel_table.h"
#include "llm/kernels/parallel.h"

namespace gfn {
namespace {

static_assert(PackedMatrix::kPanelRows == kPanelWidth);

// Rows of a block of x: what a thread takes through the weights at once.
constexpr int64_t kBlockRows = 96;
constexpr int64_t kTransposedBlockRows = 192;
// The distance between prepared rows: whole cache lines, and an odd number of them so that rows do not share cache sets.
int64_t PaddedWords(int64_t words) { return (CeilDiv(words, 16) | 1) * 16; }

// Bytes that a panel takes for one number along `in`, times 32.
int64_t PanelBytesOfBlock(WeightType type) {
  switch (type) {
    case WeightType::kFloat32:
      return kPanelWidth * 32 * 4;
    case WeightType::kBFloat16:
      return kPanelWidth * 32 * 2;
    case WeightType::kQ4_0:
      return kPanelWidth * (2 + 16);
    case WeightType::kQ4_1:
      return kPanelWidth * (4 + 16);
    case WeightType::kQ8_0:
      return kPanelWidth * (2 + 32);
  }
  return 0;
}

bool IsBlocks(WeightType type) { return type != WeightType::kFloat32 && type != WeightType::kBFloat16; }
// Bytes before the numbers of a block in ggml's order: d, and m where there is one.
int64_t ScaleBytes(WeightType type) { return type == WeightType::kQ4_1 ? 4 : 2; }

// Number j of a block's bytes, without its scale.
unsigned char BlockNumber(WeightType type, const unsigned char* numbers, int64_t j) {
  if (type == WeightType::kQ8_0) return numbers[j];
  return j < 16 ? numbers[j] & 15 : numbers[j - 16] >> 4;
}

// A finite half-precision number, exactly.
float HalfToFloat(const unsigned char* bytes) {
  uint16_t bits;
  std::memcpy(&bits, bytes, sizeof bits);
  const float magnitude = std::bit_cast<float>(static_cast<uint32_t>(bits & 0x7fff) << 13) * 0x1p112f;
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

float RoundToBFloat16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000u);
}

}  // namespace

PackedMatrix::PackedMatrix(int64_t out, int64_t in, WeightType type, bool bfloat16)
    : out_(out), in_(in), type_(type), bfloat16_(bfloat16) {
  GFN_CHECK(out >= 0 && in >= 0) << "a matrix of " << out << " x " << in;
  GFN_CHECK(!IsBlocks(type) || in % kBlockNumbers == 0) << "rows of " << in << " numbers in blocks of " << kBlockNumbers;
  GFN_CHECK(IsBlocks(type) || bfloat16 == (type == WeightType::kBFloat16)) << "stored as one type, multiplied as another";
  const int64_t padded = type == WeightType::kBFloat16 ? CeilDiv(in, 2) * 2 : in;
  panel_words_ = padded * PanelBytesOfBlock(type) / 32 / static_cast<int64_t>(sizeof(float));
  data_ = AlignedBuffer(static_cast<size_t>(CeilDiv(out, kPanelRows) * panel_words_));
}

PackedMatrix PackedMatrix::Pack(const float* weight, int64_t out, int64_t in, WeightType type) {
  PackedMatrix packed(out, in, type);
  packed.SetRows(0, out, weight, in);
  return packed;
}

PanelWeights PackedMatrix::Panels(int64_t row_begin) const {
  return {type_, bfloat16_, reinterpret_cast<const unsigned char*>(data_.data() + row_begin / kPanelRows * panel_words_),
          panel_words_ * static_cast<int64_t>(sizeof(float)), in_};
}

void PackedMatrix::SetRows(int64_t row_begin, int64_t count, const float* weight, int64_t ld_weight) {
  GFN_CHECK(row_begin >= 0 && count >= 0 && row_begin + count <= out_)
      << "rows " << row_begin << " + " << count << " of a matrix of " << out_ << " rows";
  GFN_CHECK(!IsBlocks(type_)) << "a matrix of blocks takes blocks";
  const KernelTable& kernels = Kernels();
  const int64_t words_in = panel_words_ / kPanelRows;
  const int64_t first = row_begin / kPanelRows, last = CeilDiv(row_begin + count, kPanelRows), ld = PaddedWords(words_in);
  // Whole panels are turned round 16 words at a time; what sticks out is copied word by word.
  ParallelRows(last - first, panel_words_, 0, [&](int64_t panel_begin, int64_t panel_end) {
    float* words = ThreadScratch(ScratchSlot::kProduct, kPanelRows * ld);
    for (int64_t panel = first + panel_begin; panel < first + panel_end; ++panel) {
      const int64_t begin = std::max(row_begin, panel * kPanelRows);
      const int64_t rows = std::min(row_begin + count, (panel + 1) * kPanelRows) - begin;
      kernels.pack_rows(bfloat16_, weight + (begin - row_begin) * ld_weight, rows, in_, ld_weight, words, ld);
      float* to = data_.data() + panel * panel_words_;
      const int64_t whole = rows == kPanelRows ? words_in / 16 * 16 : 0;
      for (int64_t k = 0; k < whole; k += 16)
        kernels.copy_slice(true, words + k, ld, 16, kPanelRows, to + k * kPanelRows, kPanelRows);
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t k = whole; k < words_in; ++k) to[k * kPanelRows + (begin + i) % kPanelRows] = words[i * ld + k];
      }
    }
  });
}

void PackedMatrix::SetBlocks(int64_t row_begin, std::span<const unsigned char* const> rows) {
  const int64_t count = static_cast<int64_t>(rows.size());
  GFN_CHECK(IsBlocks(type_)) << "a matrix of plain numbers takes plain numbers";
  GFN_CHECK(row_begin >= 0 && row_begin + count <= out_)
      << "rows " << row_begin << " + " << count << " of a matrix of " << out_ << " rows";
  const bool eight_bits = type_ == WeightType::kQ8_0;
  const int64_t scales = ScaleBytes(type_), from_bytes = scales + (eight_bits ? 32 : 16), to_bytes = PanelBytesOfBlock(type_);
  const int64_t first = row_begin / kPanelRows, last = CeilDiv(row_begin + count, kPanelRows);
  ParallelRows(last - first, panel_words_, 0, [&](int64_t panel_begin, int64_t panel_end) {
    const int64_t begin = std::max(row_begin, (first + panel_begin) * kPanelRows),
                  end = std::min(row_begin + count, (first + panel_end) * kPanelRows);
    for (int64_t row = begin; row < end; ++row) {
      const unsigned char* from = rows[static_cast<size_t>(row - row_begin)];
      const int64_t lane = row % kPanelRows;
      unsigned char* to = reinterpret_cast<unsigned char*>(data_.data() + row / kPanelRows * panel_words_);
      for (int64_t b = 0; b < in_ / kBlockNumbers; ++b, from += from_bytes, to += to_bytes) {
        for (int64_t s = 0; s < scales; s += 2) std::memcpy(to + s * kPanelRows + 2 * lane, from + s, 2);
        unsigned char* numbers = to + scales * kPanelRows + lane;
        for (int64_t j = 0; j < kBlockNumbers; j += eight_bits ? 1 : 2, numbers += kPanelRows) {
          const unsigned char low = BlockNumber(type_, from + scales, j);
          *numbers = eight_bits ? low : static_cast<unsigned char>(low | BlockNumber(type_, from + scales, j + 1) << 4);
        }
      }
    }
  });
}

void PackedMatrix::Row(int64_t i, float* row) const {
  GFN_CHECK(i >= 0 && i < out_) << "row " << i << " of a matrix of " << out_ << " rows";
  const float* panel = data_.data() + i / kPanelRows * panel_words_;
  const int64_t lane = i % kPanelRows;
  if (type_ == WeightType::kFloat32) {
    for (int64_t k = 0; k < in_; ++k) row[k] = panel[k * kPanelRows + lane];
    return;
  }
  if (type_ == WeightType::kBFloat16) {
    for (int64_t k = 0; k < in_; ++k) {
      uint32_t pair;
      std::memcpy(&pair, panel + k / 2 * kPanelRows + lane, sizeof pair);
      row[k] = std::bit_cast<float>(k % 2 == 0 ? pair << 16 : pair & 0xffff0000u);
    }
    return;
  }
  const unsigned char* block = reinterpret_cast<const unsigned char*>(panel);
  for (int64_t b = 0; b < in_ / kBlockNumbers; ++b, block += PanelBytesOfBlock(type_)) {
    const float d = HalfToFloat(block + 2 * lane),
                m = type_ == WeightType::kQ4_1 ? HalfToFloat(block + 2 * (kPanelRows + lane)) : 0.0f;
    const unsigned char* numbers = block + ScaleBytes(type_) * kPanelRows + lane;
    for (int64_t j = 0; j < kBlockNumbers; ++j) {
      int q;
      if (type_ == WeightType::kQ8_0) {
        q = static_cast<signed char>(numbers[j * kPanelRows]);
      } else {
        q = (numbers[j / 2 * kPanelRows] >> (j % 2 * 4) & 15) - (type_ == WeightType::kQ4_0 ? 8 : 0);
      }
      const float value = static_cast<float>(q) * d + m;
      row[b * kBlockNumbers + j] = bfloat16_ ? RoundToBFloat16(value) : value;
    }
  }
}

void PackedMatrix::Apply(const float* x, int64_t n, int64_t ld_x, float* y, int64_t ld_y, bool accumulate,
                         int num_threads) const {
  ApplyRows(0, out_, x, n, ld_x, y, ld_y, accumulate, num_threads);
}

void PackedMatrix::ApplyRows(int64_t row_begin, int64_t row_end, const float* x, int64_t n, int64_t ld_x, float* y, int64_t ld_y,
                             bool accumulate, int num_threads) const {
  GFN_CHECK(row_begin % kPanelRows == 0 && 0 <= row_begin && row_begin <= row_end && row_end <= out_ && n >= 0)
      << "rows [" << row_begin << ", " << row_end << ") of a matrix of " << out_ << ", n " << n;
  Product(row_begin, row_end, nullptr, nullptr, x, n, ld_x, y, ld_y, accumulate, num_threads);
}

void PackedMatrix::ApplyWith(const LowRank& low_rank, float* t, const float* x, int64_t n, int64_t ld_x, float* y, int64_t ld_y,
                             bool accumulate, int num_threads) const {
  Product(0, out_, &low_rank, t, x, n, ld_x, y, ld_y, accumulate, num_threads);
}

// t = x A^T for the calling thread's share of the rows and of A's panels; ends with a barrier of the parallel region.
void PackedMatrix::LowRankInputs(const LowRank& low_rank, float* t, const float* x, int64_t n, int64_t ld_x, int threads,
                                 ParallelErrors& errors) {
  const PackedMatrix& a = low_rank.a;
  const KernelTable& kernels = Kernels();
  const Split rows{n, 1, std::max(CeilDiv(n, kBlockRows), std::min<int64_t>(n, threads))};
  const Split panels{a.out_, kPanelRows, std::min(CeilDiv(a.out_, kPanelRows), CeilDiv(2 * threads, rows.parts))};
#pragma omp for schedule(dynamic)
  for (int64_t task = 0; task < rows.parts * panels.parts; ++task) {
    errors.Run([&] {
      const int64_t row = rows.Begin(task / panels.parts), count = rows.Begin(task / panels.parts + 1) - row;
      const int64_t col = panels.Begin(task % panels.parts);
      kernels.apply({a.Panels(col), x + row * ld_x, ld_x, count, t + row * a.out_ + col, a.out_,
                     panels.Begin(task % panels.parts + 1) - col, false,
                     ThreadScratch(ScratchSlot::kRows, kernels.apply_scratch(count))});
    });
  }
}

// y [count, columns [col, end)] += t B^T of the parts that reach into these panels.
void PackedMatrix::AddLowRank(const LowRank& low_rank, const float* t, int64_t count, int64_t col, int64_t end, float* y,
                              int64_t ld_y) {
  const KernelTable& kernels = Kernels();
  for (const LowRank::Part& part : low_rank.parts) {
    const int64_t base = part.out_begin / kPanelRows * kPanelRows;
    const int64_t from = std::max(col, base), to = std::min(end, base + CeilDiv(part.b.out_, kPanelRows) * kPanelRows);
    if (from >= to) continue;
    kernels.apply({part.b.Panels(from - base), t + part.t_begin, low_rank.a.out_, count, y + (from - col), ld_y, to - from, true,
                   ThreadScratch(ScratchSlot::kRows, kernels.apply_scratch(count))});
  }
}

void PackedMatrix::Product(int64_t row_begin, int64_t row_end, const LowRank* low_rank, float* t, const float* x, int64_t n,
                           int64_t ld_x, float* y, int64_t ld_y, bool accumulate, int num_threads) const {
  const int64_t cols = row_end - row_begin;
  if (n == 0 || cols == 0) return;
  const KernelTable& kernels = Kernels();
  const int64_t ld_words = PaddedWords(kernels.operand_words(bfloat16_, in_));
  const int threads = UsefulThreads(num_threads, n * cols * in_);
  // A task is a block of rows and a range of panels; with more threads than blocks the panels are cut as well, the finer the less
  // the last task can keep the other threads waiting.
  const Split rows{n, 1, CeilDiv(n, kBlockRows)};
  const Split panels{cols, kPanelRows, std::min(CeilDiv(cols, kPanelRows), CeilDiv(16 * threads, rows.parts))};

  ParallelErrors errors;
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    if (low_rank != nullptr) LowRankInputs(*low_rank, t, x, n, ld_x, threads, errors);
    int64_t prepared = -1;  // the block of rows that this thread's scratch holds
#pragma omp for schedule(dynamic) nowait
    for (int64_t task = 0; task < rows.parts * panels.parts; ++task) {
      errors.Run([&] {
        const int64_t i = task / panels.parts, p = task % panels.parts;
        const int64_t row = rows.Begin(i), count = rows.Begin(i + 1) - row;
        const int64_t col = panels.Begin(p), end = panels.Begin(p + 1);
        float* words = ThreadScratch(ScratchSlot::kProduct, count * ld_words);
        if (i != prepared) kernels.prepare_rows(bfloat16_, x + row * ld_x, count, in_, ld_x, words, ld_words);
        prepared = i;
        kernels.apply({Panels(row_begin + col), words, ld_words, count, y + row * ld_y + col, ld_y, end - col, accumulate,
                       ThreadScratch(ScratchSlot::kRows, kernels.apply_scratch(count))});
        if (low_rank != nullptr) AddLowRank(*low_rank, t + row * low_rank->a.out_, count, col, end, y + row * ld_y + col, ld_y);
      });
    }
  }
  errors.Rethrow();
}

void PackedMatrix::ApplyTransposed(const float* dy, int64_t n, int64_t ld_dy, float* dx, int64_t ld_dx, bool accumulate,
                                   int num_threads) const {
  ApplyTransposedRows(0, out_, dy, n, ld_dy, dx, ld_dx, accumulate, num_threads);
}

void PackedMatrix::ApplyTransposedRows(int64_t row_begin, int64_t row_end, const float* dy, int64_t n, int64_t ld_dy, float* dx,
                                       int64_t ld_dx, bool accumulate, int num_threads) const {
  GFN_CHECK(row_begin % kPanelRows == 0 && 0 <= row_begin && row_begin <= row_end && row_end <= out_ && n >= 0)
      << "rows [" << row_begin << ", " << row_end << ") of a matrix of " << out_ << ", n " << n;
  if (n == 0 || in_ == 0) return;
  const int64_t count = row_end - row_begin;
  if (count == 0) {
    for (int64_t i = 0; i < n && !accumulate; ++i) std::fill_n(dx + i * ld_dx, in_, 0.0f);
    return;
  }
  const KernelTable& kernels = Kernels();
  const int threads = UsefulThreads(num_threads, n * count * in_);
  const Split rows{n, kPanelRows, std::max(CeilDiv(n, kTransposedBlockRows), std::min<int64_t>(threads, CeilDiv(n, kPanelRows)))};

  ParallelErrors errors;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < rows.parts; ++i) {
    errors.Run([&] {
      const int64_t row = rows.Begin(i), block = rows.Begin(i + 1) - row;
      kernels.apply_transposed({Panels(row_begin), dy + row * ld_dy, ld_dy, block, count, dx + row * ld_dx, ld_dx, accumulate,
                                ThreadScratch(ScratchSlot::kProduct, kernels.transposed_scratch(bfloat16_, block))});
    });
  }
  errors.Rethrow();
}

}  // namespace gfn
