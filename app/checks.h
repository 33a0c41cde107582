// The checks of `gfn doctor`: invariants of the sampler, measured on a real model.
#pragma once

#include <string>
#include <vector>

#include "tasks/task_parts.h"

namespace gfn {

struct Check {
  std::string name;
  double found = 0;    // the largest deviation seen
  double allowed = 0;  // by dtype (gflownet/tensor/tolerances.h, docs/design.md)
  bool ok() const { return found <= allowed; }  // false for NaN
};

// Adds a little noise to an adapter that is still zero: a check of an adapter that changes nothing would prove nothing.
void PerturbAdapter(TaskParts& parts);

// sampler = scorer, adapter off = base, reward of the forest = one sequence at a time, gradient of the loss = finite differences.
// Nothing of `parts` is changed in the end.
StatusOr<std::vector<Check>> RunChecks(TaskParts& parts, const std::vector<ConditionId>& conditions, int64_t rollouts);

}  // namespace gfn
