#include "tasks/world/em_learner.h"

#include "gflownet/base/file_util.h"
#include "lvm/em_trainer.h"
#include "tasks/task/em_loop.h"

namespace gfn {

StatusOr<std::unique_ptr<TrainingLoop>> EmLearner::MakeLoop(const LearnerParts& parts) {
  return MakeEmLoop(config_, parts, *owned_, listed_);
}

Status EmLearner::Load(const std::string& checkpoint) {
  return owned_->parameters().Load(JoinPath(checkpoint, EmTrainer::kModelFile));
}

}  // namespace gfn
