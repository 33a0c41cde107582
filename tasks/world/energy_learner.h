// An energy that is learned from data while a GFlowNet samples from it (gflownet/estimate/energy_training.h), as part of a world.
// Shapes: N data rows, V variables, M couplings.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "gflownet/estimate/energy_training.h"
#include "gflownet/estimate/factor_graph.h"
#include "gflownet/tensor/parameter_set.h"
#include "gflownet/train/optimizer.h"
#include "tasks/task/learner.h"

namespace gfn {

class EnergyLearner : public Learner {
 public:
  StatusOr<std::unique_ptr<TrainingLoop>> MakeLoop(const LearnerParts& parts) override;
  Status Load(const std::string& checkpoint) override;
  // log_likelihood: mean over the data of log p; coupling_error: root mean square of learned less true couplings, where these are
  // known.
  StatusOr<StepMetrics> Measure(const Policy& sampler, double log_z) const override;
  std::string_view Score() const override { return "log_likelihood"; }
  StatusOr<nlohmann::json> Pictures(const Policy& sampler) const override;

  ParameterSet parameters;  // of the graph's modules
  FactorGraph graph;
  EnergyTrainingConfig training;
  OptimizerConfig optimizer;
  at::Tensor data_NV;                // float64
  at::Tensor couplings_M;            // those of `parameters` that are compared,
  at::Tensor true_couplings_M = {};  // with these, float64; undefined where the data's origin is unknown

 private:
  std::unique_ptr<Optimizer> optimizer_;  // once it is trained
};

}  // namespace gfn
