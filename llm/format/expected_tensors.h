// The tensors that a model of a given config has, under Hugging Face's names and in Hugging Face's layout. No torch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "llm/format/model_config.h"

namespace gfn {

struct ExpectedTensor {
  std::string name;            // "model.layers.0.self_attn.q_proj.weight", "transformer.h.0.attn.c_attn.weight"
  std::vector<int64_t> shape;  // [out, in] row-major, but [in, out] where conv1d; [n] for norms and biases
  bool conv1d = false;         // gpt2's Conv1D: y = x W + b
};

// In the order of the model: embeddings, layers, final norm, head (no lm_head.weight where tied).
std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config);

// Whether a weight of this name is gpt2's Conv1D, stored [in, out].
bool IsConv1D(const ModelConfig& config, std::string_view name);

// Parameters of the model by its config, embeddings counted once where tied.
int64_t NumParameters(const ModelConfig& config);

}  // namespace gfn
