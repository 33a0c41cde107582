#include "tasks/world/em_learner.h"

#include "gflownet/base/file_util.h"
#include "lvm/em_trainer.h"

namespace gfn {

StatusOr<std::unique_ptr<TrainingLoop>> EmLearner::MakeLoop(const LearnerParts& parts) {
  const ScheduleConfig& temperature = parts.settings->train.trainer.reward_temperature;
  if (temperature.start != 1 || temperature.end != 1) {
    return InvalidArgument("train.reward_temperature: the z of an M-step are those of p(x, z) itself, at temperature 1");
  }
  EmParts em;
  em.environment = parts.environment;
  em.policy = parts.policy;
  em.reward = parts.reward;
  em.trainer = parts.trainer;
  em.model = owned_.get();
  em.listed = listed_;
  em.seed = static_cast<uint64_t>(parts.settings->seed);
  em.conditions = parts.conditions;
  ASSIGN_OR_RETURN(auto trainer, EmTrainer::Create(config_, em));
  return std::unique_ptr<TrainingLoop>(std::move(trainer));
}

Status EmLearner::Load(const std::string& checkpoint) {
  return owned_->parameters().Load(JoinPath(checkpoint, EmTrainer::kModelFile));
}

}  // namespace gfn
