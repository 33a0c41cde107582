// Normalisation over the last dimension, computed by ATen.
#pragma once

#include <ATen/core/Tensor.h>

#include "gflownet/base/enum_table.h"
#include "gflownet/nets/scope.h"

namespace gfn {

enum class NormKind { kLayerNorm, kRmsNorm };
GFN_ENUM_TABLE(NormKind, {NormKind::kLayerNorm, "layer_norm", "mean 0 and variance 1, then gain and bias (Ba et al. 2016)"},
               {NormKind::kRmsNorm, "rms_norm", "mean square 1, then gain (Zhang and Sennrich 2019)"})

class Norm {
 public:
  // Adds "<name>.weight" [width] of ones and, for layer_norm, "<name>.bias" [width] of zeros. `epsilon` is added to the variance.
  Norm(const NetScope& scope, NormKind kind, Width width, double epsilon = 1e-5);

  // [..., width] -> the same shape
  at::Tensor Apply(const at::Tensor& x) const;

 private:
  NormKind kind_;
  double epsilon_;
  ScaledParameter gain_;
  ScaledParameter bias_;
};

}  // namespace gfn
