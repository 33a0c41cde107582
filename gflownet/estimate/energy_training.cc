#include "gflownet/estimate/energy_training.h"

#include "gflownet/base/check.h"
#include "gflownet/core/rollout.h"

namespace gfn {

EnergyTraining::EnergyTraining(const EnergyTrainingConfig& config, const EnergyTrainingParts& parts)
    : config_(config), parts_(parts) {
  GFN_CHECK(parts.sampler_trainer != nullptr && parts.reward != nullptr && parts.energy_parameters != nullptr &&
            parts.energy_optimizer != nullptr);
  GFN_CHECK(parts.sampler.reward == parts.reward) << "the sampler is trained on another reward";
  GFN_CHECK(parts.data_NV.dim() == 2 && parts.data_NV.size(0) >= 1) << "no data";
}

at::Tensor EnergyTraining::DataRows() const {
  const int64_t num = parts_.data_NV.size(0);
  if (config_.data_batch == 0) return parts_.data_NV;
  std::vector<int64_t> rows(config_.data_batch);
  const RngKey key{parts_.seed, RngPurpose::kData, static_cast<uint64_t>(step_)};
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = UniformInt(key, i, 0, num);
  return parts_.data_NV.index_select(0, at::tensor(rows, at::kLong));
}

StatusOr<EnergyStep> EnergyTraining::Step() {
  // 1. The sampler follows the energy as it is.
  for (int64_t i = 0; i < config_.sampler_steps; ++i) {
    const auto metrics = parts_.sampler_trainer->Step();
    if (!metrics.ok()) return Annotate(metrics.status(), "sampler of the energy model");
  }
  // 2. Negatives, weighted by what the sampler lacks.
  const EstimateOptions options{.num_samples = config_.negatives,
                                .key = {parts_.seed, RngPurpose::kSample, static_cast<uint64_t>(step_)}};
  ASSIGN_OR_RETURN(const SamplesFrom samples, SampleFrom(parts_.sampler, {}, options));
  const std::vector<double> log_w = LogWeights(samples, samples.log_pb_B, parts_.sampler.temperature);
  const at::Tensor log_weight_B = at::tensor(log_w, at::kDouble);
  const at::Tensor weight_B =
      config_.weighted ? log_weight_B.softmax(0) : at::full_like(log_weight_B, 1.0 / static_cast<double>(config_.negatives));

  // 3. One step up the likelihood.
  const at::Tensor negatives_BV = parts_.reward->Variables(FinalStates(*parts_.sampler.environment, samples.batch));
  parts_.energy_parameters->ZeroGrad();
  const at::Tensor data_score = parts_.reward->graph().LogScore(DataRows()).mean();
  const at::Tensor negative_score = weight_B.dot(parts_.reward->graph().LogScore(negatives_BV));
  (negative_score - data_score).backward();
  RETURN_IF_ERROR(parts_.energy_optimizer->Step().status());
  ++step_;
  EnergyStep result;
  result.data_score = data_score.item<double>();
  result.negative_score = negative_score.item<double>();
  result.ess = EffectiveSampleSize(log_w);
  result.log_likelihood = result.data_score - LogMeanWeight(log_w).mean;
  return result;
}

}  // namespace gfn
