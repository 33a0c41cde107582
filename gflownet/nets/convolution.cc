#include "gflownet/nets/convolution.h"

#include <ATen/ATen.h>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

ScaledParameter ConvolutionBias(const NetScope& scope, Width out, const ConvolutionConfig& config) {
  GFN_CHECK(config.kernel > 0 && config.stride > 0 && config.padding >= 0)
      << "convolution with kernel " << config.kernel << ", stride " << config.stride << ", padding " << config.padding;
  return config.bias ? scope.Constant("bias", {out.size}, VectorShape(out, scope.depth), 0) : ScaledParameter{};
}

}  // namespace

Conv2d::Conv2d(const NetScope& scope, Width in, Width out, const ConvolutionConfig& config)
    : stride_(config.stride), padding_(config.padding), bias_(ConvolutionBias(scope, out, config)) {
  const Width fan_in = in.Times({config.kernel * config.kernel});
  weight_ = scope.Gaussian("weight", {out.size, in.size, config.kernel, config.kernel}, MatrixShape(fan_in, out, scope.depth),
                           config.gain);
}

at::Tensor Conv2d::Apply(const at::Tensor& x_BCYX) const {
  return at::conv2d(x_BCYX, weight_.Effective(), bias_.Effective(), {stride_, stride_}, {padding_, padding_});
}

ConvTranspose2d::ConvTranspose2d(const NetScope& scope, Width in, Width out, const ConvolutionConfig& config)
    : stride_(config.stride), padding_(config.padding), bias_(ConvolutionBias(scope, out, config)) {
  const int64_t reach = (config.kernel + config.stride - 1) / config.stride;
  const Width fan_in = in.Times({reach * reach});
  weight_ = scope.Gaussian("weight", {in.size, out.size, config.kernel, config.kernel}, MatrixShape(fan_in, out, scope.depth),
                           config.gain);
}

at::Tensor ConvTranspose2d::Apply(const at::Tensor& x_BCYX) const {
  return at::conv_transpose2d(x_BCYX, weight_.Effective(), bias_.Effective(), {stride_, stride_}, {padding_, padding_});
}

ResidualConvBlock::ResidualConvBlock(const NetScope& scope, Width channels, Width hidden)
    : branch_multiplier_(ResidualMultiplier(scope.parametrisation(), scope.depth)),
      spatial_(scope.In("spatial"), channels, hidden, {.kernel = 3, .padding = 1}),
      pointwise_(scope.In("pointwise"), hidden, channels, {.kernel = 1}) {}

at::Tensor ResidualConvBlock::Apply(const at::Tensor& x_BCYX) const {
  return x_BCYX + pointwise_.Apply(at::relu(spatial_.Apply(at::relu(x_BCYX)))) * branch_multiplier_;
}

}  // namespace gfn
