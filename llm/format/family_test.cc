// The rows of the table of families: what their configs say, old and new, and what is refused by name.
#include "llm/format/family.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "llm/format/expected_tensors.h"
#include "llm/format/test_configs.h"

namespace gfn {
namespace {

using nlohmann::json;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

json JsonOf(const char* model_type) {
  json config = LlamaJson();
  config["model_type"] = model_type;
  config.erase("rope_theta");
  return config;
}

TEST(Families, EveryNameIsOfOneRow) {
  std::set<std::string_view> types, classes;
  for (const Family& family : Families()) {
    EXPECT_TRUE(types.insert(family.model_type).second) << family.model_type;
    EXPECT_TRUE(classes.insert(family.hf_class).second) << family.hf_class;
    EXPECT_EQ(FindFamily(family.model_type), &family);
  }
  EXPECT_EQ(FindFamily("mamba"), nullptr);
  EXPECT_EQ(FindGgufFamily(""), nullptr) << "gptj has no name in GGUF";
  EXPECT_EQ(FindGgufFamily("llama")->model_type, "llama");
}

// Modules of a product make up its outputs, whatever they are called and however they are fused.
TEST(Families, ProductsHaveTheirSizes) {
  ModelConfig config = *Parse(LlamaJson());
  for (const Family& family : Families()) {
    config.model_type = family.model_type;
    EXPECT_EQ(ProductOf(config, Slot::kQkv).outputs(), 32 + 16 + 16) << family.model_type;
    EXPECT_EQ(ProductOf(config, Slot::kAttentionOut).outputs(), 32) << family.model_type;
    EXPECT_EQ(ProductOf(config, Slot::kUp).outputs(), family.gated ? 96 : 48) << family.model_type;
    EXPECT_EQ(ProductOf(config, Slot::kDown).outputs(), 32) << family.model_type;
    EXPECT_EQ(ProductOf(config, Slot::kDown).inputs, 48) << family.model_type;
  }
}

TEST(Families, Qwen3HasHeadsOf128UnlessItSaysSo) {
  EXPECT_EQ(Parse(JsonOf("qwen3"))->head_dim, 128);
  json config = JsonOf("qwen3");
  config["attention_bias"] = true;
  EXPECT_TRUE(Parse(config)->qkv_bias);
  EXPECT_TRUE(Parse(config)->attention_out_bias);
  EXPECT_THAT(ConfigRefusal(JsonOf("qwen3"), "num_experts", 8), HasSubstr("'num_experts'"));
  EXPECT_THAT(ConfigRefusal(LlamaJson(), "model_type", "qwen3_moe"), HasSubstr("gptj, qwen3"));
}

TEST(Families, SmolLm3LeavesEveryFourthLayerAlone) {
  json config = JsonOf("smollm3");
  config["num_hidden_layers"] = 5;
  EXPECT_THAT(Parse(config)->layer_ropes,
              ElementsAre(LayerRope::kGlobal, LayerRope::kGlobal, LayerRope::kGlobal, LayerRope::kNone, LayerRope::kGlobal));
  EXPECT_EQ(Parse(config)->rope_theta, 2000000.0);
  config["no_rope_layer_interval"] = 2;
  EXPECT_EQ(Parse(config)->RopeOf(1), LayerRope::kNone);
  config["no_rope_layers"] = {0, 1, 1, 1, 1, 1};  // longer than the model, as transformers allows
  EXPECT_EQ(Parse(config)->RopeOf(0), LayerRope::kNone);
  EXPECT_EQ(Parse(config)->RopeOf(1), LayerRope::kGlobal);
  EXPECT_THAT(ConfigRefusal(config, "no_rope_layers", {1, 0}), HasSubstr("at least 5"));
  EXPECT_THAT(ConfigRefusal(config, "no_rope_layers", {1, 0, 2, 1, 1}), HasSubstr("no_rope_layers"));
  config["sliding_window"] = 8;
  EXPECT_FALSE(Parse(config)->sliding_window);
  config["use_sliding_window"] = true;
  EXPECT_EQ(Parse(config)->sliding_window, 8);
  config["no_rope_layers"] = {1, 1, 1, 1, 1};
  EXPECT_FALSE(Parse(config)->sliding_window) << "only layers without rotation have the window";
}

TEST(Families, Gemma3ReadsItsOldKeysAndItsNewOnes) {
  json config = JsonOf("gemma3_text");
  config.erase("hidden_act");
  config.update({{"num_hidden_layers", 4},
                 {"sliding_window_pattern", 2},
                 {"sliding_window", 12},
                 {"rope_local_base_freq", 500},
                 {"rope_theta", 7000.0},
                 {"final_logit_softcapping", nullptr}});
  config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 8.0}};
  const auto old = Parse(config);
  ASSERT_TRUE(old.ok()) << Message(old.status());
  EXPECT_THAT(old->layer_ropes, ElementsAre(LayerRope::kLocal, LayerRope::kGlobal, LayerRope::kLocal, LayerRope::kGlobal));
  EXPECT_EQ(old->local_rope_theta, 500);
  EXPECT_EQ(old->rope_theta, 7000);
  EXPECT_EQ(old->rope_scaling.factor, 8);
  EXPECT_EQ(old->query_scalar, 256);
  EXPECT_EQ(old->head_dim, 256);
  EXPECT_EQ(MaxContext(*old), 12);
  const auto again = ModelConfigFromHfJson(ModelConfigToHfJson(*old, "float32"), "again");
  ASSERT_TRUE(again.ok()) << Message(again.status());
  EXPECT_EQ(again->layer_ropes, old->layer_ropes);
  EXPECT_EQ(again->local_rope_theta, 500);
  EXPECT_EQ(again->rope_scaling.factor, 8);

  config.erase("rope_scaling");
  config["rope_parameters"] = {{"sliding_attention", {{"rope_type", "linear"}, {"factor", 2.0}}}};
  EXPECT_THAT(Message(Parse(config).status()), HasSubstr("only \"default\" is"));
  config["rope_parameters"] = {{"rope_theta", 5.0}};
  EXPECT_THAT(Message(Parse(config).status()), HasSubstr("full_attention and sliding_attention"));
  config.erase("rope_parameters");
  EXPECT_THAT(ConfigRefusal(config, "final_logit_softcapping", 30.0), HasSubstr("'final_logit_softcapping'"));
  EXPECT_THAT(ConfigRefusal(config, "attn_logit_softcapping", 50.0), HasSubstr("'attn_logit_softcapping'"));
  EXPECT_THAT(ConfigRefusal(config, "use_bidirectional_attention", true), HasSubstr("'use_bidirectional_attention'"));
  EXPECT_THAT(ConfigRefusal(config, "layer_types", {"full_attention"}), HasSubstr("a list of 4"));
  EXPECT_THAT(ConfigRefusal(config, "query_pre_attn_scalar", 0), HasSubstr("the scale of attention"));
  EXPECT_THAT(ConfigRefusal(config, "hidden_activation", "gelu"), HasSubstr("gelu_pytorch_tanh"));
}

TEST(Families, Phi3ReadsItsOldLongrope) {
  json config = JsonOf("phi3");
  config.update({{"max_position_embeddings", 131072}, {"sliding_window", 262144}, {"partial_rotary_factor", 0.5}});
  config["rope_scaling"] = {{"type", "su"}, {"short_factor", {1.0, 1.5}}, {"long_factor", {2.0, 4.0}}};
  const auto su = Parse(config);
  ASSERT_TRUE(su.ok()) << Message(su.status());
  EXPECT_EQ(su->rotary_dim, 4);
  EXPECT_EQ(MaxContext(*su), 4096) << "the class's own number of original positions";
  EXPECT_NEAR(su->rope_scaling.attention_factor, std::sqrt(1 + std::log(32.0) / std::log(4096.0)), 1e-12);
  config["original_max_position_embeddings"] = 1024;
  EXPECT_EQ(MaxContext(*Parse(config)), 1024);
  config["sliding_window"] = 512;
  EXPECT_EQ(MaxContext(*Parse(config)), 512);
  EXPECT_THAT(ConfigRefusal(config, "partial_rotary_factor", 1.5), HasSubstr("a number in (0, 1]"));
  config.erase("rope_scaling");
  config.erase("sliding_window");
  EXPECT_EQ(MaxContext(*Parse(config)), 131072);
}

TEST(Families, OtherFormsAreRefusedByTheirKeys) {
  EXPECT_THAT(ConfigRefusal(JsonOf("gemma3"), "vision_config", {{"hidden_size", 8}}), HasSubstr("'vision_config'"));
  EXPECT_THAT(ConfigRefusal(JsonOf("phi3"), "audio_config", {{"hidden_size", 8}}), HasSubstr("'audio_config'"));
  EXPECT_THAT(ConfigRefusal(JsonOf("olmo2"), "quantization_config", {{"bits", 4}}), HasSubstr("'quantization_config'"));
  EXPECT_THAT(ConfigRefusal(JsonOf("olmo2"), "layer_types", {"sliding_attention"}), HasSubstr("layer_types"));
  EXPECT_THAT(ConfigRefusal(JsonOf("olmo2"), "clip_qkv", 8.0), HasSubstr("'clip_qkv'"));
}

// What llama.cpp has built in, and what tells other families under a known name.
TEST(Families, GgufKeys) {
  const auto builder = [](const std::string& arch) {
    GgufBuilder b;
    b.String("general.architecture", arch).Uint32(arch + ".block_count", 62).Uint32(arch + ".context_length", 64);
    b.Uint32(arch + ".embedding_length", 12).Uint32(arch + ".feed_forward_length", 4).Uint32(arch + ".attention.head_count", 2);
    b.Uint32(arch + ".attention.key_length", 4).Uint32(arch + ".attention.value_length", 4);
    b.Float32(arch + ".attention.layer_norm_rms_epsilon", 1e-5f);
    return b.F32("token_embd.weight", {12, 3}, std::vector<float>(36));
  };
  const auto gemma = Parse(builder("gemma3").Uint32("gemma3.attention.sliding_window", 32));
  ASSERT_TRUE(gemma.ok()) << Message(gemma.status());
  EXPECT_EQ(gemma->model_type, "gemma3_text");
  EXPECT_EQ(gemma->query_scalar, 6) << "of the model with 62 layers: the width by the heads";
  EXPECT_EQ(gemma->RopeOf(4), LayerRope::kLocal);
  EXPECT_EQ(gemma->RopeOf(5), LayerRope::kGlobal);
  EXPECT_EQ(gemma->local_rope_theta, 10000);
  EXPECT_THAT(Parse(builder("gemma3"))->layer_ropes, Each(LayerRope::kGlobal)) << "without windows no layer is local";
  EXPECT_EQ(Parse(builder("smollm3"))->RopeOf(3), LayerRope::kNone);
  EXPECT_THAT(Message(Parse(builder("olmo2").Uint32("olmo2.attention.sliding_window", 32)).status()),
              HasSubstr("'olmo2.attention.sliding_window'"));
  EXPECT_THAT(Message(Parse(builder("gemma3").Float32("gemma3.final_logit_softcapping", 30.0f)).status()),
              HasSubstr("final_logit_softcapping"));
  EXPECT_EQ(Parse(builder("phi3").Uint32("phi3.rope.dimension_count", 2))->rotary_dim, 2);
  EXPECT_THAT(Message(Parse(builder("qwen3").Uint32("qwen3.rope.dimension_count", 2)).status()),
              HasSubstr("supported is the head size 4"));
  EXPECT_THAT(Message(Parse(GgufBuilder().String("general.architecture", "qwen3moe")).status()), HasSubstr("'qwen3moe'"));
}

}  // namespace
}  // namespace gfn
