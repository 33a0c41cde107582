#include "tasks/task/em_loop.h"

#include "lvm/em_trainer.h"

namespace gfn {

StatusOr<std::unique_ptr<TrainingLoop>> MakeEmLoop(const EmConfig& config, const LearnerParts& parts, GenerativeModel& model,
                                                   const CodeWorld* listed) {
  const ScheduleConfig& temperature = parts.settings->train.trainer.reward_temperature;
  if (temperature.start != 1 || temperature.end != 1) {
    return InvalidArgument("train.reward_temperature: the z of an M-step are those of p(x, z) itself, at temperature 1");
  }
  EmParts em;
  em.environment = parts.environment;
  em.policy = parts.policy;
  em.reward = parts.reward;
  em.trainer = parts.trainer;
  em.model = &model;
  em.listed = listed;
  em.seed = static_cast<uint64_t>(parts.settings->seed);
  em.conditions = parts.conditions;
  ASSIGN_OR_RETURN(auto trainer, EmTrainer::Create(config, em));
  return std::unique_ptr<TrainingLoop>(std::move(trainer));
}

}  // namespace gfn
