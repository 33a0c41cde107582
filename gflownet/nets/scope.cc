#include "gflownet/nets/scope.h"

#include <ATen/ATen.h>

#include <cmath>

#include "gflownet/base/digest.h"
#include "gflownet/tensor/random.h"

namespace gfn {

at::Tensor ScaledParameter::Effective() const { return !value.defined() || multiplier == 1 ? value : value * multiplier; }

NetScope NetScope::In(const std::string& part) const {
  NetScope scope = *this;
  scope.name = name.empty() ? part : name + "." + part;
  return scope;
}

ScaledParameter NetScope::Gaussian(const std::string& parameter, at::IntArrayRef sizes, const ParameterShape& shape,
                                   double gain) const {
  const ParameterTag tag = parameters->TagOf(shape);
  const std::string full_name = In(parameter).name;
  const at::Tensor unit = NormalTensor(key, sizes, at::kDouble, HashText(full_name));
  return Add(full_name, unit * (gain * std::sqrt(tag.factors.init_variance)), tag);
}

ScaledParameter NetScope::Constant(const std::string& parameter, at::IntArrayRef sizes, const ParameterShape& shape,
                                   double effective) const {
  const ParameterTag tag = parameters->TagOf(shape);
  return Add(In(parameter).name, at::full(sizes, effective / tag.factors.multiplier, at::kDouble), tag);
}

ScaledParameter NetScope::Add(const std::string& full_name, const at::Tensor& value, const ParameterTag& tag) const {
  return {parameters->Add(full_name, group, value.to(dtype), tag), tag.factors.multiplier};
}

}  // namespace gfn
