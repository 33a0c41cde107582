#include "gflownet/estimate/energy_training.h"

#include "gflownet/base/check.h"
#include "gflownet/base/file_util.h"
#include "gflownet/core/rollout.h"

namespace gfn {
namespace {

constexpr char kOptimizerFile[] = "energy_optimizer.safetensors";

}  // namespace

EnergyTraining::EnergyTraining(const EnergyTrainingConfig& config, const EnergyTrainingParts& parts)
    : config_(config), parts_(parts) {
  GFN_CHECK(parts.sampler_trainer != nullptr && parts.reward != nullptr && parts.energy_parameters != nullptr &&
            parts.energy_optimizer != nullptr);
  GFN_CHECK(parts.sampler.reward == parts.reward) << "the sampler is trained on another reward";
  GFN_CHECK(parts.data_NV.dim() == 2 && parts.data_NV.size(0) >= 1) << "no data";
}

at::Tensor EnergyTraining::DataRows(int64_t step) const {
  const int64_t num = parts_.data_NV.size(0);
  if (config_.data_batch == 0) return parts_.data_NV;
  std::vector<int64_t> rows(config_.data_batch);
  const RngKey key{parts_.seed, RngPurpose::kData, static_cast<uint64_t>(step)};
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = UniformInt(key, i, 0, num);
  return parts_.data_NV.index_select(0, at::tensor(rows, at::kLong));
}

StatusOr<StepMetrics> EnergyTraining::Step() {
  const int64_t step = num_steps();
  StepMetrics metrics;
  // 1. The sampler follows the energy as it is.
  for (int64_t i = 0; i < config_.sampler_steps; ++i) {
    StatusOr<StepMetrics> of_sampler = parts_.sampler_trainer->Step();
    if (!of_sampler.ok()) return Annotate(of_sampler.status(), "sampler of the energy model");
    metrics = *std::move(of_sampler);
  }
  // 2. Negatives, weighted by what the sampler lacks.
  const EstimateOptions options{.num_samples = config_.negatives,
                                .key = {parts_.seed, RngPurpose::kSample, static_cast<uint64_t>(step)}};
  ASSIGN_OR_RETURN(const SamplesFrom samples, SampleFrom(parts_.sampler, {}, options));
  const std::vector<double> log_w = LogWeights(samples, samples.log_pb_B, parts_.sampler.temperature);
  const at::Tensor log_weight_B = at::tensor(log_w, at::kDouble);
  const at::Tensor weight_B =
      config_.weighted ? log_weight_B.softmax(0) : at::full_like(log_weight_B, 1.0 / static_cast<double>(config_.negatives));

  // 3. One step up the likelihood.
  const at::Tensor negatives_BV = parts_.reward->Variables(FinalStates(*parts_.sampler.environment, samples.batch));
  parts_.energy_parameters->ZeroGrad();
  const at::Tensor data_score = parts_.reward->graph().LogScore(DataRows(step)).mean();
  const at::Tensor negative_score = weight_B.dot(parts_.reward->graph().LogScore(negatives_BV));
  (negative_score - data_score).backward();
  RETURN_IF_ERROR(parts_.energy_optimizer->Step().status());
  metrics.Set("data_score", data_score.item<double>());
  metrics.Set("negative_score", negative_score.item<double>());
  metrics.Set("negative_ess", EffectiveSampleSize(log_w));
  metrics.Set("log_likelihood", data_score.item<double>() - LogMeanWeight(log_w).mean);
  return metrics;
}

Status EnergyTraining::Save(const std::string& folder) const {
  RETURN_IF_ERROR(parts_.sampler_trainer->Save(folder));
  RETURN_IF_ERROR(parts_.energy_parameters->Save(JoinPath(folder, kEnergyFile)));
  return parts_.energy_optimizer->Save(JoinPath(folder, kOptimizerFile));
}

Status EnergyTraining::Load(const std::string& folder) {
  RETURN_IF_ERROR(parts_.sampler_trainer->Load(folder));
  RETURN_IF_ERROR(parts_.energy_parameters->Load(JoinPath(folder, kEnergyFile)));
  return parts_.energy_optimizer->Load(JoinPath(folder, kOptimizerFile));
}

}  // namespace gfn
