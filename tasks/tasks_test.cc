// A sampler on a language model goes out as a folder and comes in again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "gflownet/base/json_util.h"
#include "gflownet/base/test_folder.h"
#include "tasks/infill/infill_parts.h"

namespace gfn {
namespace {

using testing::HasSubstr;

const std::string kStories = std::string(GFN_SHARED_DIR) + "/data/models/stories260K/";

class OnStories : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kStories)) GTEST_SKIP() << "needs " << kStories;
  }
  // A sampler whose adapter does something; the seed decides its values.
  static std::unique_ptr<InfillParts> MakeParts(int64_t seed) {
    RunSettings settings;
    settings.seed = seed;
    settings.threads = 1;
    ModelSourceConfig& model = settings.model.emplace();
    model.path = kStories + "stories260K.bin";
    model.tokenizer = kStories + "tok512.bin";
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
