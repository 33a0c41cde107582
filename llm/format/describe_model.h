// A model's shape for people.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "llm/format/model_config.h"

namespace gfn {

// (name, value) lines: architecture, parameters, layers, heads, vocabulary, the longest context, scaled rope.
std::vector<std::pair<std::string, std::string>> DescribeModelConfig(const ModelConfig& config);

}  // namespace gfn
