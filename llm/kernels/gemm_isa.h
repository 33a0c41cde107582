// The plain products of gemm_isa.cc, for the table.
#pragma once

#include "llm/kernels/kernel_table.h"

namespace gfn::GFN_ISA {

void CopySlice(bool transpose, const float* b, int64_t ld_b, int64_t count, int64_t n, float* to, int64_t ld_to);
void Gemm(const GemmJob& job);

}  // namespace gfn::GFN_ISA
