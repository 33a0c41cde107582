// EM around the trainer of a task's sampler (lvm/em_trainer.h).
#pragma once

#include <memory>

#include "gflownet/base/status.h"
#include "gflownet/train/training_loop.h"
#include "lvm/code_world.h"
#include "lvm/em_config.h"
#include "lvm/generative_model.h"
#include "tasks/task/learner.h"

namespace gfn {

// `model` is what is fitted; `listed` the world where all z can be listed, or null. Both outlive the loop. InvalidArgument for a
// run whose reward temperature is not 1 throughout: the z of an M-step are those of p(x, z) itself.
StatusOr<std::unique_ptr<TrainingLoop>> MakeEmLoop(const EmConfig& config, const LearnerParts& parts, GenerativeModel& model,
                                                   const CodeWorld* listed);

}  // namespace gfn
