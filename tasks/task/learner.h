// What a task learns besides its sampler: an energy that follows data, a latent-variable model whose posterior the sampler draws
// from. It puts a loop of its own around the sampler's trainer, is saved and loaded with it, and says how good it is.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trainer.h"
#include "gflownet/train/metrics.h"
#include "gflownet/train/training_loop.h"
#include "tasks/task/run_settings.h"

namespace gfn {

// Everything is borrowed and outlives the loop.
struct LearnerParts {
  Trainer* trainer = nullptr;  // of the sampler
  const Environment* environment = nullptr;
  const Policy* policy = nullptr;  // the sampler
  const Reward* reward = nullptr;
  std::vector<ConditionId> conditions;
  const RunSettings* settings = nullptr;
};

class Learner {
 public:
  virtual ~Learner() = default;
  // InvalidArgument where the run's settings cannot be right for it, naming the key.
  virtual StatusOr<std::unique_ptr<TrainingLoop>> MakeLoop(const LearnerParts& parts) = 0;
  // What such a loop has learned, from a checkpoint of it.
  virtual Status Load(const std::string& checkpoint) = 0;
  // How good that is. `log_z` is log Z of the reward under the first condition: exact where it is known, else a bound from below.
  virtual StatusOr<StepMetrics> Measure(const Policy& sampler, double log_z) const = 0;
  // The one of these numbers by which the best checkpoint is chosen; larger is better.
  virtual std::string_view Score() const = 0;
  // What the report draws of it, joined to the evaluation's record.
  virtual StatusOr<nlohmann::json> Pictures(const Policy& sampler) const = 0;
};

}  // namespace gfn
