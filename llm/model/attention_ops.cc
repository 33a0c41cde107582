// Attention over a forest: the fused kernels on the CPU in fp32, and a padded gather for every other device and dtype.
#include <torch/csrc/autograd/autograd.h>

#include "gflownet/base/check.h"
#include "llm/kernels/attention.h"
#include "llm/model/ops.h"

namespace gfn {
namespace {

// The kernels work on heads of whole vectors; the rare other widths take the road of the other devices.
bool UseKernels(const AttentionDims& dims, at::Device device, at::ScalarType dtype) {
  return device.is_cpu() && dtype == at::kFloat && dims.head_dim % 8 == 0;
}
bool UseKernels(const AttentionDims& dims, const at::Tensor& x) { return UseKernels(dims, x.device(), x.scalar_type()); }

ConstRows AsRows(const at::Tensor& x) {
  GFN_CHECK_EQ(x.stride(1), 1);
  return {x.const_data_ptr<float>(), x.stride(0)};
}
Rows AsRows(at::Tensor& x) { return {x.mutable_data_ptr<float>(), x.stride(0)}; }

AttentionForest Blocks(const PackedForest& forest) {
  return {forest.blocks.data(), static_cast<int64_t>(forest.blocks.size()), forest.ranges.data()};
}

AttentionShape Shape(const AttentionDims& dims) {
  return {static_cast<int>(dims.num_heads), static_cast<int>(dims.num_kv_heads), static_cast<int>(dims.head_dim),
          1.0f / std::sqrt(static_cast<float>(dims.query_scalar))};
}

// Every block as one padded row of a batched attention; differentiable. Memory: blocks x longest path, so it is for small
// batches (tests) and for devices with room.
at::Tensor PaddedAttention(const AttentionDims& dims, const AttentionPlan& plan, const at::Tensor& q_NW, const at::Tensor& k_MW,
                           const at::Tensor& v_MW) {
  const int64_t S = plan.query_index_SQ.size(0), Q = plan.query_index_SQ.size(1), K = plan.key_index_SK.size(1);
  const int64_t D = dims.head_dim, group = dims.num_heads / dims.num_kv_heads;
  const auto gather = [&](const at::Tensor& x, const at::Tensor& index, int64_t length, int64_t heads) {
    return x.index_select(0, index.flatten()).view({S, length, heads, D}).transpose(1, 2);
  };
  const at::Tensor q = gather(q_NW, plan.query_index_SQ, Q, dims.num_heads);
  const at::Tensor k = gather(k_MW, plan.key_index_SK, K, dims.num_kv_heads).repeat_interleave(group, 1);
  const at::Tensor v = gather(v_MW, plan.key_index_SK, K, dims.num_kv_heads).repeat_interleave(group, 1);
  const at::Tensor out = at::scaled_dot_product_attention(q, k, v, plan.visible_SQK.unsqueeze(1), /*dropout_p=*/0.0,
                                                          /*is_causal=*/false, 1 / std::sqrt(dims.query_scalar));  // [S, H, Q, D]
  return out.transpose(1, 2).reshape({S * Q, dims.num_heads * D}).index_select(0, plan.query_place_N);
}

}  // namespace

AttentionPlan MakeAttentionPlan(const PackedForest& forest, const AttentionDims& dims, at::Device device, at::ScalarType dtype) {
  AttentionPlan plan;
  plan.forest = &forest;
  const int64_t N = forest.num_tokens();
  plan.positions_N = at::empty({N}, at::kInt);
  std::copy(forest.positions.begin(), forest.positions.end(), plan.positions_N.mutable_data_ptr<int32_t>());
  if (UseKernels(dims, device, dtype)) return plan;

  const int64_t S = static_cast<int64_t>(forest.blocks.size());
  int64_t Q = 0, K = 0;
  for (const QueryBlock& block : forest.blocks) {
    int64_t keys = block.query_count;
    for (int32_t r = 0; r < block.range_count; ++r) keys += forest.ranges[block.range_begin + r].count;
    Q = std::max<int64_t>(Q, block.query_count);
    K = std::max(K, keys);
  }
  plan.query_index_SQ = at::zeros({S, Q}, at::kLong);
  plan.query_place_N = at::zeros({N}, at::kLong);
  plan.key_index_SK = at::zeros({S, K}, at::kLong);
  plan.visible_SQK = at::zeros({S, Q, K}, at::kBool);
  int64_t* query_index = plan.query_index_SQ.mutable_data_ptr<int64_t>();
  int64_t* query_place = plan.query_place_N.mutable_data_ptr<int64_t>();
  int64_t* key_index = plan.key_index_SK.mutable_data_ptr<int64_t>();
  bool* visible = plan.visible_SQK.mutable_data_ptr<bool>();
  for (int64_t s = 0; s < S; ++s) {
    const QueryBlock& block = forest.blocks[s];
    int64_t keys = 0;
    for (int32_t r = 0; r < block.range_count; ++r) {
      const KeyRange& range = forest.ranges[block.range_begin + r];
      for (int32_t i = 0; i < range.count; ++i) key_index[s * K + keys++] = range.begin + i;
    }
    for (int32_t i = 0; i < block.query_count; ++i) {
      query_index[s * Q + i] = block.query_begin + i;
      query_place[block.query_begin + i] = s * Q + i;
      key_index[s * K + keys + i] = block.own_key_begin + i;
    }
    for (int64_t i = 0; i < Q; ++i) {
      // Padding queries see the first key, so that no row of the softmax is empty.
      const int64_t seen = i < block.query_count ? keys + i + 1 : 1;
      std::fill_n(visible + (s * Q + i) * K, seen, true);
    }
  }
  for (at::Tensor* tensor :
       {&plan.positions_N, &plan.query_index_SQ, &plan.query_place_N, &plan.key_index_SK, &plan.visible_SQK}) {
    *tensor = tensor->to(device);
  }
  return plan;
}

at::Tensor AttentionForward(const AttentionDims& dims, const AttentionPlan& plan, const at::Tensor& qkv_NW,
                            const at::Tensor& k_MW, const at::Tensor& v_MW, at::Tensor* log_sum_exp_NH, const at::Tensor& into) {
  const int64_t q_width = dims.num_heads * dims.head_dim, kv_width = dims.num_kv_heads * dims.head_dim;
  if (!UseKernels(dims, qkv_NW)) {
    return PaddedAttention(dims, plan, qkv_NW.narrow(1, 0, q_width), k_MW.defined() ? k_MW : qkv_NW.narrow(1, q_width, kv_width),
                           v_MW.defined() ? v_MW : qkv_NW.narrow(1, q_width + kv_width, kv_width));
  }
  at::Tensor out = ResultLike(qkv_NW, qkv_NW.size(0), q_width, into);
  float* log_sum_exp = nullptr;
  if (log_sum_exp_NH != nullptr) {
    *log_sum_exp_NH = at::empty({qkv_NW.size(0), dims.num_heads}, qkv_NW.options());
    log_sum_exp = log_sum_exp_NH->mutable_data_ptr<float>();
  }
  const ConstRows q = AsRows(qkv_NW);
  const ConstRows k = k_MW.defined() ? AsRows(k_MW) : ConstRows{q.data + q_width, q.stride};
  const ConstRows v = v_MW.defined() ? AsRows(v_MW) : ConstRows{q.data + q_width + kv_width, q.stride};
  AttentionForward(Shape(dims), Blocks(*plan.forest), q, k, v, AsRows(out), log_sum_exp);
  return out;
}

at::Tensor AttentionBackward(const AttentionDims& dims, const AttentionPlan& plan, const at::Tensor& qkv_NW,
                             const at::Tensor& out_NW, const at::Tensor& log_sum_exp_NH, const at::Tensor& d_out_NW) {
  const int64_t q_width = dims.num_heads * dims.head_dim, kv_width = dims.num_kv_heads * dims.head_dim;
  const auto split = [&](const at::Tensor& x) {
    return std::array<at::Tensor, 3>{x.narrow(1, 0, q_width), x.narrow(1, q_width, kv_width),
                                     x.narrow(1, q_width + kv_width, kv_width)};
  };
  if (!UseKernels(dims, qkv_NW)) {
    at::AutoGradMode with_grad(true);
    const at::Tensor qkv = qkv_NW.detach().requires_grad_(true);
    const auto [q, k, v] = split(qkv);
    return torch::autograd::grad({PaddedAttention(dims, plan, q, k, v)}, {qkv}, {d_out_NW})[0];
  }
  at::Tensor d_qkv = at::zeros_like(qkv_NW);
  const auto [q, k, v] = split(qkv_NW);
  auto [dq, dk, dv] = split(d_qkv);
  AttentionBackward(Shape(dims), Blocks(*plan.forest), AsRows(q), AsRows(k), AsRows(v), AsRows(out_NW),
                    log_sum_exp_NH.const_data_ptr<float>(), AsRows(d_out_NW), AsRows(dq), AsRows(dk), AsRows(dv), qkv_NW.size(0));
  return d_qkv;
}

}  // namespace gfn
