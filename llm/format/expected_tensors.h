// What a model of a given config is made of: its products and norms, and its tensors under Hugging Face's names and in Hugging
// Face's layout. No torch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "llm/format/model_config.h"

namespace gfn {

// A linear module of a layer, as an adapter can name it, inside a product.
struct LinearModule {
  std::string name = {};  // in its layer: "self_attn.q_proj"
  std::string gguf = {};
  int64_t outputs = 0;
  int64_t heads = 0;  // q or k alone: its rows are those of so many heads
};
// One frozen product of a layer: its modules side by side read the same input.
struct Product {
  int64_t inputs = 0;
  bool bias = false;
  std::vector<LinearModule> modules = {};

  int64_t outputs() const;
};
Product ProductOf(const ModelConfig& config, Slot slot);
// "model.layers.3." + a module's or a norm's name.
std::string NameInLayer(const ModelConfig& config, int64_t layer, std::string_view name);

// The norms that a layer can have, in the order of its pass. Those of q and k stand behind the product.
enum class NormPlace { kAttention, kQuery, kKey, kAttentionPost, kMlp, kMlpPost };
inline constexpr int kNumNormPlaces = 6;
struct LayerNorm {
  NameInFiles name = {};  // in its layer; empty: the layers have no such norm
  int64_t width = 0;      // numbers that are normalised together
};
LayerNorm NormOf(const ModelConfig& config, NormPlace place);

struct ExpectedTensor {
  std::string name = {};            // "model.layers.0.self_attn.q_proj.weight", "transformer.h.0.attn.c_attn.weight"
  std::vector<int64_t> shape = {};  // [out, in] row-major, but [in, out] where conv1d; [n] for norms and biases
  bool conv1d = false;              // gpt2's Conv1D: y = x W + b
  std::string gguf = {};            // its name in GGUF
  int64_t heads = 0;                // rows (numbers, of a bias) of q or k of so many heads
  bool norm = false;                // a norm's weight
};

// In the order of the model: embeddings, layers, final norm, head (no lm_head.weight where tied).
std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config);

// Whether a weight of this name is gpt2's Conv1D, stored [in, out].
bool IsConv1D(const ModelConfig& config, std::string_view name);

// Parameters of the model by its config, embeddings counted once where tied.
int64_t NumParameters(const ModelConfig& config);

// Numbers of a position that a layer keeps for the way back (llm/model/transformer.h), without an adapter's.
int64_t NumTapeNumbers(const ModelConfig& config);

}  // namespace gfn
