// A posterior of the user's own: prompts, perhaps what stands behind the hidden text, and a reward of named terms. Configuration
// only.
#pragma once

#include <string_view>

#include "tasks/text/text_config.h"

namespace gfn {

struct PosteriorConfig : TextConfig {
  static constexpr std::string_view kKind = "posterior";

  PosteriorConfig() {
    data.fields.x = {"prompt"};
    data.fields.y = {};
    data.fields.z = {"reference"};
    prompt = "{X}";
    prompt_reads_y = false;
    support.min_len = 1;
    support.max_len = 32;
    support.stop = {"."};
    baselines = {{"untrained", "{X}"}};
  }
};

}  // namespace gfn
