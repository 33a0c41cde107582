// The E-step of EM: something that gives z for each x, and may have to be trained before it does.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trainer.h"
#include "gflownet/core/trajectory.h"
#include "gflownet/train/metrics.h"
#include "lvm/code_world.h"
#include "lvm/em_config.h"
#include "lvm/generative_model.h"

namespace gfn {

// Everything is borrowed and must outlive the object.
struct EStepParts {
  const Environment* environment = nullptr;
  const Policy* policy = nullptr;
  const Reward* reward = nullptr;  // of the model: a ModelReward, perhaps with an energy beside it
  Trainer* trainer = nullptr;      // of the policy, on that reward
  GenerativeModel* model = nullptr;
  const CodeWorld* listed = nullptr;  // the environment where all z can be listed, or null
  uint64_t seed = 0;
};

class EStep {
 public:
  virtual ~EStep() = default;
  // One update of what gives z, with its metrics. True: an M-step may follow. `m_steps` are those taken so far.
  virtual StatusOr<bool> Update(int64_t m_steps, StepMetrics& metrics) = 0;
  // Finished trajectories for each condition; with weights (weight_B) that sum to 1 over a condition's rows, or as many rows for
  // each. A pure function of what was trained, of the model and of m_steps.
  virtual StatusOr<TrajectoryBatch> Draw(const std::vector<ConditionId>& conditions, int64_t m_steps) = 0;
  // The model's parameters have changed.
  virtual Status ModelChanged() { return OkStatus(); }
  // What the next updates depend on besides the trainer and the model, by name.
  virtual std::map<std::string, double> Progress() const { return {}; }
  virtual void SetProgress(const std::map<std::string, double>&) {}
};

// InvalidArgument where the way needs a list of all z and there is none.
StatusOr<std::unique_ptr<EStep>> MakeEStep(const EmConfig& config, const EStepParts& parts);

}  // namespace gfn
