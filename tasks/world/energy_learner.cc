#include "tasks/world/energy_learner.h"

#include "gflownet/base/file_util.h"

namespace gfn {
namespace {

std::vector<double> NumbersOf(const at::Tensor& values) {
  const at::Tensor flat = values.detach().to(at::kDouble).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

}  // namespace

StatusOr<std::unique_ptr<TrainingLoop>> EnergyLearner::MakeLoop(const LearnerParts& parts) {
  const TrainerConfig& trainer = parts.settings->train.trainer;
  if (trainer.behaviour.UsesReplay()) {
    return InvalidArgument(
        "train.behaviour: replay and backward take stored rewards, which are of an older energy in a world that learns its "
        "energy");
  }
  if (trainer.reward_temperature.end != 1 || trainer.reward_temperature.start != 1) {
    return InvalidArgument("train.reward_temperature: an energy is learned at temperature 1");
  }
  ASSIGN_OR_RETURN(Optimizer made, Optimizer::Create(optimizer, &parameters));
  optimizer_ = std::make_unique<Optimizer>(std::move(made));
  EnergyTrainingParts energy;
  energy.sampler_trainer = parts.trainer;
  energy.sampler = {.environment = parts.environment, .policy = parts.policy, .reward = parts.reward};
  energy.sampler.condition = parts.conditions[0];
  energy.reward = dynamic_cast<const FactorGraphReward*>(parts.reward);
  energy.energy_parameters = &parameters;
  energy.energy_optimizer = optimizer_.get();
  energy.data_NV = data_NV;
  energy.seed = static_cast<uint64_t>(parts.settings->seed);
  return std::unique_ptr<TrainingLoop>(std::make_unique<EnergyTraining>(training, energy));
}

Status EnergyLearner::Load(const std::string& checkpoint) {
  return parameters.Load(JoinPath(checkpoint, EnergyTraining::kEnergyFile));
}

StatusOr<StepMetrics> EnergyLearner::Measure(const Policy&, double log_z) const {
  const at::NoGradGuard no_grad;
  StepMetrics metrics;
  metrics.Set("log_likelihood", graph.LogScore(data_NV).mean().item<double>() - log_z);
  if (true_couplings_M.defined()) {
    metrics.Set("coupling_error", (couplings_M - true_couplings_M).square().mean().sqrt().item<double>());
  }
  return metrics;
}

StatusOr<nlohmann::json> EnergyLearner::Pictures(const Policy&) const {
  nlohmann::json pictures = nlohmann::json::object();
  if (true_couplings_M.defined()) {
    pictures["couplings"] = {{"true", NumbersOf(true_couplings_M)}, {"learned", NumbersOf(couplings_M)}};
  }
  return pictures;
}

}  // namespace gfn
