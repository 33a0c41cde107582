// A reward for texts in which a regular expression is found.
#pragma once

#include <memory>

#include "tasks/text/reward_terms.h"

namespace gfn {

// InvalidArgument for a pattern that is none, with the place of the fault.
StatusOr<std::unique_ptr<const TextTerm>> MakePatternTerm(const PatternTerm& config);

}  // namespace gfn
