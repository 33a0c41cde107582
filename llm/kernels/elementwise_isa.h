// The row kernels of elementwise_isa.cc, for the table. Arguments as in elementwise.h.
#pragma once

#include <stdint.h>

#include "llm/kernels/elementwise.h"

namespace gfn::GFN_ISA {

void RmsNormForward(const float* x, const float* weight, int64_t n, int64_t width, float epsilon, float* y, float* inverse_rms);
void RmsNormBackward(const float* x, const float* weight, const float* inverse_rms, const float* dy, int64_t n, int64_t width,
                     float* dx, bool accumulate);
void LayerNormForward(const float* x, const float* weight, const float* bias, int64_t n, int64_t width, float epsilon, float* y,
                      float* mean, float* inverse_deviation);
void LayerNormBackward(const float* x, const float* weight, const float* mean, const float* inverse_deviation, const float* dy,
                       int64_t n, int64_t width, float* dx, bool accumulate);
void Rotary(float* x, int64_t row_stride, int64_t n, int num_heads, int head_dim, const int32_t* positions,
            const RotaryTable& table, RotaryStyle style, bool inverse);
void SwigluForward(const float* gate_up, int64_t n, int64_t width, float* y);
void SwigluBackward(const float* gate_up, const float* dy, int64_t n, int64_t width, float* d_gate_up);
void GegluForward(const float* gate_up, int64_t n, int64_t width, float* y);
void GegluBackward(const float* gate_up, const float* dy, int64_t n, int64_t width, float* d_gate_up);
void GeluForward(const float* x, int64_t count, float* y);
void GeluBackward(const float* x, const float* dy, int64_t count, float* dx);
void ExpArray(const float* x, int64_t count, float* y);

}  // namespace gfn::GFN_ISA
