#include "gflownet/nets/mlp.h"

#include <ATen/ATen.h>

#include "gflownet/base/check.h"

namespace gfn {

Mlp::Mlp(ParameterSet* parameters, const std::string& name, const std::string& group, const std::vector<int64_t>& sizes,
         MlpActivation activation, const RngKey& key, at::ScalarType dtype)
    : activation_(activation) {
  GFN_CHECK_GE(sizes.size(), 2u) << "an MLP needs an input and an output size";
  for (size_t i = 0; i + 1 < sizes.size(); ++i) {
    layers_.emplace_back(parameters, name + "." + std::to_string(i), group, sizes[i], sizes[i + 1], key, dtype);
  }
}

at::Tensor Mlp::Apply(const at::Tensor& x) const {
  at::Tensor y = layers_.front().Apply(x);
  for (size_t i = 1; i < layers_.size(); ++i) {
    y = activation_ == MlpActivation::kRelu ? at::relu(y) : at::leaky_relu(y, 0.01);
    y = layers_[i].Apply(y);
  }
  return y;
}

}  // namespace gfn
