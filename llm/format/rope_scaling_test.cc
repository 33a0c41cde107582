#include "llm/format/rope_scaling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "llm/format/test_configs.h"

namespace gfn {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(ModelConfigHf, ReadsBothWaysOfRope) {
  json j = LlamaJson();
  j["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 7.0}};
  EXPECT_EQ(Parse(j)->rope_theta, 7.0);
  j.erase("rope_parameters");
  j.erase("rope_theta");
  EXPECT_EQ(Parse(j)->rope_theta, 10000.0);
  j["rope_scaling"] = {{"type", "default"}};
  EXPECT_TRUE(Parse(j).ok());
  EXPECT_THAT(ConfigRefusal(j, "rope_scaling", {{"partial_rotary_factor", 0.5}}), HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(ConfigRefusal(j, "rope_scaling", {{"full_attention", {{"rope_type", "default"}}}}), HasSubstr("rope of its own"));
  EXPECT_THAT(ConfigRefusal(j, "rope_scaling", {{"rope_type", "proportional"}}), HasSubstr("supported are default, linear"));
}

TEST(ModelConfigHf, ReadsScaledRope) {
  json j = LlamaJson();
  const auto scaling = [&](const json& value) {
    j["rope_scaling"] = value;
    const auto config = Parse(j);
    EXPECT_TRUE(config.ok()) << Message(config.status());
    return config->rope_scaling;
  };
  const RopeScaling linear = scaling({{"type", "linear"}, {"factor", 2.0}});
  EXPECT_EQ(linear.kind, RopeScalingKind::kLinear);
  EXPECT_EQ(linear.factor, 2);
  // Within the model's positions, where every context is, "dynamic" changes nothing.
  EXPECT_EQ(scaling({{"type", "dynamic"}, {"factor", 2.0}}).kind, RopeScalingKind::kNone);
  json llama3 = {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}};
  EXPECT_EQ(scaling(llama3).original_positions, 64) << "the model's, where the key is absent";
  llama3["original_max_position_embeddings"] = 16;
  EXPECT_EQ(scaling(llama3).original_positions, 16);
  json yarn = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 16}};
  EXPECT_EQ(scaling(yarn).beta_fast, 32);
  EXPECT_DOUBLE_EQ(scaling(yarn).attention_factor, 0.1 * std::log(4.0) + 1);
  yarn.update({{"mscale", 0.707}, {"mscale_all_dim", 1.0}});
  EXPECT_DOUBLE_EQ(scaling(yarn).attention_factor, (0.0707 * std::log(4.0) + 1) / (0.1 * std::log(4.0) + 1));
  yarn["attention_factor"] = 1.5;
  EXPECT_EQ(scaling(yarn).attention_factor, 1.5);
  for (const char* key : {"factor", "low_freq_factor", "high_freq_factor"}) {
    json without = llama3;
    without.erase(key);
    EXPECT_THAT(ConfigRefusal(j, "rope_scaling", without), HasSubstr(std::string("'") + key + "' is missing"));
  }
  EXPECT_THAT(ConfigRefusal(j, "rope_scaling", {{"type", "linear"}, {"factor", 0}}),
              HasSubstr("factor is 0, expected a positive"));
  llama3["low_freq_factor"] = 5.0;
  EXPECT_THAT(ConfigRefusal(j, "rope_scaling", llama3), HasSubstr("less than high_freq_factor"));
}

TEST(ModelConfigHf, LongRopeGoesAsFarAsItsShortFactors) {
  json j = LlamaJson();
  const json list = {1.0, 1.5, 2.0, 3.0};
  j["rope_scaling"] = {{"rope_type", "longrope"},
                       {"short_factor", list},
                       {"long_factor", list},
                       {"factor", 4.0},
                       {"original_max_position_embeddings", 16}};
  EXPECT_EQ(Parse(j)->rope_scaling.divisors, list.get<std::vector<double>>());
  EXPECT_DOUBLE_EQ(Parse(j)->rope_scaling.attention_factor, std::sqrt(1 + std::log(4.0) / std::log(16.0)));
  EXPECT_EQ(MaxContext(*Parse(j)), 64);
  j["rope_scaling"]["long_factor"] = {4.0, 4.0, 4.0, 4.0};
  EXPECT_EQ(MaxContext(*Parse(j)), 16) << "beyond, the frequencies depend on the length of the text";
  j["rope_scaling"]["short_factor"] = {1.0, 1.0};
  EXPECT_THAT(Message(Parse(j).status()), HasSubstr("the number of divisors is 2, expected 4"));
}

TEST(ModelConfigGguf, ReadsRopeAsLlamaCppDoes) {
  const auto scaling = [](const GgufBuilder& builder) {
    const auto config = Parse(builder);
    EXPECT_TRUE(config.ok()) << Message(config.status());
    return config->rope_scaling;
  };
  EXPECT_EQ(scaling(LlamaGguf().Float32("llama.rope.scale_linear", 2)).factor, 2);
  const RopeScaling linear = scaling(LlamaGguf().Float32("llama.rope.scaling.factor", 4));
  EXPECT_EQ(linear.kind, RopeScalingKind::kLinear) << "the type where none is stated";
  EXPECT_EQ(linear.factor, 4);
  EXPECT_EQ(scaling(LlamaGguf().String("llama.rope.scaling.type", "none").Float32("llama.rope.scaling.factor", 4)).kind,
            RopeScalingKind::kNone);
  EXPECT_EQ(scaling(LlamaGguf().F32("rope_freqs.weight", {1}, {1.5})).divisors, (std::vector<double>{1.5}));
  const RopeScaling yarn = scaling(LlamaGguf()
                                       .String("llama.rope.scaling.type", "yarn")
                                       .Float32("llama.rope.scaling.factor", 4)
                                       .Uint32("llama.rope.scaling.original_context_length", 8));
  EXPECT_EQ(yarn.kind, RopeScalingKind::kYarn);
  EXPECT_EQ(yarn.original_positions, 8);
  EXPECT_DOUBLE_EQ(yarn.attention_factor, 0.1 * std::log(4.0) + 1);
  const RopeScaling scaled =
      scaling(LlamaGguf().Float32("llama.rope.scaling.factor", 4).Float32("llama.rope.scaling.attn_factor", 2));
  EXPECT_EQ(scaled.divisors, (std::vector<double>{4}));
  EXPECT_EQ(scaled.attention_factor, 2);
}

// GGUF files keep only the divisors; those of Llama 3.2 are recognised, others stay as they are.
TEST(RopeScaling, DivisorsOfLlama3AreRecognised) {
  const RopeScaling llama32{.kind = RopeScalingKind::kLlama3, .factor = 32, .original_positions = 8192, .divisors = {}};
  const std::vector<double> plain = RopeFrequencies(500000, 64, {}), scaled = RopeFrequencies(500000, 64, llama32);
  std::vector<double> divisors;
  for (size_t i = 0; i < plain.size(); ++i) divisors.push_back(static_cast<float>(plain[i] / scaled[i]));
  EXPECT_EQ(divisors.front(), 1);
  EXPECT_EQ(divisors.back(), 32);
  const RopeScaling found = ScalingOfDivisors(500000, 64, divisors);
  EXPECT_EQ(found.kind, RopeScalingKind::kLlama3);
  EXPECT_EQ(found.factor, 32);
  EXPECT_EQ(RopeFrequencies(500000, 64, found), scaled);
  divisors[20] *= 1.01;
  const RopeScaling other = ScalingOfDivisors(500000, 64, divisors);
  EXPECT_EQ(other.kind, RopeScalingKind::kPerFrequency);
  EXPECT_EQ(RopeFrequencies(500000, 64, other)[20], plain[20] / divisors[20]);
}

}  // namespace
}  // namespace gfn
