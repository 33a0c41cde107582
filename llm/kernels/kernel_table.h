// Inside this library: the serial kernels of one instruction set, as plain functions over plain structs.
//
// The files *_isa.cc are compiled once for each instruction set (CMakeLists.txt) and fill one table each; the drivers beside
// them split the work over threads and call through Kernels(). No standard library here: see simd.h.
#pragma once

#include <stdint.h>

#include "llm/kernels/attention.h"
#include "llm/kernels/elementwise.h"
#include "llm/kernels/weight_type.h"

namespace gfn {

// y [n, cols] (+)= x W^T for consecutive panels of a packed matrix.
struct ApplyJob {
  PanelWeights weights;
  const float* x;  // [n][operand_words] with stride ld_x, as prepare_rows made it
  int64_t ld_x;
  int64_t n;
  float* y;
  int64_t ld_y;
  int64_t cols;
  bool accumulate;
  float* scratch;  // apply_scratch(n) words
};

// dx [n, in] (+)= dy [n, rows] W for consecutive panels of a packed matrix.
struct TransposedJob {
  PanelWeights weights;
  const float* dy;
  int64_t ld_dy;
  int64_t n;
  int64_t rows;
  float* dx;
  int64_t ld_dx;
  bool accumulate;
  float* scratch;  // transposed_scratch(bfloat16, n) words
};

// C [m, n] (+)= alpha A B; element (i, k) of A is a[i * row_stride + k * k_stride], rows of B are padded to whole vectors.
struct GemmJob {
  const float* a;
  int64_t row_stride, k_stride;
  const float* b;
  int64_t ld_b;
  int64_t m, n, k;
  float alpha;
  float* c;
  int64_t ld_c;
  bool accumulate;
};

// Pointers of an attention call; the gradients only in the backward pass, where out is read.
struct AttentionJob {
  AttentionShape shape;
  const KeyRange* ranges;
  ConstRows q, k, v;
  Rows out;
  float* log_sum_exp;  // [N, H] or null
  ConstRows dout;
  Rows dq, dk, dv;
  float* scratch;  // attention_scratch(head_dim) words
};

// Rows [row, row + rows) of a block's queries x group heads, at most 48, for one key head.
struct AttentionTile {
  QueryBlock block;
  int64_t kv_head;
  int64_t row;
  int64_t rows;
};

// sum exp(x) = sum * exp(largest); of nothing: largest = -infinity, sum = 0.
struct ExponentialSum {
  float largest;
  float sum;
};

struct KernelTable {
  const char* name;
  // Words that a row of x takes as an operand of a product; for bfloat16 padded with a zero to an even count of numbers.
  int64_t (*operand_words)(bool bfloat16, int64_t in);
  // x [n, in] to the words that a packed matrix stores: float32, or pairs of bfloat16 padded with a zero.
  void (*pack_rows)(bool bfloat16, const float* x, int64_t n, int64_t in, int64_t ld_x, float* words, int64_t ld_words);
  // x [n, in] to operand words [n][ld_words].
  void (*prepare_rows)(bool bfloat16, const float* x, int64_t n, int64_t in, int64_t ld_x, float* words, int64_t ld_words);
  void (*apply)(const ApplyJob& job);
  int64_t (*apply_scratch)(int64_t n);
  void (*apply_transposed)(const TransposedJob& job);
  int64_t (*transposed_scratch)(bool bfloat16, int64_t n);
  // Copies [count, n] to rows of whole vectors, zeros behind; or with transpose from [n, count], count <= 16, where 16 rows are
  // written.
  void (*copy_slice)(bool transpose, const float* b, int64_t ld_b, int64_t count, int64_t n, float* to, int64_t ld_to);
  void (*gemm)(const GemmJob& job);
  void (*attention_forward)(const AttentionJob& job, const AttentionTile& tile);
  void (*attention_backward)(const AttentionJob& job, const AttentionTile& tile);
  int64_t (*attention_scratch)(int64_t head_dim);
  // The row kernels of elementwise.h for rows that follow each other; optional arrays may be null as there.
  void (*rms_norm_forward)(const float* x, const float* weight, int64_t n, int64_t width, float epsilon, float* y,
                           float* inverse_rms);
  void (*rms_norm_backward)(const float* x, const float* weight, const float* inverse_rms, const float* dy, int64_t n,
                            int64_t width, float* dx, bool accumulate);
  void (*layer_norm_forward)(const float* x, const float* weight, const float* bias, int64_t n, int64_t width, float epsilon,
                             float* y, float* mean, float* inverse_deviation);
  void (*layer_norm_backward)(const float* x, const float* weight, const float* mean, const float* inverse_deviation,
                              const float* dy, int64_t n, int64_t width, float* dx, bool accumulate);
  void (*rotary)(float* x, int64_t row_stride, int64_t n, int num_heads, int head_dim, const int32_t* positions,
                 const RotaryTable& table, RotaryStyle style, bool inverse);
  void (*swiglu_forward)(const float* gate_up, int64_t n, int64_t width, float* y);
  void (*swiglu_backward)(const float* gate_up, const float* dy, int64_t n, int64_t width, float* d_gate_up);
  void (*geglu_forward)(const float* gate_up, int64_t n, int64_t width, float* y);
  void (*geglu_backward)(const float* gate_up, const float* dy, int64_t n, int64_t width, float* d_gate_up);
  void (*gelu_forward)(const float* x, int64_t count, float* y);
  void (*gelu_backward)(const float* x, const float* dy, int64_t count, float* dx);
  void (*exp)(const float* x, int64_t count, float* y);
  // Of logits + bias (0 or -infinity, or null).
  ExponentialSum (*sum_exponentials)(const float* logits, const float* bias, int64_t count);
  // logits = factor * exp(logits + bias - log_sum_exp).
  void (*softmax_times)(const float* bias, int64_t count, float log_sum_exp, float factor, float* logits);
};

namespace isa_baseline {
extern const KernelTable kTable;
}
namespace isa_avx2 {
extern const KernelTable kTable;
}
namespace isa_avx512 {
extern const KernelTable kTable;
}
namespace isa_avx512_bf16 {
extern const KernelTable kTable;
}

}  // namespace gfn
