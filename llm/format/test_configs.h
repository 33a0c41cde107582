// For tests: a small model's config as config.json and as GGUF metadata, to be changed and parsed.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "llm/format/gguf_builder.h"
#include "llm/format/gguf_file.h"
#include "llm/format/model_config.h"
#include "nlohmann/json.hpp"

namespace gfn {

inline nlohmann::json LlamaJson() {
  return {{"model_type", "llama"},    {"vocab_size", 100},      {"hidden_size", 32},
          {"intermediate_size", 48},  {"num_hidden_layers", 2}, {"num_attention_heads", 4},
          {"num_key_value_heads", 2}, {"hidden_act", "silu"},   {"max_position_embeddings", 64},
          {"rms_norm_eps", 1e-6},     {"rope_theta", 500.0},    {"tie_word_embeddings", true},
          {"bos_token_id", 1},        {"eos_token_id", {2, 3}}};
}

inline StatusOr<ModelConfig> Parse(const nlohmann::json& value) { return ModelConfigFromHfJson(value.dump(), "config.json"); }

// The message of `base` with one key changed, which must be refused.
inline std::string ConfigRefusal(nlohmann::json base, const char* key, const nlohmann::json& value) {
  base[key] = value;
  const auto config = Parse(base);
  EXPECT_FALSE(config.ok()) << key;
  return config.ok() ? "" : Message(config.status());
}

inline GgufBuilder LlamaGguf() {
  GgufBuilder builder;
  builder.String("general.architecture", "llama").Uint32("llama.block_count", 1).Uint32("llama.context_length", 16);
  builder.Uint32("llama.embedding_length", 4).Uint32("llama.feed_forward_length", 4).Uint32("llama.attention.head_count", 2);
  builder.Float32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  return builder.F32("token_embd.weight", {4, 3}, std::vector<float>(12));
}

inline StatusOr<ModelConfig> Parse(const GgufBuilder& builder) {
  const std::string bytes = builder.Build();
  auto file = GgufFile::Parse(AsBytes(bytes), "f.gguf");
  EXPECT_TRUE(file.ok()) << Message(file.status());
  return ModelConfigFromGguf(*file);
}

}  // namespace gfn
