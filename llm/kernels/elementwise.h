// Fused float32 row kernels of a transformer, forward and backward, parallel over rows.
//
// Matrices are row-major and dense [n, width] unless a stride is given. Weights are frozen: backward gives the gradient of the
// input alone. In and out may be the same array where noted. Every row is computed by itself: results depend neither on n nor
// on the number of threads (0: OpenMP's default).
#pragma once

#include <cstdint>

namespace gfn {

// y = x * inverse_rms * weight, inverse_rms [n] = 1 / sqrt(mean(x^2) + epsilon), kept for the backward pass if not null.
void RmsNormForward(const float* x, const float* weight, int64_t n, int64_t width, float epsilon, float* y, float* inverse_rms,
                    int num_threads = 0);
// dx = (or += with accumulate) the gradient of x given dy.
void RmsNormBackward(const float* x, const float* weight, const float* inverse_rms, const float* dy, int64_t n, int64_t width,
                     float* dx, bool accumulate, int num_threads = 0);

// RMSNorm of heads: in each of n rows, which lie x_stride (y_stride, ...) numbers apart, `groups` pieces of `width` numbers that
// follow each other, each by itself. y may be x.
void RmsNormGroupsForward(const float* x, int64_t x_stride, const float* weight, int64_t n, int64_t groups, int64_t width,
                          float epsilon, float* y, int64_t y_stride, int num_threads = 0);
// dx = the gradient of x given dy; dx may be dy.
void RmsNormGroupsBackward(const float* x, int64_t x_stride, const float* weight, const float* dy, int64_t dy_stride, int64_t n,
                           int64_t groups, int64_t width, float epsilon, float* dx, int64_t dx_stride, int num_threads = 0);

// y = (x - mean) * inverse_deviation * weight + bias (bias may be null); mean and inverse_deviation [n] kept if not null.
void LayerNormForward(const float* x, const float* weight, const float* bias, int64_t n, int64_t width, float epsilon, float* y,
                      float* mean, float* inverse_deviation, int num_threads = 0);
void LayerNormBackward(const float* x, const float* weight, const float* mean, const float* inverse_deviation, const float* dy,
                       int64_t n, int64_t width, float* dx, bool accumulate, int num_threads = 0);

// Which elements of a head make a pair: (i, i + R/2) as in llama of Hugging Face, or (2i, 2i + 1) as in GPT-J.
enum class RotaryStyle { kRotateHalf, kInterleaved };

// Precomputed angles: cosine and sine [num_positions, rotary_width / 2].
struct RotaryTable {
  const float* cosine = nullptr;
  const float* sine = nullptr;
  int64_t num_positions = 0;
  int rotary_width = 0;  // R <= head_dim, even; elements beyond it are left alone
};

// Rotates x [n, num_heads, head_dim] (row stride in elements) in place by the angles of positions [n]; inverse rotates back,
// which is also the gradient.
void RotaryInPlace(float* x, int64_t row_stride, int64_t n, int num_heads, int head_dim, const int32_t* positions,
                   const RotaryTable& table, RotaryStyle style, bool inverse, int num_threads = 0);

// y [n, width] = silu(gate) * up, gate_up [n, 2 * width] = gate | up.
void SwigluForward(const float* gate_up, int64_t n, int64_t width, float* y, int num_threads = 0);
// d_gate_up [n, 2 * width]; may be gate_up itself.
void SwigluBackward(const float* gate_up, const float* dy, int64_t n, int64_t width, float* d_gate_up, int num_threads = 0);

// The same with GELU in its tanh form in place of silu.
void GegluForward(const float* gate_up, int64_t n, int64_t width, float* y, int num_threads = 0);
void GegluBackward(const float* gate_up, const float* dy, int64_t n, int64_t width, float* d_gate_up, int num_threads = 0);

// GELU in its tanh form (GPT-2's gelu_new): x * sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3). y may be x, dx may be dy.
void GeluForward(const float* x, int64_t count, float* y, int num_threads = 0);
void GeluBackward(const float* x, const float* dy, int64_t count, float* dx, int num_threads = 0);

// y = exp(x) within 2 units in the last place, subnormal results included; y may be x.
void VectorExp(const float* x, int64_t count, float* y, int num_threads = 0);

}  // namespace gfn
