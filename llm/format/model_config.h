// What a language model is made of, whatever file it came from. A plain value: no torch, no file handles.
//
// Read from a Hugging Face config.json, from GGUF metadata or from the header of a llama2.c .bin. A key that would change
// the computation and is not supported (a kind of rope scaling, another activation, soft caps, ...) is refused by name; nothing
// unknown is guessed around.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"
#include "llm/format/family.h"
#include "llm/format/rope_scaling.h"

namespace gfn {

class GgufFile;

// No model has more; what is made for each layer stays small.
inline constexpr int64_t kMaxLayers = 4096;

// How a layer's q and k are rotated.
enum class LayerRope { kGlobal, kLocal, kNone };

struct ModelConfig {
  // Names the row of the table of families (family.h), which says what the layers compute.
  std::string model_type = "llama";
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;  // divides num_heads
  int64_t head_dim = 0;      // even where there is rope; num_heads * head_dim need not be hidden_size but for GPTs
  int64_t max_positions = 0;
  double norm_eps = 1e-5;
  // Rope rotates the first rotary_dim numbers of each head (0: learned positions, gpt2).
  double rope_theta = 10000.0;
  int64_t rotary_dim = 0;
  RopeScaling rope_scaling;
  // Of each layer; empty: kGlobal everywhere. kLocal has a base of its own and is not scaled.
  std::vector<LayerRope> layer_ropes;
  double local_rope_theta = 10000.0;
  // Scores of attention are divided by the root of this number; unset: by that of head_dim.
  std::optional<double> query_scalar;
  // The LM head is the embedding; then no tensor lm_head.weight is read. As the config states it: OpenModel (weight_source.h)
  // says what the weights are, because a file may hold a head of its own all the same.
  bool tie_embeddings = false;
  bool qkv_bias = false;  // q, k and v projections have biases
  bool attention_out_bias = false;
  bool mlp_bias = false;  // all of the MLP's
  // A position attends to at most this many positions, itself included. Unset: all of them.
  // The engine has no windowed attention: a context longer than the window of any layer is refused (CheckContext), a shorter one
  // is exact.
  std::optional<int64_t> sliding_window;
  std::optional<int64_t> bos_id, pad_id;
  std::vector<int64_t> eos_ids;  // each ends a generation

  const Family& family() const { return FamilyOf(model_type); }
  int64_t q_width() const { return num_heads * head_dim; }
  int64_t kv_width() const { return num_kv_heads * head_dim; }
  LayerRope RopeOf(int64_t layer) const {
    return layer_ropes.empty() ? LayerRope::kGlobal : layer_ropes[static_cast<size_t>(layer)];
  }
};

// All fields are in range and agree with each other. `where` begins the message.
Status Validate(const ModelConfig& config, std::string_view where);

// The longest context that CheckContext lets through.
int64_t MaxContext(const ModelConfig& config);
// Refuses a context that the model cannot see whole: longer than max_positions or than the sliding window.
Status CheckContext(const ModelConfig& config, int64_t num_positions);

// From the text of a config.json; `where` is its path, for messages.
StatusOr<ModelConfig> ModelConfigFromHfJson(std::string_view text, std::string_view where);
// The config.json of Hugging Face transformers for this model; torch_dtype names the stored type ("float32", "bfloat16").
std::string ModelConfigToHfJson(const ModelConfig& config, std::string_view torch_dtype);
// The same for a model whose base has a config.json: all of it stays but what the weights say (type, whether the head is tied).
StatusOr<std::string> ModelConfigToHfJson(const ModelConfig& config, std::string_view torch_dtype, std::string_view base_text,
                                          std::string_view where);

// From GGUF metadata, for the families that llama.cpp has. Whether the embedding is tied, biases and the divisors of rope's
// frequencies are seen from the tensors.
StatusOr<ModelConfig> ModelConfigFromGguf(const GgufFile& file);

// From the 28 bytes that begin a legacy llama2.c .bin: int32 dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size
// (negative: the head is not tied), seq_len. `file_bytes` is the size of the whole file, which the header must explain exactly.
inline constexpr int64_t kLlama2cHeaderBytes = 28;
StatusOr<ModelConfig> ModelConfigFromLlama2cHeader(std::span<const std::byte> header, int64_t file_bytes, std::string_view where);

// The config alone of whatever OpenModel (weight_source.h) would open; no weight is looked at.
StatusOr<ModelConfig> ReadModelConfig(const std::string& path);

}  // namespace gfn
