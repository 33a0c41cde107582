// A latent-variable model that EM fits while the sampler learns its posterior (lvm/em_trainer.h), as part of a world.
#pragma once

#include <memory>
#include <string>

#include "lvm/code_world.h"
#include "lvm/em_config.h"
#include "lvm/generative_model.h"
#include "tasks/task/learner.h"

namespace gfn {

// What every such learner does; how good the model is says the one of its kind.
class EmLearner : public Learner {
 public:
  // `listed`: the world where all z can be listed, or null; a part of the model, or as long-lived.
  EmLearner(const EmConfig& config, std::unique_ptr<GenerativeModel> model, const CodeWorld* listed)
      : config_(config), owned_(std::move(model)), listed_(listed) {}
  StatusOr<std::unique_ptr<TrainingLoop>> MakeLoop(const LearnerParts& parts) override;
  Status Load(const std::string& checkpoint) override;
  std::string_view Score() const override { return "log_likelihood"; }

 private:
  EmConfig config_;
  std::unique_ptr<GenerativeModel> owned_;
  const CodeWorld* listed_;
};

}  // namespace gfn
