// The products of packed_isa.cc, for the table.
#pragma once

#include "llm/kernels/kernel_table.h"

namespace gfn::GFN_ISA {

int64_t OperandWords(bool bfloat16, int64_t in);
void PackRows(bool bfloat16, const float* x, int64_t n, int64_t in, int64_t ld_x, float* words, int64_t ld_words);
void PrepareRows(bool bfloat16, const float* x, int64_t n, int64_t in, int64_t ld_x, float* words, int64_t ld_words);
int64_t ApplyScratch(int64_t n);
void Apply(const ApplyJob& job);
void ApplyTransposed(const TransposedJob& job);
int64_t TransposedScratch(bool bfloat16, int64_t n);

}  // namespace gfn::GFN_ISA
