// GFlowNet-EM (Hu et al. 2302.06576, Algorithms 1 and 2): an ordinary GFlowNet trainer, whose reward is log p(x, z), in turn with
// M-steps on z ~ q(z | x). It knows neither grammars nor images.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/train/optimizer.h"
#include "gflownet/train/training_loop.h"
#include "lvm/e_step.h"
#include "lvm/em_config.h"

namespace gfn {

struct EmParts : EStepParts {
  std::vector<ConditionId> conditions;  // x of the data
};

class EmTrainer : public TrainingLoop {
 public:
  static constexpr char kModelFile[] = "model.safetensors";  // of a saved loop: the generative model's parameters

  // InvalidArgument if the configuration asks for what the model has not (a closed form, a list of all z).
  static StatusOr<std::unique_ptr<EmTrainer>> Create(const EmConfig& config, const EmParts& parts);

  // Updates of the sampler until an M-step may follow, at most updates_per_step of them; then the M-step. Metrics: those of the
  // last update; loss_average; sleep_* of the last sleep update; e_updates, how many were taken; m_steps, those of the run so
  // far; and of a step that ends with one, m_log_joint, the mean log p(x, z) of its z before it.
  StatusOr<StepMetrics> Step() override;
  int64_t num_steps() const override { return step_; }
  Status Save(const std::string& folder) const override;
  Status Load(const std::string& folder) override;

  int64_t num_m_steps() const { return m_steps_; }

 private:
  EmTrainer(const EmConfig& config, const EmParts& parts, std::unique_ptr<EStep> e_step, std::optional<Optimizer> optimizer);
  Status MStep(StepMetrics& metrics);
  std::vector<ConditionId> ConditionsOfMStep() const;

  EmConfig config_;
  EmParts parts_;
  std::unique_ptr<EStep> e_step_;
  std::optional<Optimizer> optimizer_;  // of M-steps by gradient
  int64_t step_ = 0, m_steps_ = 0;
};

}  // namespace gfn
