// Inside this library: the serial arithmetic of small networks for one instruction set, as plain functions over plain structs.
//
// The files *_isa.cc are compiled once for each instruction set (CMakeLists.txt) and fill one table each. No standard library
// here: see net_simd.h.
#pragma once

#include <stdint.h>

namespace gfn {

// What becomes of a product's sum before it is stored.
enum class Epilogue {
  kStore,     // C = sum
  kAdd,       // C += sum
  kBias,      // C = sum + bias
  kBiasRelu,  // C = max(0, sum + bias)
  kRelu,      // C = gate > 0 ? sum : 0: the way back through a ReLU whose result is the gate
};

// C [m, n] = A [m, k] B, for a packed B (PackedWords); columns of C up to the next whole panel are written too.
struct ProductJob {
  const float* a;
  int64_t ld_a;
  const float* packed;
  int64_t m, n, k;
  float* c;
  int64_t ld_c;
  Epilogue epilogue;
  const float* bias;  // padded as C's columns; or null
  const float* gate;  // of C's shape and leading dimension; or null
};

// G [m, n] = (or +=) X^T Y for X [k, m] and Y [k, n]: the gradient of a layer's weight. ld_y and ld_g are whole panels: the
// columns up to there are read (of Y) and written (of G) too.
struct OuterJob {
  const float* x;
  int64_t ld_x;
  const float* y;
  int64_t ld_y;
  int64_t m, n, k;
  float* g;
  int64_t ld_g;
  float* scratch;  // outer_scratch(n) words
  bool add;
};

struct NetTable {
  int64_t panel;  // columns of a panel: every leading dimension of a product is a multiple
  // Packs B [k, n] from lines that may lie anywhere: line i is row i of B, or with transposed column i. Of the lines, elements
  // from `offset` on are taken.
  void (*pack)(const float* const* lines, bool transposed, int64_t offset, int64_t k, int64_t n, float* packed);
  void (*product)(const ProductJob& job);
  void (*outer)(const OuterJob& job);
  int64_t (*outer_scratch)(int64_t n);
  // sum [width] = start + sum_f value_f row(index_f), y = relu(sum); rows [.][width]; width a multiple of the panel.
  void (*gather)(const float* rows, int64_t width, const float* start, const int32_t* index, const float* value, int64_t count,
                 float* sum, float* y);
  // row(index_f) += value_f dy.
  void (*scatter)(float* rows, int64_t width, const int32_t* index, const float* value, int64_t count, const float* dy);
  // sums [width] += the rows of x [n][ld]; width a multiple of 16.
  void (*add_rows)(const float* x, int64_t ld, int64_t n, int64_t width, float* sums);
  // x[i] = -mass * exp(x[i] - log_sum): what every logit loses when log-probabilities of total gradient `mass` were picked.
  void (*softmax_gradient)(float* x, int64_t count, float log_sum, float mass);
  // log sum exp over the finite entries.
  float (*log_sum_exp)(const float* x, int64_t count);
  // The first i at which the sum of exp(x - log_sum) exceeds `uniform` in [0, 1), by inverse cumulative sums; never one of weight
  // 0; -1 where all weights are 0. log_sum is finite.
  int64_t (*draw)(const float* x, int64_t count, float log_sum, double uniform);
};

// Words of a packed matrix, for panels of up to 32 columns.
inline int64_t PackedWords(int64_t k, int64_t n) { return k * ((n + 31) / 32 * 32); }

namespace isa_baseline {
extern const NetTable kNetTable;
}
namespace isa_avx2 {
extern const NetTable kNetTable;
}
namespace isa_avx512 {
extern const NetTable kNetTable;
}

}  // namespace gfn
