#include "llm/kernels/packed_matrix.h"

#include <algorithm>
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


}  // namespace

PackedMatrix::PackedMatrix(int64_t out, int64_t in, WeightType type)
    : out_(out), in_(in), words_(type == WeightType::kFloat32 ? in : CeilDiv(in, 2)), type_(type) {
  GFN_CHECK(out >= 0 && in >= 0) << "a matrix of " << out << " x " << in;
  data_ = AlignedBuffer(static_cast<size_t>(CeilDiv(out, kPanelRows) * PanelWords()));
}

PackedMatrix PackedMatrix::Pack(const float* weight, int64_t out, int64_t in, WeightType type) {
  PackedMatrix packed(out, in, type);
  packed.SetRows(0, out, weight, in);
  return packed;
}

void PackedMatrix::SetRows(int64_t row_begin, int64_t count, const float* weight, int64_t ld_weight) {
  GFN_CHECK(row_begin >= 0 && count >= 0 && row_begin + count <= out_)
      << "rows " << row_begin << " + " << count << " of a matrix of " << out_ << " rows";
  const KernelTable& kernels = Kernels();
  const bool bfloat16 = type_ == WeightType::kBFloat16;
  const int64_t first = row_begin / kPanelRows, last = CeilDiv(row_begin + count, kPanelRows), ld = PaddedWords(words_);
  // Whole panels are turned round 16 words at a time; what sticks out is copied word by word.
  ParallelRows(last - first, kPanelRows * words_, 0, [&](int64_t panel_begin, int64_t panel_end) {
    float* words = ThreadScratch(ScratchSlot::kProduct, kPanelRows * ld);
    for (int64_t panel = first + panel_begin; panel < first + panel_end; ++panel) {
      const int64_t begin = std::max(row_begin, panel * kPanelRows);
      const int64_t rows = std::min(row_begin + count, (panel + 1) * kPanelRows) - begin;
      kernels.prepare_rows(bfloat16, weight + (begin - row_begin) * ld_weight, rows, in_, ld_weight, words, ld);
      float* to = data_.data() + panel * PanelWords();
      const int64_t whole = rows == kPanelRows ? words_ / 16 * 16 : 0;
      for (int64_t k = 0; k < whole; k += 16) kernels.copy_slice(true, words + k, ld, 16, kPanelRows, to + k * kPanelRows, kPanelRows);
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t k = whole; k < words_; ++k) to[k * kPanelRows + (begin + i) % kPanelRows] = words[i * ld + k];
      }
    }
  });
}

void PackedMatrix::Row(int64_t i, float* row) const {
  GFN_CHECK(i >= 0 && i < out_) << "row " << i << " of a matrix of " << out_ << " rows";
  const float* from = data_.data() + i / kPanelRows * PanelWords() + i % kPanelRows;
  if (type_ == WeightType::kFloat32) {
    for (int64_t k = 0; k < in_; ++k) row[k] = from[k * kPanelRows];
    return;
  }
  for (int64_t k = 0; k < in_; ++k) {
    uint32_t pair;
    std::memcpy(&pair, from + k / 2 * kPanelRows, sizeof pair);
    const uint32_t bits = k % 2 == 0 ? pair << 16 : pair & 0xffff0000u;
    std::memcpy(row + k, &bits, sizeof bits);
  }
}

void PackedMatrix::Apply(const float* x, int64_t n, int64_t ld_x, float* y, int64_t ld_y, bool accumulate,
                         int num_threads) const {
  ApplyRows(0, out_, x, n, ld_x, y, ld_y, accumulate, num_threads);
}

void PackedMatrix::ApplyRows(int64_t row_begin, int64_t row_end, const float* x, int64_t n, int64_t ld_x, float* y,
                             int64_t ld_y, bool accumulate, int num_threads) const {
  GFN_CHECK(row_begin % kPanelRows == 0 && 0 <= row_begin && row_begin <= row_end && row_end <= out_ && n >= 0)
      << "rows [" << row_begin << ", " << row_end << ") of a matrix of " << out_ << ", n " << n;
  const int64_t cols = row_end - row_begin;
  if (n == 0 || cols == 0) return;
  const bool bfloat16 = type_ == WeightType::kBFloat16;
  const int64_t ld_words = PaddedWords(words_);
  const KernelTable& kernels = Kernels();
  const int threads = UsefulThreads(num_threads, n * cols * words_);
  // A task is a block of rows and a range of panels; with more threads than blocks the panels are cut as well.
  const Split rows{n, 1, CeilDiv(n, kBlockRows)};
  const Split panels{cols, kPanelRows, std::min(CeilDiv(cols, kPanelRows), CeilDiv(4 * threads, rows.parts))};
  const float* weights = data_.data() + row_begin * words_;

#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
  for (int64_t task = 0; task < rows.parts * panels.parts; ++task) {
    const int64_t i = task / panels.parts, p = task % panels.parts;
    const int64_t row = rows.Begin(i), count = rows.Begin(i + 1) - row;
    const int64_t col = panels.Begin(p);
    float* words = ThreadScratch(ScratchSlot::kProduct, count * ld_words);
    kernels.prepare_rows(bfloat16, x + row * ld_x, count, in_, ld_x, words, ld_words);
    kernels.apply({bfloat16, weights + col * words_, words_, words, ld_words, count, y + row * ld_y + col, ld_y,
                   panels.Begin(p + 1) - col, accumulate});
  }
}

void PackedMatrix::ApplyTransposed(const float* dy, int64_t n, int64_t ld_dy, float* dx, int64_t ld_dx, bool accumulate,
                                   int num_threads) const {
  ApplyTransposedRows(0, out_, dy, n, ld_dy, dx, ld_dx, accumulate, num_threads);
}

void PackedMatrix::ApplyTransposedRows(int64_t row_begin, int64_t row_end, const float* dy, int64_t n, int64_t ld_dy,
                                       float* dx, int64_t ld_dx, bool accumulate, int num_threads) const {
  GFN_CHECK(row_begin % kPanelRows == 0 && 0 <= row_begin && row_begin <= row_end && row_end <= out_ && n >= 0)
      << "rows [" << row_begin << ", " << row_end << ") of a matrix of " << out_ << ", n " << n;
  if (n == 0 || in_ == 0) return;
  const int64_t count = row_end - row_begin;
  if (count == 0) {
    for (int64_t i = 0; i < n && !accumulate; ++i) std::fill_n(dx + i * ld_dx, in_, 0.0f);
    return;
  }
  const bool bfloat16 = type_ == WeightType::kBFloat16;
  const KernelTable& kernels = Kernels();
  const int threads = UsefulThreads(num_threads, n * count * words_);
  const Split rows{n, kPanelRows, std::max(CeilDiv(n, kTransposedBlockRows), std::min<int64_t>(threads, CeilDiv(n, kPanelRows)))};

#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < rows.parts; ++i) {
    const int64_t row = rows.Begin(i), block = rows.Begin(i + 1) - row;
    kernels.apply_transposed({bfloat16, data_.data() + row_begin * words_, words_, in_, dy + row * ld_dy, ld_dy, block,
                              count, dx + row * ld_dx, ld_dx, accumulate,
                              ThreadScratch(ScratchSlot::kProduct, kernels.transposed_scratch(bfloat16, block))});
  }
}

}  // namespace gfn
