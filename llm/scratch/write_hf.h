// Writes a trained decoder as a Hugging Face folder that is a llama: the frozen engine and transformers compute the same logits.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/tensor/parameter_set.h"
#include "llm/scratch/decoder.h"

namespace gfn::scratch {

struct HfOptions {
  int64_t max_positions = 1024;
  std::optional<int64_t> bos_id;
  std::vector<int64_t> eos_ids;
  at::ScalarType dtype = at::kFloat;  // kFloat, kBFloat16 or kHalf
};

// `parameters` hold a decoder of `config` under `name` (NetScope::name). The multipliers of its parametrisation become part of
// the written weights; where they differ between the two uses of a tied embedding, the folder has a head of its own. Writes
// config.json and model.safetensors (hf_writer.h, whose errors these are); tokenizer files are the caller's.
Status WriteHfDecoder(const std::string& folder, const ParameterSet& parameters, const std::string& name,
                      const DecoderConfig& config, const HfOptions& options);

}  // namespace gfn::scratch
