// The reductions of lm_head_isa.cc, for the table.
#pragma once

#include "llm/kernels/kernel_table.h"

namespace gfn::GFN_ISA {

ExponentialSum SumExponentials(const float* logits, const float* bias, int64_t count);
void SoftmaxTimes(const float* bias, int64_t count, float log_sum_exp, float factor, float* logits);

}  // namespace gfn::GFN_ISA
