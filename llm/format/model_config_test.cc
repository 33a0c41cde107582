#include "llm/format/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "gflownet/base/file_util.h"
#include "llm/format/expected_tensors.h"
#include "llm/format/test_configs.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string kModels = GFN_SOURCE_DIR "/tests/golden/models/";

json Gpt2Json() {
  return {{"model_type", "gpt2"}, {"vocab_size", 100}, {"n_embd", 32}, {"n_layer", 2}, {"n_head", 4}, {"n_positions", 16}};
}

TEST(ModelConfigHf, ReadsLlama) {
  const auto c = Parse(LlamaJson());
  ASSERT_TRUE(c.ok()) << Message(c.status());
  EXPECT_EQ(c->family().naming->name, "llama");
  EXPECT_EQ(c->head_dim, 8);
  EXPECT_EQ(c->rotary_dim, 8);
  EXPECT_EQ(c->rope_theta, 500.0);
  EXPECT_FALSE(c->family().rope_interleaved);
  EXPECT_TRUE(c->tie_embeddings);
  EXPECT_FALSE(c->qkv_bias);
  EXPECT_EQ(c->family().activation, Activation::kSilu);
  EXPECT_EQ(c->bos_id, 1);
  EXPECT_EQ(c->eos_ids, (std::vector<int64_t>{2, 3}));
  EXPECT_FALSE(c->sliding_window);
}

TEST(ModelConfigHf, ReadsTheSlidingWindowsOfMistralAndQwen2) {
  json mistral = LlamaJson();
  mistral["model_type"] = "mistral";
  EXPECT_EQ(Parse(mistral)->sliding_window, 4096);
  mistral["sliding_window"] = nullptr;
  EXPECT_FALSE(Parse(mistral)->sliding_window);
  mistral["sliding_window"] = 10;
  const auto c = Parse(mistral);
  EXPECT_TRUE(CheckContext(*c, 10).ok());
  EXPECT_THAT(Message(CheckContext(*c, 11)), HasSubstr("sliding window of 10"));
  EXPECT_THAT(Message(CheckContext(*c, 65)), HasSubstr("64 positions"));

  json qwen2 = LlamaJson();
  qwen2["model_type"] = "qwen2";
  qwen2["sliding_window"] = 10;
  EXPECT_TRUE(Parse(qwen2)->qkv_bias);
  EXPECT_FALSE(Parse(qwen2)->sliding_window);
  qwen2["use_sliding_window"] = true;
  EXPECT_FALSE(Parse(qwen2)->sliding_window) << "the first 28 layers see everything";
  qwen2["max_window_layers"] = 1;
  EXPECT_EQ(Parse(qwen2)->sliding_window, 10);
  EXPECT_EQ(MaxContext(*Parse(qwen2)), 10);
  qwen2["layer_types"] = {"full_attention", "full_attention"};
  EXPECT_FALSE(Parse(qwen2)->sliding_window) << "the list decides where there is one";
  qwen2["layer_types"] = {"full_attention", "sliding_attention"};
  EXPECT_EQ(Parse(qwen2)->sliding_window, 10);
  EXPECT_THAT(ConfigRefusal(qwen2, "layer_types", {"full_attention", "chunked_attention"}), HasSubstr("layer_types"));
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "layer_types", {"sliding_attention"}), HasSubstr("layer_types"));
}

TEST(ModelConfigHf, ReadsBiasesAndIds) {
  json j = LlamaJson();
  const int64_t without = NumParameters(*Parse(j));
  j["attention_bias"] = true;
  EXPECT_EQ(NumParameters(*Parse(j)), without + 2 * (32 + 16 + 16 + 32));
  j["mlp_bias"] = true;
  EXPECT_EQ(NumParameters(*Parse(j)), without + 2 * (32 + 16 + 16 + 32 + 48 + 48 + 32));
  j["pad_token_id"] = 7;
  EXPECT_EQ(Parse(j)->pad_id, 7);
  EXPECT_EQ(Parse(j)->eos_ids, (std::vector<int64_t>{2, 3}));
  j["eos_token_id"] = nullptr;
  EXPECT_TRUE(Parse(j)->eos_ids.empty());
}

TEST(ModelConfigHf, ReadsGpt2AndGptJ) {
  const auto gpt2 = Parse(Gpt2Json());
  ASSERT_TRUE(gpt2.ok()) << Message(gpt2.status());
  EXPECT_EQ(gpt2->intermediate_size, 128);
  EXPECT_EQ(gpt2->rotary_dim, 0);
  EXPECT_TRUE(gpt2->tie_embeddings);
  EXPECT_TRUE(gpt2->qkv_bias);
  EXPECT_EQ(gpt2->family().activation, Activation::kGeluTanh);
  json j = Gpt2Json();
  j["model_type"] = "gptj";
  j["rotary_dim"] = 4;
  const auto gptj = Parse(j);
  ASSERT_TRUE(gptj.ok()) << Message(gptj.status());
  EXPECT_EQ(gptj->rotary_dim, 4);
  EXPECT_TRUE(gptj->family().rope_interleaved);
  EXPECT_TRUE(gptj->family().lm_head_bias);
  EXPECT_FALSE(gptj->tie_embeddings);
  j.erase("rotary_dim");
  EXPECT_THAT(Message(Parse(j).status()), HasSubstr("'rotary_dim' is missing, expected an integer"));
}

TEST(ModelConfigHf, RefusesWhatWouldBeAnotherComputation) {
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "model_type", "mamba"), HasSubstr("supported are llama, mistral, qwen2, gpt2, gptj"));
  json mistral = LlamaJson();
  mistral["model_type"] = "mistral";
  EXPECT_THAT(ConfigRefusal(mistral, "attention_bias", true), HasSubstr("key 'attention_bias' is true"));
  EXPECT_THAT(ConfigRefusal(mistral, "mlp_bias", true), HasSubstr("mlp_bias"));
  const std::vector<std::pair<const char*, json>> foreign = {{"is_causal", false},
                                                             {"attn_logit_softcapping", 50.0},
                                                             {"final_logit_softcapping", 30.0},
                                                             {"partial_rotary_factor", 0.5},
                                                             {"clip_qkv", 8.0},
                                                             {"logit_scale", 0.0625},
                                                             {"logits_scaling", 8.0},
                                                             {"embedding_multiplier", 12.0},
                                                             {"residual_multiplier", 0.22},
                                                             {"attention_multiplier", 0.015625},
                                                             {"num_local_experts", 8},
                                                             {"use_qk_norm", true},
                                                             {"no_rope_layers", {1, 0}},
                                                             {"use_bidirectional_attention", true},
                                                             {"quantization_config", {{"bits", 4}}}};
  for (const auto& [key, value] : foreign) {
    EXPECT_THAT(ConfigRefusal(LlamaJson(), key, value), HasSubstr(std::string("'") + key + "'"));
    json neutral = LlamaJson();
    neutral[key] = nullptr;
    EXPECT_TRUE(Parse(neutral).ok()) << key;
  }
  json neutral = LlamaJson();
  neutral.update({{"is_causal", true}, {"partial_rotary_factor", 1.0}, {"logit_scale", 1.0}, {"rope_interleaved", false}});
  EXPECT_TRUE(Parse(neutral).ok()) << Message(Parse(neutral).status());
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "hidden_act", "gelu"), HasSubstr("only \"silu\" is"));
  EXPECT_THAT(ConfigRefusal(Gpt2Json(), "activation_function", "relu"), HasSubstr("gelu_new"));
  EXPECT_THAT(ConfigRefusal(Gpt2Json(), "scale_attn_by_inverse_layer_idx", true), HasSubstr("scale_attn_by_inverse_layer_idx"));
  EXPECT_THAT(ConfigRefusal(Gpt2Json(), "add_cross_attention", true), HasSubstr("add_cross_attention"));
}

TEST(ModelConfigHf, RefusesValuesOutOfRange) {
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "vocab_size", 0), HasSubstr("config.json: the vocabulary size is 0, expected 1 to"));
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "vocab_size", "x"), HasSubstr("key 'vocab_size' is \"x\", expected an integer"));
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "hidden_size", ~uint64_t{0}), HasSubstr("expected an integer"));
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "hidden_size", 33), HasSubstr("hidden_size"));
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "head_dim", 7), HasSubstr("even number"));
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "num_hidden_layers", 1000000000), HasSubstr("number of layers"));
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "num_attention_heads", 0), HasSubstr("positive"));
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "num_key_value_heads", 3), HasSubstr("divisor of 4"));
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "rms_norm_eps", 0), HasSubstr("epsilon"));
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "rope_theta", -1.0), HasSubstr("rope"));
  EXPECT_THAT(ConfigRefusal(Gpt2Json(), "n_head", 5), HasSubstr("divisor of n_embd"));
  EXPECT_THAT(Message(Parse(json::array()).status()), HasSubstr("expected a JSON object"));
  EXPECT_THAT(Message(ModelConfigFromHfJson("{", "config.json").status()), HasSubstr("config.json"));
}

TEST(ModelConfigHf, WritesWhatItReads) {
  for (const char* name : {"tiny_llama", "tiny_qwen2", "tiny_gpt2", "tiny_gptj", "tiny_llama_sharded", "tiny_llama_biases",
                           "tiny_llama3", "tiny_llama_yarn", "tiny_qwen2_yarn", "tiny_mistral", "tiny_qwen3", "tiny_smollm3",
                           "tiny_olmo2", "tiny_gemma3", "tiny_gemma3_sixth", "tiny_phi3"}) {
    const auto config = ReadModelConfig(kModels + name);
    ASSERT_TRUE(config.ok()) << Message(config.status());
    const std::string text = ModelConfigToHfJson(*config, "float32");
    const auto again = ModelConfigFromHfJson(text, "again");
    ASSERT_TRUE(again.ok()) << Message(again.status());
    EXPECT_EQ(ModelConfigToHfJson(*again, "float32"), text);
    EXPECT_EQ(NumParameters(*again), NumParameters(*config));
    EXPECT_EQ(RopeFrequencies(again->rope_theta, again->rotary_dim, again->rope_scaling),
              RopeFrequencies(config->rope_theta, config->rotary_dim, config->rope_scaling));
    EXPECT_EQ(again->rope_scaling.attention_factor, config->rope_scaling.attention_factor);
    EXPECT_EQ(again->eos_ids, config->eos_ids);
    EXPECT_EQ(MaxContext(*again), MaxContext(*config));
  }
}

TEST(ModelConfigHf, KeepsWhatTheBaseSays) {
  json j = LlamaJson();
  j["pad_token_id"] = 5;
  j["dtype"] = "float16";
  j["auto_map"] = {{"AutoModel", "code.py"}};
  j["somebody_elses_key"] = {1, 2, 3};
  ModelConfig config = *Parse(j);
  config.tie_embeddings = false;
  const auto text = ModelConfigToHfJson(config, "bfloat16", j.dump(), "config.json");
  ASSERT_TRUE(text.ok()) << Message(text.status());
  json expected = j;
  expected.update({{"architectures", {"LlamaForCausalLM"}}, {"dtype", "bfloat16"}, {"tie_word_embeddings", false}});
  expected.erase("auto_map");
  EXPECT_EQ(json::parse(*text), expected);
}

TEST(ModelConfigGguf, AgreesWithTheHuggingFaceConfigOfTheSameModel) {
  for (const char* name : {"tiny_llama_sharded", "tiny_qwen2", "tiny_gpt2", "tiny_qwen3", "tiny_smollm3", "tiny_olmo2",
                           "tiny_gemma3_sixth", "tiny_phi3"}) {
    auto gguf = ReadModelConfig(std::string(GFN_SOURCE_DIR "/tests/golden/format/") + name + ".gguf");
    const auto hf = ReadModelConfig(kModels + name);
    ASSERT_TRUE(gguf.ok() && hf.ok()) << Message(gguf.status()) << Message(hf.status());
    EXPECT_NEAR(gguf->norm_eps, hf->norm_eps, 1e-12);  // stored as fp32
    gguf->norm_eps = hf->norm_eps;
    EXPECT_NEAR(gguf->rope_scaling.attention_factor, hf->rope_scaling.attention_factor, 1e-6);
    gguf->rope_scaling.attention_factor = hf->rope_scaling.attention_factor;
    EXPECT_EQ(ModelConfigToHfJson(*gguf, "float32"), ModelConfigToHfJson(*hf, "float32")) << name;
  }
}

TEST(ModelConfigGguf, TakesDefaultsWhereKeysAreAbsent) {
  const auto c = Parse(LlamaGguf());
  ASSERT_TRUE(c.ok()) << Message(c.status());
  EXPECT_EQ(c->vocab_size, 3);
  EXPECT_EQ(c->num_kv_heads, 2);
  EXPECT_EQ(c->head_dim, 2);
  EXPECT_EQ(c->rope_theta, 10000.0);
  EXPECT_TRUE(c->tie_embeddings);
  EXPECT_FALSE(c->bos_id);
}

TEST(ModelConfigGguf, RefusesWhatItCannotCompute) {
  const auto refusal = [](GgufBuilder& builder) { return Message(Parse(builder).status()); };
  EXPECT_THAT(refusal(LlamaGguf().String("llama.rope.scaling.type", "longrope")), HasSubstr("'llama.rope.scaling.type'"));
  EXPECT_THAT(refusal(LlamaGguf().String("llama.rope.scaling.type", "yarn").Float32("llama.rope.scaling.yarn_ext_factor", 0.5f)),
              HasSubstr("it is 0.5, supported is 1"));
  EXPECT_THAT(refusal(LlamaGguf().Uint32("llama.expert_count", 8)), HasSubstr("mixtures of experts"));
  EXPECT_THAT(refusal(LlamaGguf().Uint32("llama.rope.dimension_count", 1)), HasSubstr("it is 1, supported is the head size 2"));
  EXPECT_THAT(refusal(LlamaGguf().Uint32("llama.vocab_size", 5)), HasSubstr("the embedding has 3 rows"));
  EXPECT_THAT(refusal(LlamaGguf().F32("rope_freqs.weight", {2}, {1, 1})),
              HasSubstr("'rope_freqs.weight' has 2 numbers, expected 1"));
  EXPECT_THAT(refusal(GgufBuilder().String("general.architecture", "mamba")), HasSubstr("supported are llama, qwen2, gpt2"));
  EXPECT_THAT(refusal(GgufBuilder().String("general.architecture", "llama")), HasSubstr("llama.block_count"));
}

std::array<int32_t, 7> Llama2cHeader() { return {8, 16, 2, 2, 1, 5, 10}; }

StatusOr<ModelConfig> ParseLlama2c(const std::array<int32_t, 7>& header, int64_t bytes) {
  return ModelConfigFromLlama2cHeader(std::as_bytes(std::span(header)), bytes, "m.bin");
}

// embedding 5*8; a layer: norms 2*8, q 8*8, k and v 4*8 each, o 8*8, mlp 3*8*16; final norm 8; rope tables 10*4
constexpr int64_t kLlama2cBytes = 28 + 4 * (40 + 2 * (16 + 64 + 64 + 64 + 384) + 8 + 40);

TEST(ModelConfigLlama2c, ReadsTheHeader) {
  const auto tied = ParseLlama2c(Llama2cHeader(), kLlama2cBytes);
  ASSERT_TRUE(tied.ok()) << Message(tied.status());
  EXPECT_TRUE(tied->tie_embeddings);
  EXPECT_EQ(tied->num_kv_heads, 1);
  EXPECT_EQ(tied->head_dim, 4);
  auto header = Llama2cHeader();
  header[5] = -5;
  const auto untied = ParseLlama2c(header, kLlama2cBytes + 4 * 40);
  ASSERT_TRUE(untied.ok()) << Message(untied.status());
  EXPECT_FALSE(untied->tie_embeddings);
  EXPECT_EQ(untied->vocab_size, 5);
}

TEST(ModelConfigLlama2c, RefusesSizesThatTheHeaderDoesNotExplain) {
  EXPECT_THAT(Message(ParseLlama2c(Llama2cHeader(), kLlama2cBytes - 1).status()), HasSubstr("the file has"));
  auto header = Llama2cHeader();
  header[2] = std::numeric_limits<int32_t>::max();
  EXPECT_THAT(Message(ParseLlama2c(header, kLlama2cBytes).status()), HasSubstr("number of layers"));
  header = Llama2cHeader();
  header[5] = std::numeric_limits<int32_t>::min();
  EXPECT_FALSE(ParseLlama2c(header, kLlama2cBytes).ok());
  header[0] = 0x616b3432;
  EXPECT_THAT(Message(ParseLlama2c(header, kLlama2cBytes).status()), HasSubstr("legacy layout"));
  EXPECT_THAT(Message(ModelConfigFromLlama2cHeader({}, 0, "m.bin").status()), HasSubstr("too few"));
}

TEST(ReadModelConfig, SaysWhatWasThere) {
  EXPECT_EQ(ReadModelConfig("/no/such/model").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(ReadModelConfig(kModels).status()), HasSubstr("a folder without config.json"));
  EXPECT_THAT(Message(ReadModelConfig(GFN_SOURCE_DIR "/tests/golden/peft/tiny_llama").status()), HasSubstr("PEFT adapter"));
  EXPECT_THAT(Message(ReadModelConfig(kModels + "tiny_llama/model.safetensors").status()), HasSubstr("give the folder"));
  EXPECT_THAT(Message(ReadModelConfig(GFN_SOURCE_DIR "/CMakeLists.txt").status()), HasSubstr("neither a GGUF file nor"));
}

}  // namespace
}  // namespace gfn
