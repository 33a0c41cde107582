#include "gflownet/nets/mlp.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gflownet/tensor/tolerances.h"

namespace gfn {
namespace {

const RngKey kKey{1, RngPurpose::kInit, 0};

TEST(LinearTest, AppliesWeightAndBiasOfTheSet) {
  ParameterSet set;
  const Linear layer(&set, "head", "policy", 3, 2, kKey, at::kDouble);
  const at::Tensor x = at::arange(6, at::kDouble).reshape({2, 3});
  const at::Tensor expected = x.matmul(set.Get("head.weight").t()) + set.Get("head.bias");
  EXPECT_TRUE(AllClose(layer.Apply(x), expected, ToleranceOf(at::kDouble)));
  EXPECT_LE(set.Get("head.weight").abs().max().item<double>(), 1 / std::sqrt(3.0));
  EXPECT_EQ(set[0].group, "policy");
}

TEST(LinearTest, LayersOfOneKeyDifferByName) {
  ParameterSet set;
  const Linear a(&set, "a", "g", 4, 4, kKey, at::kFloat), b(&set, "b", "g", 4, 4, kKey, at::kFloat);
  EXPECT_FALSE(at::equal(set.Get("a.weight"), set.Get("b.weight")));
}

TEST(MlpTest, IsItsLayersWithTheActivationBetweenThem) {
  for (const MlpActivation activation : {MlpActivation::kRelu, MlpActivation::kLeakyRelu}) {
    ParameterSet set;
    const Mlp mlp(&set, "net", "policy", {5, 7, 2}, activation, kKey, at::kDouble);
    EXPECT_EQ(set.num_elements(), 5 * 7 + 7 + 7 * 2 + 2);
    const at::Tensor x = at::linspace(-2, 2, 15, at::kDouble).reshape({3, 5});
    const at::Tensor hidden = at::linear(x, set.Get("net.0.weight"), set.Get("net.0.bias"));
    const double slope = activation == MlpActivation::kRelu ? 0 : 0.01;
    const at::Tensor active = at::where(hidden > 0, hidden, hidden * slope);
    const at::Tensor expected = at::linear(active, set.Get("net.1.weight"), set.Get("net.1.bias"));
    EXPECT_TRUE(AllClose(mlp.Apply(x), expected, ToleranceOf(at::kDouble)));
    mlp.Apply(x).sum().backward();
    EXPECT_TRUE(set.Get("net.0.weight").grad().defined());
  }
}

}  // namespace
}  // namespace gfn
