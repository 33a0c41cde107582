// The row operations of a transformer on tensors, forward and backward, without autograd: fused kernels for fp32 on the CPU, a
// composition of ATen operations for every other device and dtype (which is also the kernels' twin in tests).
// Shapes: N positions, C width, H query heads, K key/value heads, D head width, M key slots.
// `into`: memory for the result, used if it has the result's shape and type, so that a pass of one token does not allocate in
// every layer; the result is what is returned.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "llm/format/family.h"
#include "llm/kernels/elementwise.h"
#include "llm/model/forest.h"

namespace gfn {

// RMSNorm where bias and mean play no part, LayerNorm with bias otherwise.
struct NormWeights {
  at::Tensor weight_C;
  at::Tensor bias_C;  // undefined: RMSNorm
  double epsilon = 1e-5;
  bool defined() const { return weight_C.defined(); }
};
at::Tensor NormForward(const NormWeights& norm, const at::Tensor& x_NC, const at::Tensor& into = {});
// Adds the gradient of x to dx.
void NormBackward(const NormWeights& norm, const at::Tensor& x_NC, const at::Tensor& dy_NC, at::Tensor& dx_NC);

// RMSNorm of each piece of weight_C's size of x [N, W], which may be columns of a larger matrix: heads, or all of q or k.
void NormPiecesInPlace(const NormWeights& norm, at::Tensor x_NW);
// Replaces the gradient behind the norm by that of x, given x.
void NormPiecesBackwardInPlace(const NormWeights& norm, const at::Tensor& x_NW, at::Tensor d_NW);

// Rotary angles of every position up to the context length.
struct Rotary {
  at::Tensor cosine_PR, sine_PR;  // [positions, rotary_dim / 2], activations' dtype, times the attention factor of scaled rope
  RotaryStyle style = RotaryStyle::kRotateHalf;
  bool defined() const { return cosine_PR.defined(); }
};
// frequencies: radians a position, [rotary_dim / 2].
Rotary MakeRotary(int64_t num_positions, const std::vector<double>& frequencies, double attention_factor, RotaryStyle style,
                  at::ScalarType dtype, at::Device device);
// Rotates the first `num_heads` heads of each row of x [N, >= num_heads * D] in place (and scales them by the attention factor);
// inverse rotates back and scales likewise: the transposed matrix, which is the gradient.
// positions_N: int32, on x's device.
void RotateInPlace(const Rotary& rotary, at::Tensor x_NW, int64_t num_heads, int64_t head_dim, const at::Tensor& positions_N,
                   bool inverse);

// act(gate) * up of [N, 2 I] = gate | up, or act of [N, I].
struct MlpKind {
  Activation activation = Activation::kSilu;
  bool gated = true;
};
at::Tensor ActivationForward(MlpKind kind, const at::Tensor& up, const at::Tensor& into = {});
at::Tensor ActivationBackward(MlpKind kind, const at::Tensor& up, const at::Tensor& d_act);

// `into` if it can hold a result of this shape beside x, else memory of its own. [rows, width]
at::Tensor ResultLike(const at::Tensor& x, int64_t rows, int64_t width, const at::Tensor& into);

// What attention needs of a forest, on the device.
struct AttentionPlan {
  const PackedForest* forest = nullptr;
  at::Tensor positions_N;  // int32
  // Where the forest kernel does not work (other devices and dtypes, heads that are no multiple of 8 wide): per block, padded to
  // the longest (-1 rows / masked keys).
  at::Tensor query_index_SQ;  // int64 [blocks, Q]
  at::Tensor query_place_N;   // int64 [N]: where position n stands in the flattened [blocks * Q]
  at::Tensor key_index_SK;    // int64 [blocks, keys]
  at::Tensor visible_SQK;     // bool
};
struct AttentionDims {
  int64_t num_heads = 0, num_kv_heads = 0, head_dim = 0;
  double query_scalar = 0;  // scores are divided by its root; head_dim but for gemma
};
AttentionPlan MakeAttentionPlan(const PackedForest& forest, const AttentionDims& dims, at::Device device, at::ScalarType dtype);

// out [N, H * D] and log_sum_exp [N, H] (only where asked, for the backward pass of the kernels) of qkv [N, (H + 2K) * D].
// k and v: keys and values of all slots (a cache); undefined where they are this pass's own, in qkv.
at::Tensor AttentionForward(const AttentionDims& dims, const AttentionPlan& plan, const at::Tensor& qkv_NW,
                            const at::Tensor& k_MW, const at::Tensor& v_MW, at::Tensor* log_sum_exp_NH,
                            const at::Tensor& into = {});
// d_qkv [N, (H + 2K) * D] of qkv [N, (H + 2K) * D], where keys and values are this pass's own (no cache).
at::Tensor AttentionBackward(const AttentionDims& dims, const AttentionPlan& plan, const at::Tensor& qkv_NW,
                             const at::Tensor& out_NW, const at::Tensor& log_sum_exp_NH, const at::Tensor& d_out_NW);

}  // namespace gfn
