// The continuation task: what goes on from a prompt x, with nothing behind it. Configuration only.
#pragma once

#include <string_view>

#include "tasks/text/text_config.h"

namespace gfn {

struct ContinuationConfig : TextConfig {
  static constexpr std::string_view kKind = "continuation";

  ContinuationConfig() {
    data.fields.y.clear();
    data.fields.has_y = false;
    prompt = "{X}";
    support.min_len = 1;
    support.max_len = 30;
    baselines = {{"untrained", "{X}"}};
  }
};

}  // namespace gfn
