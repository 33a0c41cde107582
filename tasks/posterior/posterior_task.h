// Tasks for people who bring prompts and a reward and no code (docs/guides/reward.md).
#pragma once

#include <memory>

#include "tasks/posterior/posterior_config.h"
#include "tasks/text/text_kind.h"

namespace gfn {

std::unique_ptr<TextKind> MakeTextKind(const PosteriorConfig& config);

}  // namespace gfn
