// Writes a model as a Hugging Face folder: config.json and model.safetensors. Tokenizer files are the caller's.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "gflownet/base/status.h"
#include "llm/format/model_config.h"

namespace gfn {

// `read` is asked for every name of ExpectedTensors(config), one at a time, so that one tensor is in memory besides what the
// caller holds; it answers in Hugging Face layout (WeightSource::Read does). dtype: at::kFloat, at::kBFloat16 or at::kHalf.
// The folder is made if needed and files in it of other names stay. InvalidArgument if a tensor has another shape or a number
// that is not finite in this dtype; then no model.safetensors of this call exists.
// `base_config`: the config.json of the model that this one was made from, all of which stays (eos and pad ids, scaled rope, what
// only other programs read); "" where it has none, as a GGUF file: then it is made from `config`, for transformers' classes.
Status WriteHfModel(const std::string& folder, const ModelConfig& config, at::ScalarType dtype,
                    const std::function<StatusOr<at::Tensor>(const std::string& name)>& read,
                    const std::string& base_config = "");

}  // namespace gfn
