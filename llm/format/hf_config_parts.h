// Parts of reading and writing a config.json. Internal to llm/format.
#pragma once

#include <string_view>

#include "gflownet/base/status.h"
#include "llm/format/json_fields.h"
#include "llm/format/model_config.h"
#include "nlohmann/json_fwd.hpp"

namespace gfn {

// rope_theta and rope_scaling of a config whose other sizes are read.
Status ReadHfRope(const JsonFields& fields, ModelConfig& config);
// The value of rope_parameters (and of rope_scaling, its name before transformers 5).
nlohmann::json HfRopeParameters(const ModelConfig& config);

// Keys by which other families change the computation, and which transformers' classes of our families do not know: whoever wrote
// them meant another function than ours. Unimplemented naming the key, unless its value changes nothing.
Status RefuseForeignKeys(const JsonFields& fields);

// "LlamaForCausalLM" for "llama"; nullptr for a type that is not supported.
const char* HfClassOf(std::string_view model_type);

}  // namespace gfn
