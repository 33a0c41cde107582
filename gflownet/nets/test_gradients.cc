#include "gflownet/nets/test_gradients.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gflownet/base/digest.h"
#include "gflownet/tensor/random.h"
#include "gflownet/tensor/tolerances.h"

namespace gfn {

void ExpectGradientsOfFiniteDifferences(const ParameterSet& set, const std::vector<at::Tensor>& inputs,
                                        const std::function<at::Tensor()>& scalar) {
  std::vector<std::pair<std::string, at::Tensor>> leaves;
  for (const Parameter& parameter : set) leaves.emplace_back(parameter.name, parameter.value);
  for (size_t i = 0; i < inputs.size(); ++i) leaves.emplace_back("input " + std::to_string(i), inputs[i]);
  for (auto& [name, leaf] : leaves) leaf.mutable_grad() = at::Tensor();
  scalar().backward();
  const at::NoGradGuard no_grad;
  constexpr double kStep = 1e-5;
  for (const auto& [name, leaf] : leaves) {
    ASSERT_TRUE(leaf.grad().defined()) << name;
    at::Tensor values = leaf.detach();
    const at::Tensor start = values.clone();
    for (uint64_t i = 0; i < 2; ++i) {
      const at::Tensor direction = NormalTensor({8, RngPurpose::kTest, i}, leaf.sizes(), at::kDouble, HashText(name));
      values.add_(direction, kStep);
      const double above = scalar().item<double>();
      values.add_(direction, -2 * kStep);
      const double below = scalar().item<double>();
      values.copy_(start);
      const Closeness close =
          AllClose((leaf.grad() * direction).sum().item<double>(), (above - below) / (2 * kStep), Tolerance{1e-7});
      EXPECT_TRUE(close) << name << " " << close.worst;
    }
  }
}

at::Tensor Mixed(const at::Tensor& y) {
  return (y.flatten() * at::arange(1, y.numel() + 1, at::kDouble).sin()).sum() + y.square().sum() * 0.1;
}

at::Tensor TestInput(at::IntArrayRef sizes, uint64_t seed) {
  return NormalTensor({seed, RngPurpose::kTest, 0}, sizes, at::kDouble).set_requires_grad(true);
}

void Perturb(const ParameterSet& set, double size) {
  for (const Parameter& parameter : set) {
    at::Tensor value = parameter.value.detach();
    value.add_(NormalTensor({9, RngPurpose::kTest, 0}, value.sizes(), at::kDouble, HashText(parameter.name)), size);
  }
}

}  // namespace gfn
