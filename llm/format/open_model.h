// How each format becomes a WeightSource. Internal to llm/format; use OpenModel (weight_source.h).
#pragma once

#include <memory>
#include <string>

#include "gflownet/base/status.h"
#include "llm/format/weight_source.h"

namespace gfn {

StatusOr<std::unique_ptr<WeightSource>> OpenGgufModel(const std::string& path);
StatusOr<std::unique_ptr<WeightSource>> OpenHfModel(const std::string& folder);
StatusOr<std::unique_ptr<WeightSource>> OpenLlama2cModel(const std::string& path);

}  // namespace gfn
