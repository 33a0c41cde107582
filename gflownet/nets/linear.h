// A dense layer y = x W^T + b whose weight and bias are parameters of a set.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "gflownet/base/rng.h"
#include "gflownet/nets/scope.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

struct LinearOptions {
  bool bias = true;
  double gain = 1;  // of the weight's start; 0: a layer that starts at zero
};

class Linear {
 public:
  // Adds "<name>.weight" [out, in], Gaussian as the set's parametrisation says, and "<name>.bias" [out] of zeros. The role of the
  // weight follows from which of the widths grow.
  Linear(const NetScope& scope, Width in, Width out, const LinearOptions& options = {});

  // Of fixed sizes: both "<name>.weight" and "<name>.bias" start uniform in +-1/sqrt(in) (torch.nn.Linear's start), drawn from
  // `key`.
  Linear(ParameterSet* parameters, const std::string& name, const std::string& group, int64_t in, int64_t out, const RngKey& key,
         at::ScalarType dtype);

  // [..., in] -> [..., out]
  at::Tensor Apply(const at::Tensor& x) const;

 private:
  ScaledParameter weight_;
  ScaledParameter bias_;
};

}  // namespace gfn
