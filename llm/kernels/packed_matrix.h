// The only copy of a frozen weight W [out, in], packed once at load for small and large batches alike.
//
// Layout: panels of kPanelRows rows of W. Inside a panel the `in` index is the slow one, so that a product reads the panel as
// one stream: float32 [in][48]; bfloat16 [in/2][48][2] (pairs along `in`, the operand of vdpbf16ps); a file's blocks of 4 or 8
// bits as they are (expand_isa.h). Both products below read this one copy. Rows and columns beyond out and in are zero.
//
// Numbers: float32 accumulates in float32. bfloat16 rounds the other operand to bfloat16 (nearest even) as it is read and
// accumulates in float32. Blocks are expanded while they are multiplied: every product, of either arithmetic, is bit for bit that
// of the same numbers packed as float32 or bfloat16. Sums run over `in` in blocks of fixed size, so a row of a result depends
// neither on n, nor on the row's place in the batch, nor on the number of threads: bitwise, for one instruction set. Between
// instruction sets results agree within rounding only.
//
// Pointers are float32, row-major, with a leading dimension in elements; no alignment is asked for. Programmer errors
// (negative sizes, a range outside the matrix) are GFN_CHECKs. All methods but SetRows are const and may run concurrently.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gflownet/base/parallel_errors.h"
#include "llm/kernels/aligned_buffer.h"
#include "llm/kernels/weight_type.h"

namespace gfn {

struct LowRank;

class PackedMatrix {
 public:
  // Ranges of rows given to ApplyRows and ApplyTransposedRows begin at a multiple of this.
  static constexpr int64_t kPanelRows = kPanelWidth;

  PackedMatrix() = default;
  // A matrix of zeros; SetRows fills it (rows of several sources make one fused matrix, q | k | v or gate | up).
  PackedMatrix(int64_t out, int64_t in, WeightType type) : PackedMatrix(out, in, type, type == WeightType::kBFloat16) {}
  // The same with the arithmetic named: blocks (in: a multiple of 32; SetBlocks fills them) serve both.
  PackedMatrix(int64_t out, int64_t in, WeightType type, bool bfloat16);
  static PackedMatrix Pack(const float* weight, int64_t out, int64_t in, WeightType type);

  // Rows [row_begin, row_begin + count) from weight [count, in]; rounded to nearest even for bfloat16.
  void SetRows(int64_t row_begin, int64_t count, const float* weight, int64_t ld_weight);
  // Rows row_begin.. from blocks as ggml lays them out (Q4_0, Q4_1, Q8_0: this matrix's type), a pointer for each row.
  void SetBlocks(int64_t row_begin, std::span<const unsigned char* const> rows);

  int64_t out() const { return out_; }
  int64_t in() const { return in_; }
  WeightType type() const { return type_; }
  bool bfloat16() const { return bfloat16_; }
  // Bytes held, padding included.
  int64_t bytes() const { return static_cast<int64_t>(data_.size() * sizeof(float)); }

  // num_threads 0 means OpenMP's default; inside a parallel region everything runs on the calling thread.
  // y [n, out] = x [n, in] W^T, or y += with accumulate.
  void Apply(const float* x, int64_t n, int64_t ld_x, float* y, int64_t ld_y, bool accumulate, int num_threads = 0) const;
  // y = x W^T plus a low-rank share, in one parallel region; t [n, sum of the ranks] = x A^T is written.
  void ApplyWith(const LowRank& low_rank, float* t, const float* x, int64_t n, int64_t ld_x, float* y, int64_t ld_y,
                 bool accumulate, int num_threads = 0) const;
  // The same for rows [row_begin, row_end) of W: y is [n, row_end - row_begin]. row_begin is a multiple of kPanelRows.
  void ApplyRows(int64_t row_begin, int64_t row_end, const float* x, int64_t n, int64_t ld_x, float* y, int64_t ld_y,
                 bool accumulate, int num_threads = 0) const;

  // dx [n, in] = dy [n, out] W, or dx += with accumulate.
  void ApplyTransposed(const float* dy, int64_t n, int64_t ld_dy, float* dx, int64_t ld_dx, bool accumulate,
                       int num_threads = 0) const;
  // The same for rows [row_begin, row_end) of W: dy is [n, row_end - row_begin].
  void ApplyTransposedRows(int64_t row_begin, int64_t row_end, const float* dy, int64_t n, int64_t ld_dy, float* dx,
                           int64_t ld_dx, bool accumulate, int num_threads = 0) const;

  // Row i of W as float32 [in] (an embedding looked up from a tied head).
  void Row(int64_t i, float* row) const;

 private:
  PanelWeights Panels(int64_t row_begin) const;
  void Product(int64_t row_begin, int64_t row_end, const LowRank* low_rank, float* t, const float* x, int64_t n, int64_t ld_x,
               float* y, int64_t ld_y, bool accumulate, int num_threads) const;
  static void LowRankInputs(const LowRank& low_rank, float* t, const float* x, int64_t n, int64_t ld_x, int threads,
                            ParallelErrors& errors);
  static void AddLowRank(const LowRank& low_rank, const float* t, int64_t count, int64_t col, int64_t end, float* y,
                         int64_t ld_y);

  int64_t out_ = 0;
  int64_t in_ = 0;
  int64_t panel_words_ = 0;  // 4-byte words of a panel
  WeightType type_ = WeightType::kFloat32;
  bool bfloat16_ = false;
  AlignedBuffer data_;  // [ceil(out / 48)][panel_words_]
};

// What an adapter adds to a product: y[:, out_begin ..] += t_p B_p^T with t = x A^T, t_p its columns [t_begin, t_begin + rank).
struct LowRank {
  struct Part {
    int64_t out_begin = 0;
    PackedMatrix b;  // float32 [out_begin % 48 + outputs, rank], zeros in the first rows: its panels are panels of y
    int64_t t_begin = 0;
  };
  PackedMatrix a;  // float32 [sum of the ranks, in]
  std::vector<Part> parts;
};

}  // namespace gfn
