// A sampler on a language model goes out as a folder and comes in again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/test_folder.h"
#include "gflownet/tensor/tolerances.h"
#include "tasks/infill/infill_parts.h"

namespace gfn {
namespace {

using testing::HasSubstr;

const std::string kStories = std::string(GFN_SHARED_DIR) + "/data/models/stories260K/";

// A sampler whose adapter does something; the seed decides its values.
std::unique_ptr<InfillParts> MakeSampler(const std::string& path, const std::string& tokenizer, int64_t seed) {
  RunSettings settings;
  settings.seed = seed;
  settings.threads = 1;
  ModelSourceConfig& model = settings.model.emplace();
  model.path = path;
  model.tokenizer = tokenizer;
  settings.lora.emplace().rank = 2;
  InfillConfig task;
  task.support.min_len = 2;
  auto parts = BuildInfill(task, settings, {});
  EXPECT_TRUE(parts.ok()) << parts.status();
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : (*parts)->parameters) at::Tensor(parameter.value).add_(0.01 * static_cast<double>(seed));
  (*parts)->parameters.RaiseVersion();
  return std::move(*parts);
}

class OnStories : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kStories)) GTEST_SKIP() << "needs " << kStories;
  }
  static std::unique_ptr<InfillParts> MakeParts(int64_t seed) {
    return MakeSampler(kStories + "stories260K.bin", kStories + "tok512.bin", seed);
  }
  static double LogQ(InfillParts& parts) {
    const InfillExample example{
        .id = "e", .x = "Lily saw a dog.", .y = "She was happy.", .z = "The dog was big.", .where = "test:1"};
    const ConditionId id = AddCondition(parts, "{Y} {X}", example).value();
    const auto tokens = EncodeReference(*parts.tokenizer, parts.environment->support(), example.z);
    return ScoreTexts(*parts.environment, *parts.policy, *parts.reward, {id}, {tokens}).value()[0].log_q;
  }
};

TEST_F(OnStories, AdapterGoesOutAndComesIn) {
  const TestFolder folder;
  const auto original = MakeParts(1), other = MakeParts(2);
  const double log_q = LogQ(*original);
  ASSERT_NE(LogQ(*other), log_q);
  const Status exported = ExportAdapter(*original, folder.path());
  ASSERT_TRUE(exported.ok()) << exported;
  const Status imported = ImportAdapter(*other, folder.path());
  ASSERT_TRUE(imported.ok()) << imported;
  EXPECT_EQ(LogQ(*other), log_q);
}

// What `merge` wrote is the model with its adapter, and brings a tokenizer that cuts texts as the base's does.
void ExpectMergedIsTheSampler(const InfillParts& parts, const std::string& folder) {
  const auto source = OpenModel(folder);
  ASSERT_TRUE(source.ok()) << source.status();
  const auto merged = LanguageModel::Load(**source, {ModelDtype::kFloat32, at::kCPU});
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
  const Status merged = MergeInfill(*parts, folder / "merged", "fp32");
  ASSERT_TRUE(merged.ok()) << merged;
  ExpectMergedIsTheSampler(*parts, folder / "merged");
}

TEST(Merge, GgufModelIsTheSampler) {
  const TestFolder folder;
  const auto parts = MakeSampler(GFN_SOURCE_DIR "/tests/golden/format/tiny_stories.gguf", "", 3);
  const Status merged = MergeInfill(*parts, folder / "merged", "fp32");
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
  ASSERT_TRUE(MergeInfill(*gguf, base, "fp32").ok());
  nlohmann::json config = *ReadJsonFile(base + "/config.json");
  config["pad_token_id"] = 0;
  config["key_of_another_program"] = "kept";
  ASSERT_TRUE(WriteJsonFile(base + "/config.json", config).ok());
  const std::string generation = R"({"eos_token_id": [2, 0], "do_sample": true, "temperature": 0.7})";
  ASSERT_TRUE(WriteFileAtomic(base + "/generation_config.json", generation).ok());
  ASSERT_TRUE(WriteFileAtomic(base + "/chat_template.jinja", "{{ x }}").ok());
  const auto parts = MakeSampler(base, "", 4);
  const Status status = MergeInfill(*parts, merged, "bf16");
  ASSERT_TRUE(status.ok()) << status;
  config["torch_dtype"] = "bfloat16";
  EXPECT_EQ(*ReadJsonFile(merged + "/config.json"), config);
  EXPECT_EQ(*ReadFile(merged + "/generation_config.json"), generation);
  EXPECT_EQ(*ReadFile(merged + "/chat_template.jinja"), "{{ x }}");
  EXPECT_EQ(LoadTokenizer(merged).value()->digest(), parts->tokenizer->digest());
}

TEST_F(OnStories, AdapterOfAnotherBaseIsRefused) {
  const TestFolder folder;
  const auto parts = MakeParts(1);
  ASSERT_TRUE(ExportAdapter(*parts, folder.path()).ok());
  const double log_q = LogQ(*parts);
  for (const char* key : {"base_weight_hash", "tokenizer_digest"}) {
    nlohmann::json sampler = *ReadJsonFile(folder / "gfn_sampler.json");
    const std::string right = sampler[key].get<std::string>();
    sampler[key] = "0123456789abcdef";
    ASSERT_TRUE(WriteJsonFile(folder / "gfn_sampler.json", sampler).ok());
    const Status refused = ImportAdapter(*parts, folder.path());
    EXPECT_FALSE(refused.ok());
    EXPECT_THAT(std::string(Message(refused)), testing::AllOf(HasSubstr("another base"), HasSubstr(key), HasSubstr(right)));
    sampler[key] = right;
    ASSERT_TRUE(WriteJsonFile(folder / "gfn_sampler.json", sampler).ok());
  }
  EXPECT_EQ(LogQ(*parts), log_q) << "a refused adapter changes nothing";
}

TEST_F(OnStories, ExamplesTooLongForTheModelAreRefusedByName) {
  const auto parts = MakeParts(1);
  InfillExample example{.id = "long one", .x = "", .y = "She was happy.", .z = "", .where = "stories.jsonl:7"};
  for (int i = 0; i < 600; ++i) example.x += "dog ";
  const auto id = AddCondition(*parts, "{Y} {X}", example);
  ASSERT_FALSE(id.ok());
  EXPECT_THAT(std::string(Message(id.status())), HasSubstr("stories.jsonl:7: example 'long one': "));
}

}  // namespace
}  // namespace gfn
