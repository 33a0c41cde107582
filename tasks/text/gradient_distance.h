// How far gradients in a coarse type are from those in float64, for `gfn doctor`.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "gflownet/tensor/parameter_set.h"

namespace gfn {

// How far a tensor's gradient (undefined: there is none) is from what it ought to be, float64. Rounding is mostly at right angles
// to it: what is wrong along it (missing, of another sign or size) counts in full, the distance of both a quarter.
double GradientDistance(const at::Tensor& gradient, const at::Tensor& expected);

// By how much of itself each tensor's gradient changes when the parameters move by half a percent: in bf16 another rounding,
// which at some tensors (the first layers of SmolLM2, behind activations of thousands) decides even the sign. `gradients` are
// those of `again()` now; the parameters come back as they were.
std::vector<double> GradientNoise(ParameterSet& parameters, const std::vector<at::Tensor>& gradients,
                                  const std::function<std::vector<at::Tensor>()>& again);

}  // namespace gfn
