// Normalisation over the last dimension, computed by ATen.
#pragma once

#include <ATen/core/Tensor.h>

#include "gflownet/base/enum_table.h"
#include "gflownet/nets/scope.h"

namespace gfn {

enum class NetNorm { kLayerNorm, kRmsNorm };
GFN_ENUM_TABLE(NetNorm, {NetNorm::kLayerNorm, "layer_norm", "mean 0 and variance 1, then gain and bias (Ba et al. 2016)"},
               {NetNorm::kRmsNorm, "rms_norm", "mean square 1, then gain (Zhang and Sennrich 2019)"})

class Norm {
 public:
  // Adds "<name>.weight" [width] of ones and, for layer_norm, "<name>.bias" [width] of zeros. `epsilon` is added to the variance.
  Norm(const NetScope& scope, NetNorm kind, Width width, double epsilon = 1e-5);

  // [..., width] -> the same shape
  at::Tensor Apply(const at::Tensor& x) const;

 private:
  NetNorm kind_;
  double epsilon_;
  ScaledParameter gain_;
  ScaledParameter bias_;
};

}  // namespace gfn
