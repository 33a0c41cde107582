#include "gflownet/tensor/linear.h"

#include <ATen/ATen.h>

#include <cmath>

#include "gflownet/base/digest.h"
#include "gflownet/tensor/random.h"

namespace gfn {

Linear::Linear(ParameterSet* parameters, const std::string& name, const std::string& group, int64_t in, int64_t out,
               const RngKey& key, at::ScalarType dtype) {
  // Streams come from the names, so that layers built with one key do not share their numbers.
  const auto draw = [&](const std::string& full_name, at::IntArrayRef shape) {
    const at::Tensor unit = UniformTensor(key, shape, at::kDouble, HashText(full_name));
    return unit.mul(2).sub(1).div(std::sqrt(static_cast<double>(in))).to(dtype);
  };
  weight_ = parameters->Add(name + ".weight", group, draw(name + ".weight", {out, in}));
  bias_ = parameters->Add(name + ".bias", group, draw(name + ".bias", {out}));
}

at::Tensor Linear::Apply(const at::Tensor& x) const { return at::linear(x, weight_, bias_); }

}  // namespace gfn
