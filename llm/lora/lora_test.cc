// Adapters in and out of PEFT's folders, against logits that PEFT itself computed, and merged into the weights.
#include "llm/lora/lora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "gflownet/base/json_util.h"
#include "gflownet/base/test_folder.h"
#include "llm/format/hf_writer.h"
#include "llm/model/test_models.h"

namespace gfn {
namespace {

using testing::HasSubstr;

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

// Adapters of PEFT, and their bases.
struct GoldenAdapter {
  std::string name, base;
};
class Peft : public testing::TestWithParam<GoldenAdapter> {};
INSTANTIATE_TEST_SUITE_P(Golden, Peft,
                         testing::Values(GoldenAdapter{"tiny_llama", "tiny_llama"}, GoldenAdapter{"tiny_gpt2", "tiny_gpt2"},
                                         GoldenAdapter{"tiny_llama_patterns", "tiny_llama"},
                                         GoldenAdapter{"tiny_llama_regex", "tiny_llama"},
                                         GoldenAdapter{"tiny_llama_all_linear", "tiny_llama"},
                                         GoldenAdapter{"tiny_gptj_layers", "tiny_gptj"},
                                         GoldenAdapter{"tiny_qwen3", "tiny_qwen3"}, GoldenAdapter{"tiny_smollm3", "tiny_smollm3"},
                                         GoldenAdapter{"tiny_olmo2", "tiny_olmo2"}, GoldenAdapter{"tiny_gemma3", "tiny_gemma3"},
                                         GoldenAdapter{"tiny_phi3", "tiny_phi3"}),
                         [](const auto& info) { return info.param.name; });

// A model folder with an adapter in it.
void MakeFolder(const std::string& folder, const GoldenAdapter& golden) {
  std::filesystem::copy(kGoldenModels + golden.base, folder);
  for (const char* name : {"/adapter_config.json", "/adapter_model.safetensors"})
    std::filesystem::copy_file(kGoldenPeft + golden.name + name, folder + name);
}

TEST_P(Peft, LogitsEqualThoseOfPeft) {
  const auto& [name, base] = GetParam();
  const Reference reference = ReadReference(kGoldenPeft + name);
  for (const ModelDtype dtype : {ModelDtype::kFloat32, ModelDtype::kFloat64}) {
    const auto model = LoadTiny(base, dtype);
    ParameterSet parameters;
    const auto adapter = FromPeft(*model, ReadPeft(kGoldenPeft + name).value(), parameters);
    ASSERT_TRUE(adapter.ok()) << adapter.status();
    EXPECT_EQ(parameters.size(), adapter->Tensors().size());
    ExpectAllClose(LogitsWith(*model, *adapter, reference.tokens), reference.logits, kReferenceTolerance, "logits");
    EXPECT_GT((PlainLogits(*model, reference.tokens) - reference.logits).abs().max().item<double>(), 0.1)
        << "the adapter does nothing";
  }
}

TEST_P(Peft, RoundTripIsExact) {
  const auto model = LoadTiny(GetParam().base, ModelDtype::kFloat32);
  const PeftAdapter original = ReadPeft(kGoldenPeft + GetParam().name).value();
  ParameterSet parameters;
  const Adapter adapter = FromPeft(*model, original, parameters).value();
  const TestFolder folder;
  const Status written = WritePeft(folder.path(), ToPeft(*model, adapter, original.config, "base"));
  ASSERT_TRUE(written.ok()) << written;
  const PeftAdapter again = ReadPeft(folder.path()).value();
  EXPECT_EQ(PeftDigest(again), PeftDigest(original));
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

TEST_P(Peft, MergedModelIsTheAdapterApplied) {
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

// A PEFT folder as the start of a run: the same function, every tensor trained.
TEST_P(Peft, IsTheStartOfARun) {
  const auto& [name, base] = GetParam();
  const Reference reference = ReadReference(kGoldenPeft + name);
  const auto model = LoadTiny(base, ModelDtype::kFloat32);
  ParameterSet parameters;
  const LoraConfig config{.dropout = 0.25, .targets = {}, .path = kGoldenPeft + name};
  const auto started = StartAdapter(*model, config, 1, parameters);
  ASSERT_TRUE(started.ok()) << started.status();
  ExpectAllClose(LogitsWith(*model, started->adapter, reference.tokens), reference.logits, kReferenceTolerance, "logits");
  EXPECT_EQ(started->adapter.dropout, 0.25);
  EXPECT_EQ(started->path_hash, PeftDigest(ReadPeft(config.path).value()));
  EXPECT_EQ(parameters.size(), started->adapter.Tensors().size());
  const TestFolder folder;
  const Status written = WritePeft(folder.path(), ToPeft(*model, started->adapter, started->config, "base"));
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_EQ(PeftDigest(ReadPeft(folder.path()).value()), *started->path_hash);
}

// AutoModelForCausalLM.from_pretrained loads base and adapter of such a folder, and so does OpenModel.
TEST_P(Peft, InTheModelsFolderIsPartOfTheModel) {
  const Reference reference = ReadReference(kGoldenPeft + GetParam().name);
  const TestFolder test;
  MakeFolder(test / "model", GetParam());
  for (const ModelDtype dtype : {ModelDtype::kFloat32, ModelDtype::kFloat64}) {
    ExpectAllClose(PlainLogits(*LoadModel(test / "model", dtype), reference.tokens), reference.logits, kReferenceTolerance,
                   "own");
    const auto named = OpenModel(kGoldenModels + GetParam().base, kGoldenPeft + GetParam().name).value();
    const auto model = LanguageModel::Load(*named, {dtype, at::kCPU});
    ASSERT_TRUE(model.ok()) << model.status();
    ExpectAllClose(PlainLogits(**model, reference.tokens), reference.logits, kReferenceTolerance, "named");
  }
}

// Log-probabilities and gradients of another adapter on such a model are those of the base with the first one merged in, and
// both merged are one model.
TEST_P(Peft, OwnAdapterIsTheMergedModelForWhatIsTrainedOnIt) {
  const TestFolder test;
  MakeFolder(test / "model", GetParam());
  const auto source = OpenModel(test / "model").value();
  const PeftAdapter none;
  ASSERT_TRUE(WriteHfModel(test / "merged", source->config(), at::kFloat, MergedReader(*source, none)).ok());
  const std::vector<int32_t> tokens = RandomTokens(1, 0, 9, 64);
  struct Pass {
    at::Tensor logits;
    std::vector<at::Tensor> gradients;
  };
  const auto run = [&](const std::string& path, ModelDtype dtype) {
    const auto model = LoadModel(path, dtype);
    const Adapter adapter = RandomAdapter(*model, 3, 9);
    const at::Tensor hidden = PlainHidden(*model, tokens, {.adapter = &adapter, .with_grad = true, .dropout_key = {}});
    hidden.square().sum().backward();
    Pass pass{model->Logits(hidden.detach()), {}};
    for (const at::Tensor& tensor : adapter.Tensors()) pass.gradients.push_back(tensor.grad());
    return pass;
  };
  for (const ModelDtype dtype : {ModelDtype::kFloat32, ModelDtype::kFloat64}) {
    const Pass own = run(test / "model", dtype), merged = run(test / "merged", dtype);
    ExpectAllClose(own.logits, merged.logits, kReferenceTolerance, "logits");
    ASSERT_EQ(own.gradients.size(), merged.gradients.size());
    for (size_t i = 0; i < own.gradients.size(); ++i) {
      const double scale = merged.gradients[i].abs().max().item<double>();
      ExpectAllClose(own.gradients[i] / scale, merged.gradients[i] / scale, kReferenceTolerance, "gradient " + std::to_string(i));
    }
  }
}

// What bf16 would round away in a merged weight stays: beside bf16 weights the factors are fp32.
TEST(OwnAdapter, ASmallOneIsNotRoundedAwayInBf16) {
  const TestFolder test;
  PeftAdapter small = ReadPeft(kGoldenPeft + "tiny_llama").value();
  for (auto& [path, lora] : small.modules) lora.b = lora.b * 1e-4;
  ASSERT_TRUE(WritePeft(test / "small", small).ok());
  const std::vector<int32_t> tokens = RandomTokens(1, 0, 9, 64);
  const auto change = [&](ModelDtype dtype) {
    const auto source = OpenModel(kGoldenModels + "tiny_llama", test / "small").value();
    const auto with = LanguageModel::Load(*source, {dtype, at::kCPU}).value();
    // A scorer and a session must not differ: the first places of a sequence do not depend on how many follow.
    EXPECT_TRUE(PlainHidden(*with, tokens).narrow(0, 0, 4).equal(PlainHidden(*with, {tokens.data(), 4})));
    return PlainLogits(*with, tokens).to(at::kDouble) - PlainLogits(*LoadTiny("tiny_llama", dtype), tokens).to(at::kDouble);
  };
  const at::Tensor exact = change(ModelDtype::kFloat32), rounded = change(ModelDtype::kBFloat16);
  EXPECT_GT(exact.abs().max().item<double>(), 1e-5);
  EXPECT_GT((exact * rounded).sum().item<double>(), 0.5 * (exact * exact).sum().item<double>()) << "most of the change is lost";
}

TEST(OwnAdapter, IsPartOfTheHashAndNeverIgnored) {
  const TestFolder test;
  MakeFolder(test / "model", {"tiny_llama", "tiny_llama"});
  const uint64_t bare = OpenModel(kGoldenModels + "tiny_llama").value()->weight_hash().value();
  const uint64_t with = OpenModel(test / "model").value()->weight_hash().value();
  EXPECT_NE(with, bare);
  EXPECT_EQ(OpenModel(kGoldenModels + "tiny_llama", kGoldenPeft + "tiny_llama").value()->weight_hash().value(), with);
  EXPECT_NE(OpenModel(kGoldenModels + "tiny_llama", kGoldenPeft + "tiny_llama_patterns").value()->weight_hash().value(), with);
  EXPECT_TRUE(OpenModel(test / "model", test / "model").ok()) << "the same folder by name";
  const auto refusal = [&](const std::string& adapter = "") {
    const auto source = OpenModel(test / "model", adapter);
    if (!source.ok()) return std::string(Message(source.status()));
    const auto model = LanguageModel::Load(**source, {ModelDtype::kFloat32, at::kCPU});
    return model.ok() ? std::string("accepted") : std::string(Message(model.status()));
  };
  EXPECT_THAT(refusal(kGoldenPeft + "tiny_llama"), HasSubstr("holds an adapter of its own"));
  // Half an adapter, and one of another model.
  std::filesystem::rename(test / "model/adapter_model.safetensors", test / "model/adapter_model.bin");
  EXPECT_THAT(refusal(), HasSubstr("convert it to safetensors"));
  std::filesystem::remove(test / "model/adapter_config.json");
  EXPECT_THAT(refusal(), HasSubstr("no adapter_config.json"));
  std::filesystem::remove(test / "model/adapter_model.bin");
  EXPECT_EQ(refusal(), "accepted");
  for (const char* name : {"/adapter_config.json", "/adapter_model.safetensors"})
    std::filesystem::copy_file(kGoldenPeft + "tiny_gpt2" + name, test / "model" + name);
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr(test / "model"), HasSubstr("of another model"), HasSubstr("c_attn")));
}

TEST(StartAdapter, KeysMustAgreeWithTheFolder) {
  const auto model = LoadTiny("tiny_llama", ModelDtype::kFloat32);
  const auto message = [&](LoraConfig config, const std::string& name = "tiny_llama") {
    config.path = kGoldenPeft + name;
    ParameterSet parameters;
    const auto started = StartAdapter(*model, config, 1, parameters);
    if (name != "tiny_gpt2") {  // the estimate knows no model, and all else
      EXPECT_EQ(ResolveLora(config).ok(), started.ok());
    }
    return started.ok() ? std::string("accepted") : std::string(Message(started.status()));
  };
  EXPECT_EQ(message({.rank = 2, .alpha = 4, .rslora = false, .targets = {"down_proj", "q_proj", "v_proj"}}), "accepted");
  EXPECT_THAT(message({.rank = 16, .targets = {}}),
              testing::AllOf(HasSubstr("lora.rank is 16"), HasSubstr("rank 2"), HasSubstr("leave lora.rank out")));
  EXPECT_THAT(message({.alpha = 8, .targets = {}}), HasSubstr("lora.alpha is 8"));
  EXPECT_THAT(message({.rslora = true, .targets = {}}), HasSubstr("lora.rslora is true"));
  EXPECT_THAT(message({.targets = {"q_proj"}}), HasSubstr("lora.targets is [q_proj]"));
  EXPECT_THAT(message({.rank = 2, .targets = {}}, "tiny_llama_patterns"), HasSubstr("lora.rank is 2"));
  EXPECT_THAT(message({.targets = {}}, "tiny_gpt2"), testing::AllOf(HasSubstr("lora.path"), HasSubstr("of another model")));
  EXPECT_THAT(message({.targets = {}}, "nothing"), HasSubstr("lora.path"));
  const LoraConfig resolved = ResolveLora({.targets = {}, .path = kGoldenPeft + "tiny_llama_patterns"}).value();
  EXPECT_EQ(resolved.Rank(), 3);
  EXPECT_THAT(resolved.targets, testing::ElementsAre("k_proj", "o_proj", "up_proj"));
}

// PEFT makes a module for each name that target_modules matches: no more than there are.
TEST(ToPeft, NamesWholePathsWhereOtherModulesHaveTheSameName) {
  const auto model = LoadTiny("tiny_gptj", ModelDtype::kFloat32);
  const PeftAdapter original = ReadPeft(kGoldenPeft + "tiny_gptj_layers").value();
  ParameterSet parameters;
  const Adapter adapter = FromPeft(*model, original, parameters).value();
  EXPECT_THAT(ToPeft(*model, adapter, original.config, "base").config.target_modules,
              testing::ElementsAre("transformer.h.1.attn.out_proj", "transformer.h.1.attn.q_proj", "transformer.h.1.mlp.fc_in"));
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
    PeftConfig config;
    config.rank = 2;
    config.alpha = 2 * adapter.layers[0][0].parts[0].scale;  // every part has the same
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
