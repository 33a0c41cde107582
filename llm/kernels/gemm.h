// Products of plain row-major float32 matrices: the small factors of an adapter and their gradients, in training.
//
// With x [n, in], factors A [r, in] and B [out, r]:
//   t = x A^T            Gemm(false, true, n, r, in, ..)         y += scale t B^T      Gemm(false, true, n, out, r, ..)
//   dt = scale dy B      Gemm(false, false, n, r, out, ..)       dx += dt A            Gemm(false, false, n, in, r, ..)
//   dB = scale dy^T t    Gemm(true, false, out, r, n, ..)        dA = dt^T x           Gemm(true, false, r, in, n, ..)
// (Factors that stay the same for many products, as in decoding, are better packed: packed_matrix.h.)
#pragma once

#include <cstdint>

namespace gfn {

// C [m, n] = alpha op(A) op(B), or C += with accumulate; op(A) is [m, k], stored as [k, m] if transpose_a; op(B) is [k, n],
// stored as [n, k] if transpose_b. Leading dimensions in elements. C overlaps neither A nor B. Sums run over k in blocks of
// fixed size: bitwise the same for any number of threads (0: OpenMP's default), and a row of C does not depend on m.
void Gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t ld_a,
          const float* b, int64_t ld_b, float* c, int64_t ld_c, bool accumulate, int num_threads = 0);

}  // namespace gfn
