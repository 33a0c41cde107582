// Products of plain matrices, serial (gemm.cc splits them over threads). Compiled once for each instruction set.
#include "llm/kernels/gemm_isa.h"

#include "llm/kernels/micro_kernel.h"

namespace gfn::GFN_ISA {

void CopySlice(bool transpose, const float* b, int64_t ld_b, int64_t count, int64_t n, float* to, int64_t ld_to) {
  for (int64_t j = 0; j < n; j += kLanes) {
    const int64_t lanes = n - j < kLanes ? n - j : kLanes;
    if (transpose) {
      TransposeBlock(b + j * ld_b, ld_b, lanes, count, to + j, ld_to);
    } else {
      for (int64_t i = 0; i < count; ++i) Store(to + i * ld_to + j, LoadFirst(b + i * ld_b + j, lanes));
    }
  }
}

void Gemm(const GemmJob& job) {
  const RowTiles tiles(job.m);
  // Columns in panels of equal width, so that 64 are 32 + 32 and not 48 + 16.
  const int64_t panels = (job.n + kPanelWidth - 1) / kPanelWidth;
  const int64_t width = ((job.n + panels - 1) / panels + kLanes - 1) / kLanes * kLanes;
  for (int64_t column = 0; column < job.n; column += width) {
    const int64_t columns = job.n - column < width ? job.n - column : width;
    for (int64_t i = 0; i < tiles.count; ++i) {
      const int64_t row = tiles.Begin(i);
      TileFor<DotFloat>(tiles.Begin(i + 1) - row, columns)({.a = job.a + row * job.row_stride,
                                                            .row_stride = job.row_stride,
                                                            .k_stride = job.k_stride,
                                                            .b = job.b + column,
                                                            .ld_b = job.ld_b,
                                                            .k = job.k,
                                                            .alpha = job.alpha},
                                                           job.c + row * job.ld_c + column, job.ld_c, columns, job.accumulate);
    }
  }
}

}  // namespace gfn::GFN_ISA
