// Few labels and a latent rationale (Hu et al. 2310.04363, section 4.3): R(z) = p_LM(z, answer | x), less a penalty where the
// frozen model prefers another label behind z. The policy sees x alone, so a new text is labelled by rationales that are drawn
// for it.
#pragma once

#include <memory>

#include "tasks/subjectivity/subjectivity_config.h"
#include "tasks/text/text_kind.h"

namespace gfn {

std::unique_ptr<TextKind> MakeTextKind(const SubjectivityConfig& config);

}  // namespace gfn
