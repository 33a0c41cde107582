// Gradients of a module against finite differences, for its tests.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "gflownet/tensor/parameter_set.h"

namespace gfn {

// Compares the gradients of a float64 scalar by each of the set's parameters and of `inputs` (leaves that require a gradient)
// with central differences along two random directions, in which every element takes part, and fails the test where they differ.
void ExpectGradientsOfFiniteDifferences(const ParameterSet& set, const std::vector<at::Tensor>& inputs,
                                        const std::function<at::Tensor()>& scalar);
// A number that depends on every element of `y` in another way.
at::Tensor Mixed(const at::Tensor& y);
// Normal numbers that require a gradient, the same for one seed.
at::Tensor TestInput(at::IntArrayRef sizes, uint64_t seed);
// Adds normal numbers to all parameters, so that biases are not zero and gains not one.
void Perturb(const ParameterSet& set, double size);

}  // namespace gfn
