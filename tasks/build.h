// The composition root: from a configuration to the task that it names. The only place that knows every kind.
#pragma once

#include <memory>

#include "tasks/run_config.h"
#include "tasks/task/task.h"

namespace gfn {

std::unique_ptr<TaskPlan> MakePlan(const RunConfig& config);

// MakePlan and its Build.
StatusOr<std::unique_ptr<Task>> BuildTask(const RunConfig& config, const LogFunction& log);

}  // namespace gfn
