// y += scale * dropout(x) A^T B^T for the adapted modules of one frozen product, and its gradients.
// Shapes: N positions, I inputs, O outputs, P the ranks of the adapted modules, added up.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "gflownet/base/rng.h"
#include "llm/model/adapter.h"

namespace gfn {

// The keep mask of a product's input, already divided by the keep probability; undefined without dropout. [N, I]
at::Tensor DropoutMask(const Adapter& adapter, const std::optional<RngKey>& key, int64_t layer, Slot slot,
                       const at::Tensor& x_NI);

// Adds the adapter's share to y; returns t = (mask * x) A^T [N, P] for the backward pass (undefined without a group).
at::Tensor AddLora(const LoraGroup& group, const at::Tensor& x_NI, const at::Tensor& mask_NI, at::Tensor& y_NO);

// Adds the adapter's share of dx and appends the gradients of a, then of each b, to `gradients` (the order of Adapter::Tensors).
void LoraBackward(const LoraGroup& group, const at::Tensor& x_NI, const at::Tensor& mask_NI, const at::Tensor& t_NP,
                  const at::Tensor& dy_NO, at::Tensor* dx_NI, std::vector<at::Tensor>& gradients);

}  // namespace gfn
