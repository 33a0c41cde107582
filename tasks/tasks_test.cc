// A sampler on a language model goes out as a folder and comes in again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/test_folder.h"
#include "gflownet/tensor/tolerances.h"
#include "tasks/infill/infill_task.h"
#include "tasks/text/sampler_file.h"
#include "tasks/text/text_support.h"

namespace gfn {
namespace {

using testing::HasSubstr;

const std::string kSmall = std::string(GFN_SOURCE_DIR) + "/tests/golden/small/";

RunSettings SettingsOf(const std::string& path, const std::string& tokenizer, int64_t seed, const LoraConfig& lora) {
  RunSettings settings;
  settings.seed = seed;
  settings.threads = 1;
  ModelSourceConfig& model = settings.model.emplace();
  model.path = path;
  model.tokenizer = tokenizer;
  settings.lora = lora;
  return settings;
}

InfillConfig SmallTask() {
  InfillConfig task;
  task.support.min_len = 2;
  return task;
}

// A sampler whose adapter does something; the seed decides its values.
std::unique_ptr<TextParts> MakeSampler(const std::string& path, const std::string& tokenizer, int64_t seed,
                                       ModelDtype dtype = ModelDtype::kFloat32) {
  RunSettings settings = SettingsOf(path, tokenizer, seed, {.rank = 2, .targets = {}});
  settings.model->dtype = dtype;
  auto parts = BuildTextParts(MakeTextKind(SmallTask()), settings, {});
  EXPECT_TRUE(parts.ok()) << parts.status();
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : (*parts)->parameters) at::Tensor(parameter.value).add_(0.01 * static_cast<double>(seed));
  (*parts)->parameters.RaiseVersion();
  return std::move(*parts);
}

class OnStories : public testing::Test {
 protected:
  static RunSettings Settings(int64_t seed, const LoraConfig& lora) {
    return SettingsOf(kSmall + "one_layer.bin", kSmall + "tok512.bin", seed, lora);
  }
  static std::unique_ptr<TextParts> MakeParts(int64_t seed) {
    return MakeSampler(kSmall + "one_layer.bin", kSmall + "tok512.bin", seed);
  }
  static double LogQ(TextParts& parts) {
    const TextExample example{
        .id = "e", .x = "Lily saw a dog.", .y = "She was happy.", .z = "The dog was big.", .where = "test:1"};
    const ConditionId id = AddCondition(parts, "{Y} {X}", example).value();
    const auto tokens = EncodeReference(*parts.tokenizer, parts.environment->support(), example.z);
    return ScoreTexts(*parts.environment, *parts.policy, *parts.reward, {id}, {tokens}).value()[0].log_q;
  }
};

TEST_F(OnStories, AdapterGoesOutAndComesIn) {
  const TestFolder folder;
  const auto original = MakeParts(1);
  const double log_q = LogQ(*original);
  ASSERT_NE(LogQ(*MakeParts(2)), log_q);
  const Status exported = ExportAdapter(*original, folder.path());
  ASSERT_TRUE(exported.ok()) << exported;
  // As the start of a run.
  const auto other = BuildTextParts(MakeTextKind(SmallTask()), Settings(2, {.targets = {}, .path = folder.path()}), {});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(LogQ(**other), log_q);
  std::map<std::string, std::string> identity = (*other)->identity;
  EXPECT_EQ(identity.erase("ranks and scales of lora.path"), 1u);
  EXPECT_EQ(identity, original->identity);
  EXPECT_TRUE((*other)->start.contains("start adapter"));
  EXPECT_TRUE(original->start.empty());
  // As part of the frozen model: of the policy's base and of the reward.
  RunSettings settings = Settings(3, {.rank = 2, .targets = {}});
  settings.model->adapter = folder.path();
  const auto on_top = BuildTextParts(MakeTextKind(SmallTask()), settings, {});
  ASSERT_TRUE(on_top.ok()) << on_top.status();
  EXPECT_NEAR(LogQ(**on_top), log_q, 1e-4) << "a fresh adapter changes nothing";
  EXPECT_NE((*on_top)->identity.at("weights"), original->identity.at("weights"));
  EXPECT_NE((*on_top)->reward->Digest(), original->reward->Digest());
  const TextExample example{.id = "e", .x = "Lily saw a dog.", .y = "She was happy.", .z = "The dog was big.", .where = "test:1"};
  const auto reward = [&](TextParts& parts) {
    const ConditionId id = AddCondition(parts, "{Y} {X}", example).value();
    const auto tokens = EncodeReference(*parts.tokenizer, parts.environment->support(), example.z);
    return ScoreTexts(*parts.environment, *parts.policy, *parts.reward, {id}, {tokens}).value()[0].log_reward;
  };
  EXPECT_EQ(reward(**other), reward(*original)) << "the start of the policy is no part of the reward";
  EXPECT_GT(std::abs(reward(**on_top) - reward(*original)), 0.01);
}

// What `merge` wrote is the model with its adapter, and brings a tokenizer that cuts texts as the base's does.
void ExpectMergedIsTheSampler(const TextParts& parts, const std::string& folder) {
  const auto source = OpenModel(folder);
  ASSERT_TRUE(source.ok()) << source.status();
  const auto merged = LanguageModel::Load(**source, {parts.settings.model->dtype, at::kCPU});
  ASSERT_TRUE(merged.ok()) << merged.status();
  const auto tokenizer = LoadTokenizer(folder);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->prepends_bos(), parts.tokenizer->prepends_bos());
  EXPECT_EQ((*tokenizer)->bos_id(), parts.tokenizer->bos_id());
  EXPECT_EQ((*tokenizer)->eos_id(), parts.tokenizer->eos_id());
  EXPECT_EQ((*source)->config().eos_ids, parts.model->config().eos_ids);
  const std::string text = "Once upon a time, Lily saw a big dog. \"Hi!\" she said.";
  const std::vector<int32_t> ids = parts.tokenizer->Encode(text);
  EXPECT_EQ((*tokenizer)->Encode(text), ids);
  Forest forest;
  forest.AddRoot(ids);
  const PackedForest packed = PackForest(forest);
  std::vector<int64_t> rows(ids.size());
  std::iota(rows.begin(), rows.end(), 0);
  const auto logits = [&](const LanguageModel& model, const Adapter* adapter) {
    return model.Logits(model.Forward(packed, rows, {.adapter = adapter, .with_grad = false, .dropout_key = {}}));
  };
  const at::Tensor expected = logits(*parts.model, &parts.adapter), base = logits(*parts.model, nullptr);
  EXPECT_GT((expected - base).abs().max().item<double>(), 1e-2) << "the adapter does something";
  // The weights are rounded once more, and an fp32 pass over them adds up other numbers: the design's 5e-5 of a token.
  const Closeness close = AllClose(logits(**merged, nullptr), expected, Tolerance{5e-5});
  EXPECT_TRUE(close.close) << close.worst;
}

TEST_F(OnStories, MergedLlama2cModelIsTheSampler) {
  const TestFolder folder;
  const auto parts = MakeParts(3);
  const Status merged = MergeAdapter(*parts, folder / "merged", "fp32");
  ASSERT_TRUE(merged.ok()) << merged;
  ExpectMergedIsTheSampler(*parts, folder / "merged");
}

TEST(Merge, GgufModelIsTheSampler) {
  const TestFolder folder;
  // In float64, so that what the folder's fp32 rounds is all that differs.
  const auto parts = MakeSampler(GFN_SOURCE_DIR "/tests/golden/format/tiny_stories.gguf", "", 3, ModelDtype::kFloat64);
  const Status merged = MergeAdapter(*parts, folder / "merged", "fp32");
  ASSERT_TRUE(merged.ok()) << merged;
  ExpectMergedIsTheSampler(*parts, folder / "merged");
  const nlohmann::json config = *ReadJsonFile(folder / "merged/config.json");
  EXPECT_EQ(config["eos_token_id"], nlohmann::json({2, 0}));
  EXPECT_EQ(config["rope_parameters"]["rope_type"], "linear");
  EXPECT_EQ((*ReadJsonFile(folder / "merged/tokenizer_config.json"))["chat_template"], "{{ messages[0]['content'] }}");
}

// A Hugging Face base: what says where it stops and how it is sampled from stays, the list of ids and the template as well.
TEST(Merge, FolderKeepsWhatBelongsToTheBase) {
  const TestFolder folder;
  const auto gguf = MakeSampler(GFN_SOURCE_DIR "/tests/golden/format/tiny_stories.gguf", "", 3);
  const std::string base = folder / "base", merged = folder / "merged";
  ASSERT_TRUE(MergeAdapter(*gguf, base, "fp32").ok());
  nlohmann::json config = *ReadJsonFile(base + "/config.json");
  config["pad_token_id"] = 0;
  config["key_of_another_program"] = "kept";
  ASSERT_TRUE(WriteJsonFile(base + "/config.json", config).ok());
  const std::string generation = R"({"eos_token_id": [2, 0], "do_sample": true, "temperature": 0.7})";
  ASSERT_TRUE(WriteFileAtomic(base + "/generation_config.json", generation).ok());
  ASSERT_TRUE(WriteFileAtomic(base + "/chat_template.jinja", "{{ x }}").ok());
  const auto parts = MakeSampler(base, "", 4);
  const Status status = MergeAdapter(*parts, merged, "bf16");
  ASSERT_TRUE(status.ok()) << status;
  config["torch_dtype"] = "bfloat16";
  EXPECT_EQ(*ReadJsonFile(merged + "/config.json"), config);
  EXPECT_EQ(*ReadFile(merged + "/generation_config.json"), generation);
  EXPECT_EQ(*ReadFile(merged + "/chat_template.jinja"), "{{ x }}");
  EXPECT_EQ(LoadTokenizer(merged).value()->digest(), parts->tokenizer->digest());
}

TEST_F(OnStories, AdapterOfAnotherBaseIsRefused) {
  const TestFolder folder;
  ASSERT_TRUE(ExportAdapter(*MakeParts(1), folder.path()).ok());
  const auto start = [&] {
    return BuildTextParts(MakeTextKind(SmallTask()), Settings(1, {.targets = {}, .path = folder.path()}), {}).status();
  };
  ASSERT_TRUE(start().ok());
  for (const char* key : {"base_weight_hash", "tokenizer_digest"}) {
    nlohmann::json sampler = *ReadJsonFile(folder / "gfn_sampler.json");
    const std::string right = sampler[key].get<std::string>();
    sampler[key] = "0123456789abcdef";
    ASSERT_TRUE(WriteJsonFile(folder / "gfn_sampler.json", sampler).ok());
    const Status refused = start();
    EXPECT_FALSE(refused.ok());
    EXPECT_THAT(std::string(Message(refused)), testing::AllOf(HasSubstr("another base"), HasSubstr(key), HasSubstr(right)));
    sampler[key] = right;
    ASSERT_TRUE(WriteJsonFile(folder / "gfn_sampler.json", sampler).ok());
  }
}

TEST_F(OnStories, SamplerFileIsReadBack) {
  const TestFolder folder;
  const auto parts = MakeParts(1);
  ASSERT_TRUE(ExportAdapter(*parts, folder.path()).ok());
  const auto file = ReadSamplerFile(folder.path());
  ASSERT_TRUE(file.ok() && file->has_value()) << file.status();
  const SequenceSupport& support = parts->environment->support();
  const SequenceSupport again = SupportFor(**file, support.vocab_size).value();
  EXPECT_EQ(again.legal, support.legal);
  EXPECT_EQ(again.stop_ids, support.stop_ids);
  EXPECT_EQ(again.min_len, support.min_len);
  EXPECT_EQ(again.max_len, support.max_len);
  EXPECT_EQ((*file)->prompt, parts->config().prompt);
  EXPECT_EQ((*file)->fields->x, parts->config().data.fields.x);
  EXPECT_THAT(std::string(Message(SupportFor(**file, 100).status())), HasSubstr("the model has 100"));
  EXPECT_FALSE(ReadSamplerFile(folder / "nothing")->has_value());
  const nlohmann::json right = *ReadJsonFile(folder / "gfn_sampler.json");
  for (const auto& [key, value] : std::vector<std::pair<std::string, nlohmann::json>>{{"legal_id_ranges", {{5, 3}}},
                                                                                      {"legal_id_ranges", {{0, 1 << 30}}},
                                                                                      {"stop_ids", {-1}},
                                                                                      {"max_len", int64_t{1} << 62},
                                                                                      {"min_len", -1},
                                                                                      {"prompt", 3},
                                                                                      {"base_dtype", "int3"},
                                                                                      {"format", 2},
                                                                                      {"fields", {{"x", "a"}}}}) {
    nlohmann::json wrong = right;
    wrong[key] = value;
    ASSERT_TRUE(WriteJsonFile(folder / "gfn_sampler.json", wrong).ok());
    const auto read = ReadSamplerFile(folder.path());
    ASSERT_FALSE(read.ok()) << key;
    EXPECT_THAT(std::string(Message(read.status())),
                testing::AllOf(HasSubstr("gfn_sampler.json"), HasSubstr(key == "fields" ? "id" : key)));
  }
}

TEST_F(OnStories, ExamplesTooLongForTheModelAreRefusedByName) {
  const auto parts = MakeParts(1);
  TextExample example{.id = "long one", .x = "", .y = "She was happy.", .z = "", .where = "stories.jsonl:7"};
  for (int i = 0; i < 600; ++i) example.x += "dog ";
  const auto id = AddCondition(*parts, "{Y} {X}", example);
  ASSERT_FALSE(id.ok());
  EXPECT_THAT(std::string(Message(id.status())), HasSubstr("stories.jsonl:7: example 'long one': "));
}

}  // namespace
}  // namespace gfn
