#include "llm/format/peft_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/tensor/safetensors_tensors.h"
#include "llm/format/peft_config.h"
#include "llm/format/test_folder.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kGolden = GFN_SOURCE_DIR "/tests/golden/peft/";

// A copy of the golden adapter with one key of its config changed; ReadPeft's message, which must be a refusal.
std::string Refusal(const std::string& key, const json& value) {
  const std::string folder = TestFolder("refusal");
  std::filesystem::copy(kGolden + "tiny_llama", folder);
  auto config = ReadJsonFile(folder + "/adapter_config.json");
  EXPECT_TRUE(config.ok());
  (*config)[key] = value;
  EXPECT_TRUE(WriteJsonFile(folder + "/adapter_config.json", *config).ok());
  const auto adapter = ReadPeft(folder);
  EXPECT_FALSE(adapter.ok()) << key;
  return adapter.ok() ? "" : Message(adapter.status());
}

TEST(PeftFile, ReadsAnAdapterOfPeft) {
  const auto adapter = ReadPeft(kGolden + "tiny_llama");
  ASSERT_TRUE(adapter.ok()) << Message(adapter.status());
  EXPECT_EQ(adapter->config.rank, 2);
  EXPECT_EQ(adapter->config.alpha, 4);
  EXPECT_EQ(adapter->config.base_model_name_or_path, "tiny_llama");
  EXPECT_THAT(adapter->config.target_modules, ElementsAre("down_proj", "q_proj", "v_proj"));
  EXPECT_EQ(adapter->config.ScaleOf("model.layers.0.self_attn.q_proj"), 2.0);
  EXPECT_EQ(adapter->modules.size(), 6u);
  const LoraTensors& down = adapter->modules.at("model.layers.1.mlp.down_proj");
  EXPECT_THAT(down.a.sizes().vec(), ElementsAre(2, 40));
  EXPECT_THAT(down.b.sizes().vec(), ElementsAre(32, 2));
}

TEST(PeftFile, ReadsPatternsOfRankAndAlpha) {
  const auto adapter = ReadPeft(kGolden + "tiny_llama_patterns");
  ASSERT_TRUE(adapter.ok()) << Message(adapter.status());
  EXPECT_EQ(adapter->config.RankOf("model.layers.0.mlp.up_proj"), 3);
  EXPECT_EQ(adapter->config.RankOf("model.layers.0.self_attn.k_proj"), 2);
  EXPECT_EQ(adapter->config.RankOf("model.layers.1.self_attn.k_proj"), 1);
  EXPECT_EQ(adapter->config.ScaleOf("model.layers.1.self_attn.k_proj"), 3.0);
  EXPECT_EQ(adapter->config.ScaleOf("model.layers.1.self_attn.o_proj"), 2.5);
  EXPECT_EQ(adapter->modules.at("model.layers.1.self_attn.k_proj").a.size(0), 1);
}

TEST(PeftFile, ReadsRankStabilisedAdaptersOfConv1D) {
  const auto adapter = ReadPeft(kGolden + "tiny_gpt2");
  ASSERT_TRUE(adapter.ok()) << Message(adapter.status());
  EXPECT_TRUE(adapter->config.fan_in_fan_out);
  EXPECT_DOUBLE_EQ(adapter->config.ScaleOf("transformer.h.0.attn.c_attn"), 2 / std::sqrt(3.0));
  EXPECT_THAT(adapter->modules.at("transformer.h.0.attn.c_attn").a.sizes().vec(), ElementsAre(3, 32));
  EXPECT_THAT(adapter->modules.at("transformer.h.0.attn.c_attn").b.sizes().vec(), ElementsAre(96, 3));
}

TEST(PeftFile, WritesWhatItReads) {
  for (const char* name : {"tiny_llama", "tiny_llama_patterns", "tiny_gpt2"}) {
    const auto adapter = ReadPeft(kGolden + name);
    ASSERT_TRUE(adapter.ok()) << Message(adapter.status());
    const std::string folder = TestFolder("written");
    const Status written = WritePeft(folder, *adapter);
    ASSERT_TRUE(written.ok()) << Message(written);
    const auto original = ReadTensors(kGolden + name + "/adapter_model.safetensors");
    const auto copy = ReadTensors(folder + "/adapter_model.safetensors");
    ASSERT_TRUE(original.ok() && copy.ok());
    ASSERT_EQ(original->size(), copy->size());
    for (size_t i = 0; i < copy->size(); ++i) {
      EXPECT_EQ((*copy)[i].name, (*original)[i].name);
      EXPECT_TRUE(at::equal((*copy)[i].tensor, (*original)[i].tensor)) << (*copy)[i].name;
    }
    // Every key that is written is one of PEFT's, with the same value (target_modules is a set).
    const auto config = ReadJsonFile(folder + "/adapter_config.json");
    auto reference = ReadJsonFile(kGolden + name + "/adapter_config.json");
    ASSERT_TRUE(config.ok() && reference.ok());
    std::sort((*reference)["target_modules"].begin(), (*reference)["target_modules"].end());
    for (const auto& [key, value] : config->items()) EXPECT_EQ(value, (*reference)[key]) << key;
  }
}

PeftAdapter Small() {
  PeftAdapter adapter;
  adapter.config.rank = 2;
  adapter.modules["m.x.c_fc"] = {at::ones({2, 3}), at::ones({4, 2})};
  return adapter;
}

TEST(PeftFile, ListsTargetsWhereNoneAreGiven) {
  const std::string folder = TestFolder("targets");
  ASSERT_TRUE(WritePeft(folder, Small()).ok());
  const auto adapter = ReadPeft(folder);
  ASSERT_TRUE(adapter.ok()) << Message(adapter.status());
  EXPECT_THAT(adapter->config.target_modules, ElementsAre("c_fc"));
}

TEST(PeftFile, RefusesToWriteWhatItWouldNotRead) {
  PeftAdapter adapter = Small();
  adapter.modules["m.x.c_fc"].b = at::ones({4, 3});
  EXPECT_THAT(Message(WritePeft(TestFolder("bad"), adapter)), HasSubstr("lora_A is [2, 3] and lora_B [4, 3], expected [2, in]"));
  adapter = Small();
  adapter.config.target_modules = {"c_proj"};
  EXPECT_THAT(Message(WritePeft(TestFolder("bad"), adapter)), HasSubstr("not among the target_modules"));
  adapter.modules.clear();
  EXPECT_THAT(Message(WritePeft(TestFolder("bad"), adapter)), HasSubstr("without any module"));
}

// A copy of the golden adapter with one key of its config changed, read.
StatusOr<PeftAdapter> Changed(const std::string& key, const json& value) {
  const std::string folder = TestFolder("changed");
  std::filesystem::copy(kGolden + "tiny_llama", folder);
  auto config = ReadJsonFile(folder + "/adapter_config.json");
  EXPECT_TRUE(config.ok());
  (*config)[key] = value;
  EXPECT_TRUE(WriteJsonFile(folder + "/adapter_config.json", *config).ok());
  return ReadPeft(folder);
}

TEST(PeftFile, TensorsSayWhichModulesThereAre) {
  for (const auto& [key, value] : std::vector<std::pair<std::string, json>>{{"target_modules", "all-linear"},
                                                                            {"target_modules", ".*_proj"},
                                                                            {"exclude_modules", "x"},
                                                                            {"exclude_modules", {"up_proj", "k_proj"}},
                                                                            {"layers_to_transform", {0, 1}},
                                                                            {"layers_to_transform", 1},
                                                                            {"layers_pattern", "layers"},
                                                                            {"task_type", nullptr},
                                                                            {"ensure_weight_tying", true}}) {
    const auto adapter = Changed(key, value);
    ASSERT_TRUE(adapter.ok()) << key << ": " << adapter.status();
    EXPECT_EQ(adapter->modules.size(), 6u);
  }
}

TEST(PeftFile, PatternsAreRegularExpressionsAsPeftMatchesThem) {
  const auto matches = [](const std::string& key, const std::string& module) {
    const auto found = PatternMatches(key, module);
    EXPECT_TRUE(found.ok()) << key;
    return found.value_or(false);
  };
  const std::string q0 = "model.layers.0.self_attn.q_proj";
  EXPECT_TRUE(matches("q_proj", q0));
  EXPECT_TRUE(matches("self_attn.q_proj", q0));
  EXPECT_TRUE(matches(q0, q0));
  EXPECT_TRUE(matches("layers\\.[01]\\..*_proj", q0));
  EXPECT_TRUE(matches("^model\\.layers\\.\\d+.*", q0));
  EXPECT_TRUE(matches("q_proj|v_proj", q0));
  EXPECT_FALSE(matches("proj", q0)) << "only whole parts of a name";
  EXPECT_FALSE(matches("self_attn", q0)) << "to the end";
  EXPECT_FALSE(matches("layers\\.1\\..*", q0));
  EXPECT_FALSE(matches("^layers.*", q0));
  EXPECT_FALSE(PatternMatches("(", q0).ok());
  EXPECT_FALSE(PatternMatches("(.*.*.*.*.*.*.*.*)*[XZ]", q0).ok()) << "takes too long";

  const auto adapter = ReadPeft(kGolden + "tiny_llama_regex");
  ASSERT_TRUE(adapter.ok()) << adapter.status();
  EXPECT_EQ(adapter->config.RankOf("model.layers.0.self_attn.q_proj"), 3) << "the first pattern of the file";
  EXPECT_EQ(adapter->config.RankOf("model.layers.1.self_attn.q_proj"), 1);
  EXPECT_DOUBLE_EQ(adapter->config.ScaleOf("model.layers.0.mlp.up_proj"), 5 / std::sqrt(3.0));
  EXPECT_DOUBLE_EQ(adapter->config.ScaleOf("model.layers.1.mlp.up_proj"), 7 / std::sqrt(2.0)) << "the first pattern of the file";
}

TEST(PeftFile, TheOrderOfPatternsSurvives) {
  PeftAdapter adapter;
  adapter.config.rank = 2;
  adapter.config.rank_pattern = {{"x.c_fc", 3}, {"c_fc", 1}};  // sorted, the other would be first
  adapter.modules["m.x.c_fc"] = {at::ones({3, 3}), at::ones({4, 3})};
  adapter.modules["m.y.c_fc"] = {at::ones({1, 3}), at::ones({4, 1})};
  const std::string folder = TestFolder("order");
  const Status written = WritePeft(folder, adapter);
  ASSERT_TRUE(written.ok()) << written;
  const auto again = ReadPeft(folder);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->config.RankOf("m.x.c_fc"), 3);
  EXPECT_EQ(again->config.RankOf("m.y.c_fc"), 1);
}

TEST(PeftFile, DigestIsOfTheFunction) {
  const PeftAdapter adapter = ReadPeft(kGolden + "tiny_llama").value();
  PeftAdapter other = adapter;
  other.config.target_modules = {"named_otherwise"};
  EXPECT_EQ(PeftDigest(other), PeftDigest(adapter));
  other.config.alpha = 5;
  EXPECT_NE(PeftDigest(other), PeftDigest(adapter));
  other = adapter;
  other.modules.begin()->second.b = other.modules.begin()->second.b + 1e-3;
  EXPECT_NE(PeftDigest(other), PeftDigest(adapter));
}

TEST(PeftFile, RefusesByNameWhatWouldBeAnotherFunction) {
  EXPECT_THAT(Refusal("peft_type", "IA3"), HasSubstr("'peft_type' is \"IA3\""));
  EXPECT_THAT(Refusal("task_type", "SEQ_CLS"), HasSubstr("task_type"));
  EXPECT_THAT(Refusal("bias", "all"), HasSubstr("'bias' is \"all\""));
  EXPECT_THAT(Refusal("peft_type", "PREFIX_TUNING"), HasSubstr("'peft_type' is \"PREFIX_TUNING\""));
  EXPECT_THAT(Refusal("use_dora", true), testing::AllOf(HasSubstr("use_dora"), HasSubstr("merge_and_unload")));
  EXPECT_THAT(Refusal("bias", "lora_only"), HasSubstr("'bias' is \"lora_only\""));
  EXPECT_THAT(Refusal("lora_bias", true), HasSubstr("lora_bias"));
  EXPECT_THAT(Refusal("modules_to_save", {"lm_head"}), HasSubstr("modules_to_save"));
  EXPECT_THAT(Refusal("trainable_token_indices", {1}), HasSubstr("trained embeddings"));
  EXPECT_THAT(Refusal("layer_replication", {{0, 2}}), HasSubstr("layer_replication"));
  EXPECT_THAT(Refusal("init_lora_weights", "pissa"), HasSubstr("init_lora_weights"));
  EXPECT_THAT(Refusal("a_key_of_the_future", 1), HasSubstr("a_key_of_the_future"));
  EXPECT_THAT(Refusal("rank_pattern", {{"layers(", 2}}),
              testing::AllOf(HasSubstr("rank_pattern"), HasSubstr("'layers(' is no regular expression")));
  EXPECT_THAT(Refusal("alpha_pattern", {{"(.*.*.*.*.*.*.*.*)*[XZ]", 2}}), HasSubstr("takes too long"));
}

TEST(PeftFile, RefusesValuesThatDisagree) {
  EXPECT_THAT(Refusal("r", 0), HasSubstr("key 'r' is 0, expected a positive integer"));
  EXPECT_THAT(Refusal("r", 3), HasSubstr("expected [3, in]"));
  EXPECT_THAT(Refusal("lora_alpha", "x"), HasSubstr("lora_alpha"));
  EXPECT_THAT(Refusal("lora_dropout", 1.0), HasSubstr("lora_dropout"));
  EXPECT_THAT(Refusal("rank_pattern", {{"q_proj", 4}}), HasSubstr("expected [4, in]"));
  EXPECT_THAT(Refusal("target_modules", {"q_proj"}), HasSubstr("is not among the target_modules"));
}

TEST(PeftFile, RefusesIncompleteOrForeignTensors) {
  const auto refusal = [](const std::function<void(std::vector<NamedTensor>&)>& edit) {
    const std::string folder = TestFolder("tensors");
    std::filesystem::copy(kGolden + "tiny_llama", folder);
    auto tensors = ReadTensors(folder + "/adapter_model.safetensors");
    EXPECT_TRUE(tensors.ok());
    edit(*tensors);
    EXPECT_TRUE(WriteTensors(folder + "/adapter_model.safetensors", *tensors).ok());
    return Message(ReadPeft(folder).status());
  };
  EXPECT_THAT(refusal([](auto& t) { t.erase(t.begin()); }), HasSubstr("has no lora_"));
  EXPECT_THAT(refusal([](auto& t) { t[0].name = "base_model.model.lm_head.modules_to_save.weight"; }),
              HasSubstr("tensor 'base_model.model.lm_head.modules_to_save.weight', supported are"));
  EXPECT_THAT(refusal([](auto& t) { t[0].tensor[0][0] = NAN; }), HasSubstr("not finite"));
  EXPECT_THAT(refusal([](auto& t) { t.clear(); }), HasSubstr("without any module"));
  EXPECT_EQ(ReadPeft("/no/such/folder").status().code(), absl::StatusCode::kNotFound);
  const auto renamed = [&](const std::string& name) { return refusal([&](auto& t) { t[0].name = name; }); };
  const std::string module = "base_model.model.model.layers.0.self_attn.q_proj.";
  EXPECT_THAT(renamed(module + "lora_magnitude_vector.weight"), HasSubstr("DoRA"));
  EXPECT_THAT(renamed("base_model.model.model.embed_tokens.lora_embedding_A"), HasSubstr("adapts an embedding"));
  EXPECT_THAT(renamed("base_model.model.model.embed_tokens.weight"), HasSubstr("a whole weight"));
  EXPECT_THAT(renamed(module + "lora_B.bias"), HasSubstr("biases are not read"));
  EXPECT_THAT(renamed("base_model.model.model.embed_tokens.trainable_tokens_delta"), HasSubstr("trainable_token_indices"));
  EXPECT_THAT(renamed(module + "base_layer.weight"), HasSubstr("a weight of the base"));
  EXPECT_THAT(renamed("base_model.model.prompt_encoder"), HasSubstr("supported are"));
  EXPECT_THAT(renamed("lora_A.weight"), HasSubstr("supported are")) << "no module";
}

// The tensors under other names, as copies of a state dict have them.
TEST(PeftFile, NamesWithoutPrefixAndWithTheAdaptersName) {
  const PeftAdapter original = ReadPeft(kGolden + "tiny_llama").value();
  const auto read = [](const std::function<std::string(std::string)>& rename) {
    const std::string folder = TestFolder("names");
    std::filesystem::copy(kGolden + "tiny_llama", folder);
    auto tensors = ReadTensors(folder + "/adapter_model.safetensors");
    EXPECT_TRUE(tensors.ok());
    for (NamedTensor& tensor : *tensors) tensor.name = rename(tensor.name);
    EXPECT_TRUE(WriteTensors(folder + "/adapter_model.safetensors", *tensors).ok());
    return ReadPeft(folder);
  };
  const auto bare = [](std::string name) { return name.substr(std::string("base_model.model.").size()); };
  const auto named = [](const std::string& adapter) {
    return [adapter](std::string name) { return name.insert(name.rfind(".weight"), "." + adapter); };
  };
  for (const auto& rename : std::vector<std::function<std::string(std::string)>>{
           bare, named("default"), named("my-adapter_2"), [&](std::string name) { return bare(named("default")(name)); }}) {
    const auto adapter = read(rename);
    ASSERT_TRUE(adapter.ok()) << adapter.status();
    EXPECT_EQ(PeftDigest(*adapter), PeftDigest(original));
  }
  EXPECT_THAT(Message(read([&](std::string name) { return named(name.find("q_proj") == name.npos ? "a" : "b")(name); }).status()),
              HasSubstr("more than one adapter"));
  EXPECT_THAT(Message(read([&](std::string name) { return named("a.b")(name); }).status()), HasSubstr("supported are"));
}

TEST(PeftFile, ATensorUnderTwoNamesIsRefused) {
  const std::string folder = TestFolder("twice");
  std::filesystem::copy(kGolden + "tiny_llama", folder);
  auto tensors = ReadTensors(folder + "/adapter_model.safetensors").value();
  tensors.push_back(tensors[0]);
  tensors.back().name = tensors.back().name.substr(std::string("base_model.model.").size());
  ASSERT_TRUE(WriteTensors(folder + "/adapter_model.safetensors", tensors).ok());
  EXPECT_THAT(Message(ReadPeft(folder).status()), HasSubstr("is there twice"));
}

TEST(PeftFile, SaysWhatIsMissingInAFolder) {
  const std::string folder = TestFolder("parts");
  std::filesystem::create_directories(folder);
  EXPECT_FALSE(HoldsPeftFiles(folder));
  EXPECT_THAT(Message(ReadPeft(folder).status()), HasSubstr("no adapter_config.json"));
  std::filesystem::copy(kGolden + "tiny_llama", folder + "/adapter");
  EXPECT_THAT(Message(ReadPeft(folder).status()), HasSubstr("did you mean " + folder + "/adapter?"));
  std::filesystem::copy(kGolden + "tiny_llama/adapter_config.json", folder);
  EXPECT_TRUE(HoldsPeftFiles(folder));
  EXPECT_THAT(Message(ReadPeft(folder).status()), HasSubstr("no adapter_model.safetensors"));
  ASSERT_TRUE(WriteFileAtomic(folder + "/adapter_model.bin", "PK").ok());
  EXPECT_THAT(Message(ReadPeft(folder).status()), HasSubstr("convert it to safetensors"));
  EXPECT_THAT(Message(ReadPeft(folder + "/adapter_config.json").status()), HasSubstr("a file; expected the folder"));
}

}  // namespace
}  // namespace gfn
