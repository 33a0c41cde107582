#include "gflownet/nets/convolution.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gflownet/nets/test_gradients.h"
#include "gflownet/tensor/tolerances.h"

namespace gfn {
namespace {

using Table = ParametrisationTable;

NetScope ConvolutionScope(ParameterSet& set) {
  return {.parameters = &set, .name = "net", .group = "decoder", .key = {6, RngPurpose::kInit, 0}, .dtype = at::kDouble};
}

// Every pair of an input and an output place that the kernel joins: visit(input y, input x, output y, output x, kernel y, kernel
// x) with output = input * stride + kernel - padding, the geometry of the transpose; the convolution has the two sides exchanged.
void ForEachJoint(const at::Tensor& from, const at::Tensor& to, const ConvolutionConfig& c,
                  const std::function<void(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t)>& visit) {
  for (int64_t fy = 0; fy < from.size(2); ++fy) {
    for (int64_t fx = 0; fx < from.size(3); ++fx) {
      for (int64_t ky = 0; ky < c.kernel; ++ky) {
        for (int64_t kx = 0; kx < c.kernel; ++kx) {
          const int64_t ty = fy * c.stride + ky - c.padding, tx = fx * c.stride + kx - c.padding;
          if (ty >= 0 && tx >= 0 && ty < to.size(2) && tx < to.size(3)) visit(fy, fx, ty, tx, ky, kx);
        }
      }
    }
  }
}

const std::vector<ConvolutionConfig> kConfigs = {{.kernel = 3, .padding = 1},
                                                 {.kernel = 4, .stride = 2, .padding = 1},
                                                 {.kernel = 1, .bias = false},
                                                 {.kernel = 2, .stride = 3}};

TEST(ConvolutionTest, EqualsADoubleLoop) {
  for (const ConvolutionConfig& config : kConfigs) {
    ParameterSet set(Parametrisation{Table::kMupTable9, {}});
    const Conv2d layer(ConvolutionScope(set), {2}, {4, 1}, config);
    Perturb(set, 0.2);
    const at::Tensor x = TestInput({2, 2, 5, 6}, 1), weight = set.Get("net.weight") * 2;
    const at::Tensor y = layer.Apply(x);
    ASSERT_EQ(y.size(2), (5 + 2 * config.padding - config.kernel) / config.stride + 1);
    const at::NoGradGuard no_grad;
    at::Tensor expected = at::zeros_like(y);
    ForEachJoint(y, x, config, [&](int64_t fy, int64_t fx, int64_t ty, int64_t tx, int64_t ky, int64_t kx) {
      for (int64_t b = 0; b < 2; ++b) {
        for (int64_t o = 0; o < 4; ++o) {
          for (int64_t i = 0; i < 2; ++i) expected[b][o][fy][fx] += x[b][i][ty][tx] * weight[o][i][ky][kx];
        }
      }
    });
    if (config.bias) expected += set.Get("net.bias").view({1, 4, 1, 1}) * 2;
    const Closeness close = AllClose(y, expected, Tolerance{1e-12});
    EXPECT_TRUE(close) << config.kernel << " " << close.worst;
    const at::AutoGradMode with_grad(true);
    ExpectGradientsOfFiniteDifferences(set, {x}, [&] { return Mixed(layer.Apply(x)); });
  }
}

TEST(ConvolutionTest, TheTransposeEqualsADoubleLoop) {
  for (const ConvolutionConfig& config : kConfigs) {
    ParameterSet set(Parametrisation{Table::kMupTable9, {}});
    const ConvTranspose2d layer(ConvolutionScope(set), {3}, {4, 1}, config);
    Perturb(set, 0.2);
    const at::Tensor x = TestInput({2, 3, 3, 2}, 2), weight = set.Get("net.weight") * 2;
    const at::Tensor y = layer.Apply(x);
    ASSERT_EQ(y.size(2), (3 - 1) * config.stride - 2 * config.padding + config.kernel);
    const at::NoGradGuard no_grad;
    at::Tensor expected = at::zeros_like(y);
    ForEachJoint(x, y, config, [&](int64_t fy, int64_t fx, int64_t ty, int64_t tx, int64_t ky, int64_t kx) {
      for (int64_t b = 0; b < 2; ++b) {
        for (int64_t o = 0; o < 4; ++o) {
          for (int64_t i = 0; i < 3; ++i) expected[b][o][ty][tx] += x[b][i][fy][fx] * weight[i][o][ky][kx];
        }
      }
    });
    if (config.bias) expected += set.Get("net.bias").view({1, 4, 1, 1}) * 2;
    const Closeness close = AllClose(y, expected, Tolerance{1e-12});
    EXPECT_TRUE(close) << config.kernel << " " << close.worst;
    const at::AutoGradMode with_grad(true);
    ExpectGradientsOfFiniteDifferences(set, {x}, [&] { return Mixed(layer.Apply(x)); });
  }
}

TEST(ConvolutionTest, SizesOfTheKernelCountAsInputs) {
  ParameterSet set(Parametrisation{Table::kMupTable3, {}});
  const NetScope scope = ConvolutionScope(set);
  const Conv2d hidden(scope.In("hidden"), {8, 4}, {6, 3}, {.kernel = 3}), input(scope.In("input"), {1}, {6, 3}, {.kernel = 3});
  const ConvTranspose2d output(scope.In("output"), {8, 4}, {1}, {.kernel = 4, .stride = 2});
  const auto shape_of = [&](size_t index) { return set[index].tag->shape; };
  EXPECT_EQ(shape_of(1), MatrixShape({72, 36}, {6, 3}));
  EXPECT_EQ(shape_of(3), MatrixShape({9}, {6, 3}));
  EXPECT_EQ(shape_of(5), MatrixShape({32, 16}, {1}));
  EXPECT_EQ(shape_of(5).role, ParameterRole::kOutput);
}

TEST(ConvolutionTest, TheResidualBlockAddsItsScaledBranch) {
  ParameterSet set(Parametrisation{Table::kMupTable8, 1.0});
  NetScope scope = ConvolutionScope(set);
  scope.depth = {4, 2};
  const ResidualConvBlock block(scope, {4, 2}, {6, 3});
  Perturb(set, 0.2);
  const at::Tensor x = TestInput({2, 4, 3, 3}, 3);
  const at::Tensor inner = at::conv2d(x.clamp_min(0), set.Get("net.spatial.weight"), set.Get("net.spatial.bias"), 1, 1);
  const at::Tensor branch = at::conv2d(inner.clamp_min(0), set.Get("net.pointwise.weight"), set.Get("net.pointwise.bias"));
  EXPECT_TRUE(AllClose(block.Apply(x), x + branch * 0.5, Tolerance{1e-12}));
  ExpectGradientsOfFiniteDifferences(set, {x}, [&] { return Mixed(block.Apply(x)); });
  for (const Parameter& parameter : set) EXPECT_EQ(parameter.tag->shape.depth, (Width{4, 2}));
}

TEST(ConvolutionDeathTest, AKernelOfNothingIsAMistakeOfTheProgram) {
  ParameterSet set;
  EXPECT_DEATH(Conv2d(ConvolutionScope(set), {1}, {1}, {.kernel = 0}), "kernel 0");
}

}  // namespace
}  // namespace gfn
