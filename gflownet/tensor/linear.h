// A dense layer y = x W^T + b whose weight and bias are parameters of a set.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "gflownet/base/rng.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

class Linear {
 public:
  // Adds "<name>.weight" [out, in] and "<name>.bias" [out], both uniform in
  // +-1/sqrt(in) (torch.nn.Linear's start), drawn from `key`.
  Linear(ParameterSet* parameters, const std::string& name, const std::string& group, int64_t in, int64_t out, const RngKey& key,
         at::ScalarType dtype);

  // [..., in] -> [..., out]
  at::Tensor Apply(const at::Tensor& x) const;

 private:
  at::Tensor weight_;
  at::Tensor bias_;
};

}  // namespace gfn
