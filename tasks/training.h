// The training of any task, and its parameters from a checkpoint.
#pragma once

#include <memory>
#include <string>

#include "gflownet/base/status.h"
#include "gflownet/core/checked_policy.h"
#include "gflownet/core/log_z.h"
#include "gflownet/core/objective.h"
#include "gflownet/core/trainer.h"
#include "tasks/task/task.h"

namespace gfn {

// What a training run needs beside the task.
struct TrainingParts {
  std::unique_ptr<Objective> objective, warm_start;
  std::unique_ptr<LogZPolicy> with_log_z;  // only where the objective asks for log Z and the task's policy does not know it
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Trainer> trainer;
  std::unique_ptr<TrainingLoop> task_loop;  // of a task that learns more than its sampler
  // Sampler = scorer, watched at every step of a language model, whose sampling and scoring are code of their own (a cache, an
  // adapter, a fused head); absent for worlds, where it would cost as much as the step.
  std::unique_ptr<CheckedPolicy> checked_policy;
  std::unique_ptr<CheckedLoop> checked_loop;

  TrainingLoop& loop() {
    if (checked_loop != nullptr) return *checked_loop;
    return task_loop != nullptr ? *task_loop : static_cast<TrainingLoop&>(*trainer);
  }
};
StatusOr<TrainingParts> MakeTraining(const RunSettings& settings, Task& task, const TrainingData& data,
                                     const std::string& failure_folder);

// What a task has learned, from a checkpoint of its loop; what belongs to training alone is left out.
Status LoadTrained(const std::string& checkpoint, Task& task);

}  // namespace gfn
