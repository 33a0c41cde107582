// A frozen weight: the only copy, in the layout that its products want. Layers never see a base weight as a tensor, so a faster
// layout changes this file alone.
// Shapes: N rows, I inputs, O outputs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "llm/kernels/packed_matrix.h"
#include "llm/model/adapter.h"

namespace gfn {

enum class ModelDtype { kFloat32, kBFloat16, kFloat64 };

class FrozenMatrix {
 public:
  FrozenMatrix() = default;
  // weight [O, I] and bias [O] (may be undefined), as read from the file. On the CPU fp32 and bf16 weights are packed and the
  // tensor is not kept; float64 (tests) and other devices keep a plain tensor.
  FrozenMatrix(const at::Tensor& weight_OI, const at::Tensor& bias_O, ModelDtype dtype, at::Device device);
  // On the CPU, from the blocks of a file, which are kept: the numbers are those of the matrix they stand for. rows: [O] pointers
  // to I / 32 blocks each; dtype: fp32 or bf16.
  FrozenMatrix(WeightType type, std::span<const unsigned char* const> rows, int64_t num_inputs, const at::Tensor& bias_O,
               ModelDtype dtype);
  // Makes an adapter part of the weight: from here on W stands for W + sum of scale * B A. The factors are kept beside it in the
  // activations' dtype, since bf16 weights and blocks would round a small adapter away. Once; rows of `Rows` do not have it.
  void SetOwnAdapter(LoraGroup group);

  // x [N, I] (rows may be strided) -> x W^T + bias, [N, O], in the activations' dtype. bf16 rounds x, and accumulates in fp32.
  at::Tensor Apply(const at::Tensor& x_NI) const { return Apply(x_NI, {}, {}); }
  // An adapter's share in the same pass (packed matrices only): t [N, parts * rank] = x A^T is kept there. Memory that *t already
  // has is written again.
  struct Share {
    const LowRank* low_rank = nullptr;
    at::Tensor* t_NP = nullptr;
  };
  // `into`: memory for the result, as in ops.h.
  at::Tensor Apply(const at::Tensor& x_NI, const Share& share, const at::Tensor& into) const;
  // y += x W^T + bias, and the share.
  void AddTo(const at::Tensor& x_NI, const Share& share, at::Tensor& y_NO) const;
  // dy [N, O] -> dy W, [N, I].
  at::Tensor ApplyTransposed(const at::Tensor& dy_NO) const;
  // Row o of W in the activations' dtype for each of the ids (int64 [N], any device): an embedding lookup. [N, I]
  at::Tensor Rows(const at::Tensor& ids_N) const;

  int64_t num_inputs() const { return num_inputs_; }
  int64_t num_outputs() const { return num_outputs_; }
  int64_t bytes() const;
  // The packed copy, where there is one (CPU, fp32 or bf16): for kernels that fuse a product with what follows.
  const PackedMatrix* packed() const { return packed_ ? &*packed_ : nullptr; }
  // The plain copy, where there is one.
  const at::Tensor& weight() const { return weight_OI_; }

 private:
  void Product(const at::Tensor& x_NI, const Share& share, at::Tensor& y_NO, bool accumulate) const;
  void AddOwn(const at::Tensor& x_NI, at::Tensor& y_NO) const;
  void AddOwnTransposed(const at::Tensor& dy_NO, at::Tensor& dx_NI) const;

  int64_t num_inputs_ = 0, num_outputs_ = 0;
  std::optional<PackedMatrix> packed_;
  at::Tensor weight_OI_;
  at::Tensor bias_O_;
  LoraGroup own_;  // the own adapter; a is undefined without one
  std::optional<PackedMatrix> own_a_;
  std::vector<PackedMatrix> own_b_;  // with their scales
};

// Of the weights, and of activations beside them.
at::ScalarType ScalarTypeOf(ModelDtype dtype);
at::ScalarType ActivationType(ModelDtype dtype);

}  // namespace gfn
