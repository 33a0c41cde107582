// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019), with torch.optim.AdamW's order of
// operations, over a ParameterSet:
//
//   p <- p (1 - lr wd);  m <- m + (1 - b1)(g - m);  v <- b2 v + (1 - b2) g^2
//   p <- p - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
//
// Gradients are first scaled so that their global L2 norm is at most clip_norm. Half-precision parameters keep an fp32
// master copy here; float64 ones are stepped in float64. A parameter without a gradient is left alone, its t too.
// Learning rate, weight decay and epsilon are multiplied by the factors of each parameter's tag (tensor/parametrisation.h), 1
// without one. Not supported: sparse gradients, amsgrad.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/tensor/parameter_set.h"
#include "gflownet/train/schedule.h"

namespace gfn {

struct ParameterGroupConfig {
  std::string group;
  double learning_rate_scale = 1;
  std::optional<double> weight_decay;

  template <class V>
  void Visit(V& v) {
    v("group", group, "group of parameters: adapter, policy, log_z, flow, ...", Required{}, NonEmpty{});
    v("learning_rate_scale", learning_rate_scale, "factor on the learning rate of this group", NonNegative());
    v("weight_decay", weight_decay, "weight decay of this group; null: the optimiser's", NonNegative());
  }
};

struct OptimizerConfig {
  double learning_rate = 5e-4;
  WarmupDecayConfig schedule;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double clip_norm = 1;
  std::vector<ParameterGroupConfig> groups;

  template <class V>
  void Visit(V& v) {
    v("learning_rate", learning_rate, "AdamW's learning rate after the warm-up", NonNegative());
    v("schedule", schedule, "how the learning rate changes over the run");
    v("beta1", beta1, "decay of the mean of gradients", Range{.min = 0, .max = 1, .max_open = true});
    v("beta2", beta2, "decay of the mean of squared gradients", Range{.min = 0, .max = 1, .max_open = true});
    v("epsilon", epsilon, "added to the root of the mean square", Positive());
    v("weight_decay", weight_decay, "decoupled weight decay", NonNegative());
    v("clip_norm", clip_norm, "largest global norm of the gradient; 0: no clipping", NonNegative());
    v("groups", groups, "exceptions for groups of parameters");
  }
  void Validate(ConfigErrors& errors) const;  // a group twice
};

struct OptimizerStep {
  double grad_norm = 0;      // before clipping
  double clip_scale = 1;     // what gradients were multiplied by
  double learning_rate = 0;  // after the schedule, before groups
};

class Optimizer {
 public:
  // InvalidArgument if the configuration names a group that no parameter has, unless it is one of `may_be_absent`, which then has
  // no effect; and if a parameter without a tag is in a set of another than the standard parametrisation. `parameters` must
  // outlive the optimiser and is complete: parameters added later are a programmer error.
  static StatusOr<Optimizer> Create(const OptimizerConfig& config, ParameterSet* parameters,
                                    const std::vector<std::string>& may_be_absent = {});

  // One step from the gradients in the parameters, which stay as they are; raises the set's version. A NaN or infinite
  // gradient is an error that names the parameter, and then nothing is changed.
  StatusOr<OptimizerStep> Step();

  int64_t num_steps() const { return num_steps_; }

  // One safetensors file. Load is strict (names, shapes, finite values) and changes nothing on an error.
  Status Save(const std::string& path) const;
  Status Load(const std::string& path);

 private:
  struct Slot {               // of one parameter, in the set's order
    at::Tensor mean, square;  // master's dtype, parameter's shape
    at::Tensor master;        // undefined where the parameter itself is fp32 or float64
    double learning_rate_scale = 1;
    double weight_decay = 0;
    double epsilon = 0;
    int64_t num_steps = 0;
  };
  Optimizer(const OptimizerConfig& config, ParameterSet* parameters);
  void StepOne(const Parameter& parameter, Slot& slot, double learning_rate, double clip_scale);

  OptimizerConfig config_;
  ParameterSet* parameters_;
  std::vector<Slot> slots_;
  int64_t num_steps_ = 0;
};

}  // namespace gfn
