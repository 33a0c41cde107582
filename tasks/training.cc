#include "tasks/training.h"

#include "gflownet/base/file_util.h"
#include "gflownet/tensor/safetensors_tensors.h"
#include "gflownet/tensor/tolerances.h"

namespace gfn {

StatusOr<TrainingParts> MakeTraining(const RunSettings& settings, Task& task, const TrainingData& data,
                                     const std::string& failure_folder) {
  const TaskSampler sampler = task.sampler();
  TrainingParts training;
  ASSIGN_OR_RETURN(training.objective, MakeObjective(settings.objective));
  const Policy* policy = sampler.policy;
  if (training.objective->needs().Has(Need::kLogZ) && !policy->Provides().Has(Need::kLogZ)) {
    training.with_log_z = std::make_unique<LogZPolicy>(*policy, *sampler.conditions, *sampler.parameters, at::Tensor());
    policy = training.with_log_z.get();
  }
  if (settings.model.has_value()) {
    const bool has_dropout = settings.lora.has_value() && settings.lora->dropout > 0;
    training.checked_policy =
        std::make_unique<CheckedPolicy>(*policy, *sampler.environment, CheckedPolicyOptions{.has_dropout = has_dropout});
    policy = training.checked_policy.get();
  }
  if (settings.train.trainer.warm_start_steps > 0) {
    ASSIGN_OR_RETURN(training.warm_start, MakeObjective(std::get<0>(settings.warm_start)));
  }
  // A recipe may set a rate for log Z and be run with an objective that learns none.
  ASSIGN_OR_RETURN(Optimizer optimizer, Optimizer::Create(settings.optimizer, sampler.parameters, {LogZPolicy::kGroup}));
  training.optimizer = std::make_unique<Optimizer>(std::move(optimizer));
  TrainerParts trainer;
  trainer.environment = sampler.environment;
  trainer.policy = policy;
  trainer.reward = sampler.reward;
  trainer.objective = training.objective.get();
  trainer.warm_start = training.warm_start.get();
  trainer.parameters = sampler.parameters;
  trainer.optimizer = training.optimizer.get();
  trainer.conditions = data.conditions;
  trainer.given = data.given;
  trainer.could_offer = sampler.could_offer | Need::kLogZ;
  trainer.failure_folder = failure_folder;
  trainer.seed = static_cast<uint64_t>(settings.seed);
  ASSIGN_OR_RETURN(training.trainer, Trainer::Create(settings.train.trainer, trainer));
  ASSIGN_OR_RETURN(training.task_loop, task.MakeLoop(*training.trainer));
  if (training.checked_policy != nullptr) {
    const bool same_bits = policy->Provides().Has(Need::kFingerprint);
    const double rounding = SamplerTolerance(ScalarTypeOf(settings.model->dtype), same_bits).value;
    training.checked_loop = std::make_unique<CheckedLoop>(training.loop(), *training.checked_policy,
                                                          settings.train.max_drift > 0 ? settings.train.max_drift : rounding);
  }
  return training;
}

Status LoadTrained(const std::string& checkpoint, Task& task) {
  ParameterSet& parameters = *task.sampler().parameters;
  const std::string path = JoinPath(checkpoint, Trainer::kParametersFile);
  ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  at::NoGradGuard no_grad;
  for (const Parameter& parameter : parameters) {
    ASSIGN_OR_RETURN(const at::Tensor value, ReadTensor(file, parameter.name));
    if (value.sizes() != parameter.value.sizes())
      return DataLoss(path + ": " + parameter.name + " has another shape than in this run");
    at::Tensor(parameter.value).copy_(value);
  }
  parameters.RaiseVersion();
  return task.LoadLearned(checkpoint);
}

}  // namespace gfn
