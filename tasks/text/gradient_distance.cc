#include "tasks/text/gradient_distance.h"

#include <algorithm>
#include <cmath>

#include "gflownet/core/gradient_checks.h"

namespace gfn {

double GradientDistance(const at::Tensor& gradient, const at::Tensor& expected) {
  const at::Tensor difference = gradient.defined() ? gradient.to(at::kDouble) - expected : -expected;
  const double size = std::max(expected.square().sum().item<double>(), 1e-300);
  const double along = std::abs((difference * expected).sum().item<double>()) / size;
  return std::max(along, std::sqrt(difference.square().sum().item<double>() / size) / 4);
}

std::vector<double> GradientNoise(ParameterSet& parameters, const std::vector<at::Tensor>& gradients,
                                  const std::function<std::vector<at::Tensor>()>& again) {
  std::vector<double> noise(gradients.size(), 0);
  for (const double factor : {0.995, 1.005}) {
    const KeepParameters keep(parameters);
    {
      const at::NoGradGuard no_grad;
      for (const Parameter& parameter : parameters) at::Tensor(parameter.value).mul_(factor);
      parameters.RaiseVersion();
    }
    const std::vector<at::Tensor> moved = again();
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined() || !moved[i].defined()) continue;
      const at::Tensor gradient = gradients[i].to(at::kDouble);
      const double size = std::max(gradient.norm().item<double>(), 1e-300);
      noise[i] += (moved[i].to(at::kDouble) - gradient).norm().item<double>() / size / 2;
    }
  }
  return noise;
}

}  // namespace gfn
