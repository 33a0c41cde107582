#include "tasks/build.h"

#include "tasks/infill/infill_task.h"
#include "tasks/world/world_task.h"

namespace gfn {

// MakeTaskPlan is overloaded for every alternative of TaskConfig, in the header of its folder.
std::unique_ptr<TaskPlan> MakePlan(const RunConfig& config) {
  return std::visit([&](const auto& task) { return MakeTaskPlan(task, config); }, config.task);
}

StatusOr<std::unique_ptr<Task>> BuildTask(const RunConfig& config, const LogFunction& log) {
  return MakePlan(config)->Build(log);
}

}  // namespace gfn
