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

// Models that are stored or read in another form: quantised, with towers for images or sound. Unimplemented naming the key.
Status RefuseOtherForms(const JsonFields& fields);
// Keys by which other families change the computation, and which transformers' class of this family does not know: whoever wrote
// them meant another function. Unimplemented naming the key, unless its value changes nothing.
Status RefuseForeignKeys(const JsonFields& fields, const Family& family);

}  // namespace gfn
