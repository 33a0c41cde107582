// Convolutions of images with square kernels, their transposes, and a residual block of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "gflownet/nets/scope.h"

namespace gfn {

struct ConvolutionConfig {
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t padding = 0;
  bool bias = true;
  double gain = 1;
};

// B batch, C channels, Y and X places.
class Conv2d {
 public:
  // Adds "<name>.weight" [out, in, kernel, kernel] and "<name>.bias" [out] of zeros. fan_in is in * kernel^2.
  Conv2d(const NetScope& scope, Width in, Width out, const ConvolutionConfig& config);

  // [B, in, Y, X] -> [B, out, (Y + 2 padding - kernel) / stride + 1, ...]
  at::Tensor Apply(const at::Tensor& x_BCYX) const;

 private:
  int64_t stride_, padding_;
  ScaledParameter weight_, bias_;
};

class ConvTranspose2d {
 public:
  // Adds "<name>.weight" [in, out, kernel, kernel] and "<name>.bias" [out] of zeros. fan_in is what reaches one place of the
  // output at most: in * ceil(kernel / stride)^2.
  ConvTranspose2d(const NetScope& scope, Width in, Width out, const ConvolutionConfig& config);

  // [B, in, Y, X] -> [B, out, (Y - 1) stride - 2 padding + kernel, ...]
  at::Tensor Apply(const at::Tensor& x_BCYX) const;

 private:
  int64_t stride_, padding_;
  ScaledParameter weight_, bias_;
};

// x + relu -> 3x3 -> relu -> 1x1 (van den Oord et al. 2017, "Neural discrete representation learning"), the branch scaled as the
// parametrisation says for the depth of the scope.
class ResidualConvBlock {
 public:
  // Adds the layers "<name>.spatial" (channels -> hidden) and "<name>.pointwise" (hidden -> channels).
  ResidualConvBlock(const NetScope& scope, Width channels, Width hidden);

  // [B, channels, Y, X] -> the same shape
  at::Tensor Apply(const at::Tensor& x_BCYX) const;

 private:
  double branch_multiplier_;
  Conv2d spatial_, pointwise_;
};

}  // namespace gfn
