#include "gflownet/nets/norm.h"

#include <ATen/ATen.h>

namespace gfn {

Norm::Norm(const NetScope& scope, NetNorm kind, Width width, double epsilon)
    : kind_(kind), epsilon_(epsilon), gain_(scope.Constant("weight", {width.size}, VectorShape(width, scope.depth), 1)) {
  if (kind == NetNorm::kLayerNorm) bias_ = scope.Constant("bias", {width.size}, VectorShape(width, scope.depth), 0);
}

at::Tensor Norm::Apply(const at::Tensor& x) const {
  const at::Tensor gain = gain_.Effective();
  if (kind_ == NetNorm::kLayerNorm) return at::layer_norm(x, gain.sizes(), gain, bias_.Effective(), epsilon_);
  return x * (x.square().mean(-1, true) + epsilon_).rsqrt() * gain;
}

}  // namespace gfn
