// What lies under a model path, told by content. Internal to llm/format.
#pragma once

#include <string>

#include "gflownet/base/mapped_file.h"
#include "gflownet/base/status.h"
#include "llm/format/model_config.h"

namespace gfn {

enum class ModelFormat { kGguf, kHuggingFace, kLlama2c };

// NotFound if there is nothing; InvalidArgument saying what was found if it is none of them. A single file that has no mark of
// its own is taken for llama2.c's, whose header must then explain its size.
StatusOr<ModelFormat> DetectModelFormat(const std::string& path);

StatusOr<ModelConfig> ReadHfConfig(const std::string& folder);
StatusOr<ModelConfig> ReadLlama2cConfig(const MappedFile& file);

}  // namespace gfn
