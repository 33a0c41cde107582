// Any world behind the interface of all tasks.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tasks/task/task.h"
#include "tasks/world/world.h"
#include "tasks/world/world_config.h"

namespace gfn {

using WorldMaker = std::function<StatusOr<std::unique_ptr<World>>()>;

std::unique_ptr<TaskPlan> MakeWorldPlan(std::string kind, WorldMaker make, const WorldSettings& world,
                                        const RunSettings& settings);

template <class W>
std::unique_ptr<TaskPlan> MakeTaskPlan(const WorldConfig<W>& task, const RunSettings& settings) {
  return MakeWorldPlan(
      std::string(W::kKind), [world = task.world] { return MakeWorld(world); }, task.settings, settings);
}

}  // namespace gfn
