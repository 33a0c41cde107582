// `gfn doctor` of a world: invariants of its rules, its policy and its gradient, measured.
#pragma once

#include "gflownet/core/policy.h"
#include "gflownet/tensor/parameter_set.h"
#include "tasks/task/task.h"
#include "tasks/world/world.h"
#include "tasks/world/world_metrics.h"

namespace gfn {

StatusOr<Examination> ExamineWorld(const World& world, const Policy& policy, ParameterSet& parameters,
                                   const std::vector<ExactTruth>& truth);

}  // namespace gfn
