// The only copy of a frozen weight W [out, in], packed once at load for small and large batches alike.
//
// Layout: panels of kPanelRows rows of W. Inside a panel the `in` index is the slow one, so that a product reads the panel as
// one stream: float32 [in][48]; bfloat16 [in/2][48][2] (pairs along `in`, the operand of vdpbf16ps). Both products below read
// this one copy. Rows and columns beyond out and in are zero.
//
// Numbers: float32 accumulates in float32. bfloat16 rounds the other operand to bfloat16 (nearest even) as it is read and
// accumulates in float32. Sums run over `in` in blocks of fixed size, so a row of a result depends neither on n, nor on
// the row's place in the batch, nor on the number of threads: bitwise, for one instruction set. Between instruction sets
// results agree within rounding only.
//
// Pointers are float32, row-major, with a leading dimension in elements; no alignment is asked for. Programmer errors
// (negative sizes, a range outside the matrix) are GFN_CHECKs. All methods but SetRows are const and may run concurrently.
#pragma once

#include <cstdint>

#include "llm/kernels/aligned_buffer.h"

namespace gfn {

enum class WeightType { kFloat32, kBFloat16 };

class PackedMatrix {
 public:
  // Ranges of rows given to ApplyRows and ApplyTransposedRows begin at a multiple of this.
  static constexpr int64_t kPanelRows = 48;

  PackedMatrix() = default;
  // A matrix of zeros; SetRows fills it (rows of several sources make one fused matrix, q | k | v or gate | up).
  PackedMatrix(int64_t out, int64_t in, WeightType type);
  static PackedMatrix Pack(const float* weight, int64_t out, int64_t in, WeightType type);

  // Rows [row_begin, row_begin + count) from weight [count, in]; rounded to nearest even for bfloat16.
  void SetRows(int64_t row_begin, int64_t count, const float* weight, int64_t ld_weight);

  int64_t out() const { return out_; }
  int64_t in() const { return in_; }
  WeightType type() const { return type_; }
  // Bytes held, padding included.
  int64_t bytes() const { return static_cast<int64_t>(data_.size() * sizeof(float)); }

  // num_threads 0 means OpenMP's default; inside a parallel region everything runs on the calling thread.
  // y [n, out] = x [n, in] W^T, or y += with accumulate.
  void Apply(const float* x, int64_t n, int64_t ld_x, float* y, int64_t ld_y, bool accumulate, int num_threads = 0) const;
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
  int64_t PanelWords() const { return words_ * kPanelRows; }

  int64_t out_ = 0;
  int64_t in_ = 0;
  int64_t words_ = 0;  // 4-byte words along `in`: in for float32, ceil(in / 2) for bfloat16
  WeightType type_ = WeightType::kFloat32;
  AlignedBuffer data_;  // [ceil(out / 48)][words_][48] words
};

}  // namespace gfn
