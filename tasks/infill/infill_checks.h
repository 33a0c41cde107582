// The checks of `gfn doctor`: invariants of the sampler, measured on a real model.
#pragma once

#include <vector>

#include "tasks/infill/infill_parts.h"

namespace gfn {

// Adds a little noise to an adapter that is still zero: a check of an adapter that changes nothing would prove nothing.
void PerturbAdapter(InfillParts& parts);

// sampler = scorer, adapter off = base, reward of the forest = one sequence at a time, gradient of the loss = finite differences.
// Nothing of `parts` is changed in the end.
StatusOr<std::vector<Check>> RunChecks(InfillParts& parts, const std::vector<ConditionId>& conditions, int64_t rollouts);

}  // namespace gfn
