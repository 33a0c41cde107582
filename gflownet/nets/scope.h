// Where the parameters of a module go: their set, their names, the random numbers that they start from and the depth of the model
// around them. A module is built with a scope and keeps nothing but its parameters.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "gflownet/base/rng.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

// A parameter of a set and the forward multiplier of its tag.
struct ScaledParameter {
  at::Tensor value;  // undefined: there is none
  double multiplier = 1;

  // What the forward pass uses: multiplier * value.
  at::Tensor Effective() const;
};

struct NetScope {
  ParameterSet* parameters = nullptr;  // must outlive the modules
  std::string name;                    // parameters are "<name>.weight", ...
  std::string group;
  RngKey key;  // streams come from the full names, so that modules built with one key do not share their numbers
  at::ScalarType dtype = at::kFloat;
  Width depth = {1};  // residual blocks of the model, inside of one of them (ParameterShape::depth)

  // The scope of a part: "<name>.<part>".
  NetScope In(const std::string& part) const;
  const Parametrisation& parametrisation() const { return parameters->parametrisation(); }

  // Normal with standard deviation gain * sqrt(init_variance) of the shape's factors; gain 0 starts at zero.
  ScaledParameter Gaussian(const std::string& parameter, at::IntArrayRef sizes, const ParameterShape& shape, double gain) const;
  // Starts where the forward pass uses `effective` for every element, whatever the multiplier.
  ScaledParameter Constant(const std::string& parameter, at::IntArrayRef sizes, const ParameterShape& shape,
                           double effective) const;

 private:
  ScaledParameter Add(const std::string& full_name, const at::Tensor& value, const ParameterTag& tag) const;
};

}  // namespace gfn
