// adapter_config.json of a PEFT LoRA adapter as text. Internal to peft_file.cc; no torch in it.
#pragma once

#include <string>
#include <string_view>

#include "gflownet/base/status.h"
#include "llm/format/peft_file.h"

namespace gfn {

// `where` is the file's path, for messages.
StatusOr<PeftConfig> PeftConfigFromJson(std::string_view text, const std::string& where);
std::string PeftConfigToJson(const PeftConfig& config);

// Whether a key of rank_pattern or alpha_pattern names this module, by PEFT's rule: re.match("(.*\\.)?(key)$", module).
// InvalidArgument for a key that is no regular expression, or that takes too long to match.
StatusOr<bool> PatternMatches(const std::string& key, std::string_view module);

}  // namespace gfn
