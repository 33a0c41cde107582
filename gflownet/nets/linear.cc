#include "gflownet/nets/linear.h"

#include <ATen/ATen.h>

#include <cmath>

#include "gflownet/base/digest.h"
#include "gflownet/tensor/random.h"

namespace gfn {

Linear::Linear(const NetScope& scope, Width in, Width out, const LinearOptions& options)
    : weight_(scope.Gaussian("weight", {out.size, in.size}, MatrixShape(in, out, scope.depth), options.gain)) {
  if (options.bias) bias_ = scope.Constant("bias", {out.size}, VectorShape(out, scope.depth), 0);
}

Linear::Linear(ParameterSet* parameters, const std::string& name, const std::string& group, int64_t in, int64_t out,
               const RngKey& key, at::ScalarType dtype) {
  // Streams come from the names, so that layers built with one key do not share their numbers.
  const auto add = [&](const std::string& full_name, at::IntArrayRef sizes, const ParameterShape& shape) {
    const at::Tensor unit = UniformTensor(key, sizes, at::kDouble, HashText(full_name));
    const at::Tensor start = unit.mul(2).sub(1).div(std::sqrt(static_cast<double>(in))).to(dtype);
    return ScaledParameter{parameters->Add(full_name, group, start, parameters->TagOf(shape))};
  };
  weight_ = add(name + ".weight", {out, in}, MatrixShape({in}, {out}));
  bias_ = add(name + ".bias", {out}, VectorShape({out}));
}

at::Tensor Linear::Apply(const at::Tensor& x) const { return at::linear(x, weight_.Effective(), bias_.Effective()); }

}  // namespace gfn
