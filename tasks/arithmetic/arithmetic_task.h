// Rationales of sums with a calculator (Hu et al. 2310.04363, section 4.4): R(z) = p_LM(z stop y | demonstrations, x), whose
// model reads worked examples, while the policy sees the question alone.
#pragma once

#include <memory>

#include "tasks/arithmetic/arithmetic_config.h"
#include "tasks/text/text_kind.h"

namespace gfn {

std::unique_ptr<TextKind> MakeTextKind(const ArithmeticConfig& config);

}  // namespace gfn
