// Tensors of addressed random numbers (base/rng.h): element i is the draw at (key, stream, i), so that a tensor does
// not depend on how it is cut into pieces, on threads or on the device. Drawn on the CPU, then moved.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "gflownet/base/rng.h"

namespace gfn {

// Uniform in [0, 1). dtype kFloat or kDouble; others are rounded from float.
at::Tensor UniformTensor(const RngKey& key, at::IntArrayRef shape, at::ScalarType dtype = at::kFloat, uint64_t stream = 0);
// Standard normal.
at::Tensor NormalTensor(const RngKey& key, at::IntArrayRef shape, at::ScalarType dtype = at::kFloat, uint64_t stream = 0);
// Uniform in +-gain * sqrt(3 / fan_in), fan_in = the last dimension (He et al. 2015). gain 1/sqrt(3) is the start of
// torch.nn.Linear and of PEFT's lora_A: +-1/sqrt(fan_in).
at::Tensor KaimingUniformTensor(const RngKey& key, at::IntArrayRef shape, double gain, at::ScalarType dtype = at::kFloat,
                                uint64_t stream = 0);

}  // namespace gfn
