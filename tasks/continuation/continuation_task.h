// The continuation task: R(z) = p_LM(z stop | x), sampled at a temperature T below 1, where decoding by tempered steps is myopic
// (Hu et al. 2310.04363, section 4.1). Evaluations measure against R^(1/T) at the T that training ends with.
#pragma once

#include <memory>

#include "tasks/continuation/continuation_config.h"
#include "tasks/text/text_kind.h"

namespace gfn {

std::unique_ptr<TextKind> MakeTextKind(const ContinuationConfig& config);

}  // namespace gfn
