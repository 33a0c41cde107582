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

}  // namespace gfn
