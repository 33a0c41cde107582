// Learning an energy model from data together with its sampler (Zhang et al. 2202.01361): the gradient of the mean log-likelihood
// of data under p(x) = exp(score(x)) / Z is
//   mean over data of grad score - E_p[grad score],
// and the second part comes from a GFlowNet that is trained, turn by turn, to sample from the model as it stands. The sampler is
// always a little behind, so its negatives carry importance weights exp(score) P_B / P_F, normalised over the batch; no chain is
// run, and nothing has to mix.
// Shapes: B rows, V variables.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/rng.h"
#include "gflownet/base/status.h"
#include "gflownet/core/trainer.h"
#include "gflownet/estimate/factor_graph.h"
#include "gflownet/estimate/sample_from.h"
#include "gflownet/train/optimizer.h"
#include "gflownet/train/training_loop.h"

namespace gfn {

struct EnergyTrainingConfig {
  int64_t sampler_steps = 1;
  int64_t negatives = 256;
  int64_t data_batch = 0;
  bool weighted = true;

  template <class V>
  void Visit(V& v) {
    v("sampler_steps", sampler_steps, "steps of the sampler for each step of the energy", AtLeast(1));
    v("negatives", negatives, "objects that the sampler draws for each step of the energy", AtLeast(2));
    v("data_batch", data_batch, "data rows of each step of the energy, drawn with replacement; 0: all of them", NonNegative());
    v("weighted", weighted,
      "importance weights for the negatives; false trusts the sampler, as contrastive divergence trusts a chain");
  }
};

// Everything is borrowed and must outlive the object. The sampler's trainer must not replay: stored rewards are of an older
// energy.
struct EnergyTrainingParts {
  Trainer* sampler_trainer = nullptr;
  Sampler sampler;  // its reward is `reward`
  const FactorGraphReward* reward = nullptr;
  ParameterSet* energy_parameters = nullptr;  // those of the graph's modules alone
  Optimizer* energy_optimizer = nullptr;
  at::Tensor data_NV;  // float64 [N, V]
  uint64_t seed = 0;
};

class EnergyTraining : public TrainingLoop {
 public:
  static constexpr char kEnergyFile[] = "energy.safetensors";  // of a saved loop: the energy's parameters

  EnergyTraining(const EnergyTrainingConfig& config, const EnergyTrainingParts& parts);
  // Steps of the sampler, then one of the energy. The metrics of the last step of the sampler, and of the energy
  //   data_score      mean score of the data
  //   negative_score  mean score under the model, by the negatives
  //   negative_ess    effective sample size of the negatives' weights
  //   log_likelihood  data_score - log Z by the same weights: a consistent estimate
  StatusOr<StepMetrics> Step() override;
  int64_t num_steps() const override { return parts_.sampler_trainer->num_steps() / config_.sampler_steps; }
  Status Save(const std::string& folder) const override;
  Status Load(const std::string& folder) override;

 private:
  at::Tensor DataRows(int64_t step) const;

  EnergyTrainingConfig config_;
  EnergyTrainingParts parts_;
};

}  // namespace gfn
