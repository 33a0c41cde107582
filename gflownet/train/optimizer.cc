#include "gflownet/train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/base/text_util.h"
#include "gflownet/tensor/safetensors_tensors.h"
#include "gflownet/train/adamw_kernel.h"

namespace gfn {
namespace {

bool NeedsMaster(const at::Tensor& value) { return value.scalar_type() != at::kFloat && value.scalar_type() != at::kDouble; }

template <class T>
void StepCpu(const AdamWCoefficients& c, at::Tensor& p, at::Tensor& m, at::Tensor& v, const at::Tensor& g) {
  T* values = p.mutable_data_ptr<T>();
  T* mean = m.mutable_data_ptr<T>();
  T* square = v.mutable_data_ptr<T>();
  const T* gradient = g.const_data_ptr<T>();
  at::parallel_for(0, p.numel(), 1 << 15,
                   [&](int64_t first, int64_t last) { AdamWRange(c, values, mean, square, gradient, first, last); });
}

void StepAten(const AdamWCoefficients& c, at::Tensor& p, at::Tensor& m, at::Tensor& v, const at::Tensor& gradient) {
  const at::Tensor g = gradient * c.gradient_scale;
  p.mul_(c.decay);
  m.lerp_(g, 1 - c.beta1);
  v.mul_(c.beta2).addcmul_(g, g, 1 - c.beta2);
  p.addcdiv_(m, v.sqrt().div_(c.root_correction).add_(c.epsilon), -c.step_size);
}

}  // namespace

void OptimizerConfig::Validate(ConfigErrors& errors) const {
  for (size_t i = 0; i < groups.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (groups[i].group == groups[j].group) {
        errors.Add(JoinConfigPath(JoinConfigPath("groups", std::to_string(i)), "group"),
                   "'" + groups[i].group + "' is given a second time");
      }
    }
  }
}

Optimizer::Optimizer(const OptimizerConfig& config, ParameterSet* parameters) : config_(config), parameters_(parameters) {
  for (const Parameter& parameter : *parameters) {
    Slot slot;
    slot.weight_decay = config.weight_decay;
    for (const ParameterGroupConfig& group : config.groups) {
      if (group.group != parameter.group) continue;
      slot.learning_rate_scale = group.learning_rate_scale;
      slot.weight_decay = group.weight_decay.value_or(config.weight_decay);
    }
    const ParameterFactors factors = parameter.tag.has_value() ? parameter.tag->factors : ParameterFactors{};
    slot.learning_rate_scale *= factors.learning_rate;
    slot.weight_decay *= factors.weight_decay;
    slot.epsilon = config.epsilon * factors.epsilon;
    const at::Tensor value = parameter.value.detach();
    if (NeedsMaster(value)) slot.master = value.to(at::kFloat);
    const at::Tensor& shape = slot.master.defined() ? slot.master : value;
    slot.mean = at::zeros_like(shape);
    slot.square = at::zeros_like(shape);
    slots_.push_back(std::move(slot));
  }
}

StatusOr<Optimizer> Optimizer::Create(const OptimizerConfig& config, ParameterSet* parameters,
                                      const std::vector<std::string>& may_be_absent) {
  RETURN_IF_ERROR(CheckConfig(config, "optimizer"));
  const std::vector<std::string> known = parameters->Groups();
  const auto has = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (size_t i = 0; i < config.groups.size(); ++i) {
    const std::string& name = config.groups[i].group;
    if (has(known, name) || has(may_be_absent, name)) continue;
    return InvalidArgument("optimizer.groups." + std::to_string(i) + ".group: " +
                           UnknownName("group", name, "groups of this run", known) + "; mend the name, or remove this entry");
  }
  if (!parameters->parametrisation().is_standard()) {
    for (const Parameter& parameter : *parameters) {
      if (parameter.tag.has_value()) continue;
      return InvalidArgument("parameter '" + parameter.name + "' (group '" + parameter.group + "') has no role (" +
                             Join(EnumChoices<ParameterRole>(), ", ") + "), which parametrisation " +
                             Describe(parameters->parametrisation()) + " needs of every parameter");
    }
  }
  return Optimizer(config, parameters);
}

StatusOr<OptimizerStep> Optimizer::Step() {
  GFN_CHECK_EQ(slots_.size(), parameters_->size()) << "parameters were added after the optimiser was made";
  const at::NoGradGuard no_grad;
  OptimizerStep result;
  ASSIGN_OR_RETURN(result.grad_norm, parameters_->GradNorm());
  // torch.nn.utils.clip_grad_norm_ divides by norm + 1e-6 as well.
  if (config_.clip_norm > 0) result.clip_scale = std::min(1.0, config_.clip_norm / (result.grad_norm + 1e-6));
  result.learning_rate = config_.learning_rate * config_.schedule.FactorAt(num_steps_);
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Parameter& parameter = (*parameters_)[i];
    if (parameter.value.grad().defined()) StepOne(parameter, slots_[i], result.learning_rate, result.clip_scale);
  }
  ++num_steps_;
  parameters_->RaiseVersion();
  return result;
}

void Optimizer::StepOne(const Parameter& parameter, Slot& slot, double learning_rate, double clip_scale) {
  const double rate = learning_rate * slot.learning_rate_scale;
  const double t = static_cast<double>(++slot.num_steps);
  const AdamWCoefficients c = {.decay = 1 - rate * slot.weight_decay,
                               .beta1 = config_.beta1,
                               .beta2 = config_.beta2,
                               .step_size = rate / (1 - std::pow(config_.beta1, t)),
                               .root_correction = std::sqrt(1 - std::pow(config_.beta2, t)),
                               .epsilon = slot.epsilon,
                               .gradient_scale = clip_scale};
  at::Tensor value = slot.master.defined() ? slot.master : parameter.value.detach();
  const at::Tensor gradient = parameter.value.grad().to(value.scalar_type()).contiguous();
  if (!value.is_cpu()) {
    StepAten(c, value, slot.mean, slot.square, gradient);
  } else if (value.scalar_type() == at::kDouble) {
    StepCpu<double>(c, value, slot.mean, slot.square, gradient);
  } else {
    StepCpu<float>(c, value, slot.mean, slot.square, gradient);
  }
  if (slot.master.defined()) parameter.value.detach().copy_(slot.master);
}

}  // namespace gfn
