// Adapters in and out of PEFT's folders, against logits that PEFT itself computed, and merged into the weights.
#include "llm/lora/lora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "gflownet/base/json_util.h"
#include "gflownet/base/test_folder.h"
#include "llm/format/hf_writer.h"
#include "llm/model/test_models.h"

namespace gfn {
namespace {

using testing::HasSubstr;

const std::string kGoldenPeft = std::string(GFN_SOURCE_DIR) + "/tests/golden/peft/";
constexpr Tolerance kReferenceTolerance{5e-5};

struct Reference {
  std::vector<int32_t> tokens;
  at::Tensor logits;
};
Reference ReadReference(const std::string& folder) {
  const nlohmann::json json = *ReadJsonFile(folder + "/reference.json");
  std::vector<at::Tensor> rows;
  for (const auto& row : json["logits"]) rows.push_back(at::tensor(row.get<std::vector<double>>()));
  return {json["token_ids"].get<std::vector<int32_t>>(), at::stack(rows)};
}

at::Tensor LogitsWith(const LanguageModel& model, const Adapter& adapter, const std::vector<int32_t>& tokens) {
  return PlainLogits(model, tokens, {.adapter = &adapter, .with_grad = false, .dropout_key = {}});
}

class Peft : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Golden, Peft, testing::Values("tiny_llama", "tiny_gpt2"), [](const auto& info) { return info.param; });

TEST_P(Peft, LogitsEqualThoseOfPeft) {
  const Reference reference = ReadReference(kGoldenPeft + GetParam());
  for (const ModelDtype dtype : {ModelDtype::kFloat32, ModelDtype::kFloat64}) {
    const auto model = LoadTiny(GetParam(), dtype);
    ParameterSet parameters;
    const auto adapter = FromPeft(*model, ReadPeft(kGoldenPeft + GetParam()).value(), parameters);
    ASSERT_TRUE(adapter.ok()) << adapter.status();
    EXPECT_EQ(parameters.size(), adapter->Tensors().size());
    ExpectAllClose(LogitsWith(*model, *adapter, reference.tokens), reference.logits, kReferenceTolerance, "logits");
    EXPECT_GT((PlainLogits(*model, reference.tokens) - reference.logits).abs().max().item<double>(), 0.1)
        << "the adapter does nothing";
  }
}

TEST_P(Peft, RoundTripIsExact) {
  const auto model = LoadTiny(GetParam(), ModelDtype::kFloat32);
  const PeftAdapter original = ReadPeft(kGoldenPeft + GetParam()).value();
  ParameterSet parameters;
  const Adapter adapter = FromPeft(*model, original, parameters).value();
  const LoraConfig config{.rank = original.config.rank,
                          .alpha = original.config.alpha,
                          .rslora = original.config.use_rslora,
                          .targets = original.config.target_modules};
  EXPECT_DOUBLE_EQ(config.Scale(), adapter.scale);
  const TestFolder folder;
  const Status written = WritePeft(folder.path(), ToPeft(*model, adapter, config, "base"));
  ASSERT_TRUE(written.ok()) << written;
  const PeftAdapter again = ReadPeft(folder.path()).value();
  EXPECT_EQ(again.config.rank, original.config.rank);
  EXPECT_EQ(again.config.alpha, original.config.alpha);
  EXPECT_EQ(again.config.use_rslora, original.config.use_rslora);
  EXPECT_EQ(again.config.fan_in_fan_out, original.config.fan_in_fan_out);
  EXPECT_EQ(again.config.base_model_name_or_path, "base");
  ASSERT_EQ(again.modules.size(), original.modules.size());
  for (const auto& [path, tensors] : original.modules) {
    ASSERT_TRUE(again.modules.contains(path)) << path;
    EXPECT_TRUE(again.modules.at(path).a.equal(tensors.a)) << path;
    EXPECT_TRUE(again.modules.at(path).b.equal(tensors.b)) << path;
  }
}

class Merged : public testing::TestWithParam<std::pair<std::string, std::string>> {};  // adapter, its base
INSTANTIATE_TEST_SUITE_P(Golden, Merged,
                         testing::Values(std::pair{"tiny_llama", "tiny_llama"}, std::pair{"tiny_llama_patterns", "tiny_llama"},
                                         std::pair{"tiny_gpt2", "tiny_gpt2"}),
                         [](const auto& info) { return info.param.first; });

TEST_P(Merged, ModelIsTheAdapterApplied) {
  const auto& [name, base_name] = GetParam();
  const Reference reference = ReadReference(kGoldenPeft + name);
  const auto base = OpenModel(kGoldenModels + base_name).value();
  const PeftAdapter adapter = ReadPeft(kGoldenPeft + name).value();
  const TestFolder folder;
  const Status written = WriteHfModel(folder / "merged", base->config(), at::kFloat, MergedReader(*base, adapter));
  ASSERT_TRUE(written.ok()) << written;
  ExpectAllClose(PlainLogits(*LoadModel(folder / "merged", ModelDtype::kFloat32), reference.tokens), reference.logits,
                 kReferenceTolerance, "logits");
}

// Biases, scaled rope, a head of its own: whatever a base has, the merged folder has it too, from GGUF as well.
TEST(MergedModels, EveryTinyModelIsTheAdapterApplied) {
  std::vector<std::string> bases;
  for (const std::string& name : kTinyModels) bases.push_back(kGoldenModels + name);
  for (const char* name : {"tiny_llama_biases", "tiny_llama3", "tiny_qwen2_yarn"}) {
    bases.push_back(std::string(GFN_SOURCE_DIR) + "/tests/golden/format/" + name + ".gguf");
  }
  for (const std::string& path : bases) {
    const auto base = OpenModel(path).value();
    const auto model = LoadModel(path, ModelDtype::kFloat64);
    const Adapter adapter = RandomAdapter(*model, 2, 3);
    const LoraConfig config{.rank = 2, .alpha = 2 * adapter.scale, .targets = {}};
    const PeftAdapter peft = ToPeft(*model, adapter, config, path);
    const TestFolder folder;
    const Status written = WriteHfModel(folder / "merged", base->config(), at::kFloat, MergedReader(*base, peft));
    ASSERT_TRUE(written.ok()) << path << ": " << written;
    const std::vector<int32_t> tokens = RandomTokens(2, 0, 12, 64);
    const at::Tensor expected = PlainLogits(*model, tokens, {.adapter = &adapter, .with_grad = false, .dropout_key = {}});
    ExpectAllClose(PlainLogits(*LoadModel(folder / "merged", ModelDtype::kFloat64), tokens), expected, kReferenceTolerance, path);
  }
}

TEST(Lora, FreshAdapterChangesNothing) {
  for (const std::string& name : kTinyModels) {
    const auto model = LoadTiny(name, ModelDtype::kFloat64);
    ParameterSet parameters;
    const auto adapter = CreateAdapter(*model, {.rank = 4, .alpha = 8, .targets = {}}, 1, parameters);
    ASSERT_TRUE(adapter.ok()) << adapter.status();
    const std::vector<int32_t> tokens = RandomTokens(1, 0, 8, 64);
    ExpectAllClose(LogitsWith(*model, *adapter, tokens), PlainLogits(*model, tokens), kTinyModelTolerance, name);
    for (const Parameter& parameter : parameters) {
      const double largest = parameter.value.abs().max().item<double>();
      if (parameter.name.ends_with("lora_B")) {
        EXPECT_EQ(largest, 0) << parameter.name;
      } else {
        const double bound = 1 / std::sqrt(static_cast<double>(parameter.value.size(1)));
        EXPECT_LE(largest, bound) << parameter.name;
        EXPECT_GT(largest, 0.8 * bound) << parameter.name;
      }
    }
  }
}

TEST(Lora, SeedDecidesTheStart) {
  const auto model = LoadTiny("tiny_llama", ModelDtype::kFloat32);
  const auto first_a = [&](uint64_t seed) {
    ParameterSet parameters;
    return CreateAdapter(*model, {.rank = 2, .targets = {}}, seed, parameters)->layers[0][0].a.detach().clone();
  };
  EXPECT_TRUE(first_a(1).equal(first_a(1)));
  EXPECT_FALSE(first_a(1).equal(first_a(2)));
}

TEST(Lora, TargetsChooseModules) {
  const auto model = LoadTiny("tiny_llama", ModelDtype::kFloat32);
  ParameterSet parameters;
  const Adapter adapter = CreateAdapter(*model, {.rank = 2, .targets = {"q_proj", "v_proj"}}, 1, parameters).value();
  EXPECT_EQ(parameters.size(), 2u * 3u);  // in each of two layers one A for both, and two B
  EXPECT_FALSE(adapter.layers[0][static_cast<int>(Slot::kDown)].a.defined());
  ParameterSet others;
  const auto unknown = CreateAdapter(*model, {.rank = 2, .targets = {"q_proj", "c_attn"}}, 1, others);
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(std::string(Message(unknown.status())), testing::AllOf(HasSubstr("c_attn"), HasSubstr("down_proj")));
}

TEST(Lora, RsLoraScalesByTheRoot) {
  EXPECT_DOUBLE_EQ((LoraConfig{.rank = 16, .alpha = 32, .targets = {}}.Scale()), 2);
  EXPECT_DOUBLE_EQ((LoraConfig{.rank = 16, .alpha = 32, .rslora = true, .targets = {}}.Scale()), 8);
}

TEST(Lora, WhatDoesNotFitIsRefused) {
  const auto message = [](const std::string& base, const std::string& adapter, const auto& change) {
    const auto model = LoadTiny(base, ModelDtype::kFloat32);
    PeftAdapter peft = ReadPeft(kGoldenPeft + adapter).value();
    change(peft);
    ParameterSet parameters;
    const auto made = FromPeft(*model, peft, parameters);
    return made.ok() ? std::string("accepted") : std::string(Message(made.status()));
  };
  const auto as_it_is = [](PeftAdapter&) {};
  EXPECT_EQ(message("tiny_llama", "tiny_llama", as_it_is), "accepted");
  EXPECT_THAT(message("tiny_gpt2", "tiny_llama", as_it_is), HasSubstr("of another model"));
  EXPECT_THAT(message("tiny_llama_sharded", "tiny_llama", as_it_is), HasSubstr("of another model"));  // other head width
  EXPECT_THAT(message("tiny_llama", "tiny_llama_patterns", as_it_is), HasSubstr("differ in rank or scale"));
  EXPECT_THAT(message("tiny_llama", "tiny_llama", [](PeftAdapter& peft) { peft.modules.clear(); }), HasSubstr("no modules"));
  EXPECT_THAT(message("tiny_llama", "tiny_llama",
                      [](PeftAdapter& peft) {
                        auto node = peft.modules.extract(peft.modules.begin());
                        node.key() = "model.layers.7.self_attn.q_proj";
                        peft.modules.insert(std::move(node));
                      }),
              HasSubstr("of another model"));
}

}  // namespace
}  // namespace gfn
