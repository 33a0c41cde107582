// Simulated stories: exact samples of the model inside the support, however the attempts are divided.
#include "tasks/infill/simulate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "gflownet/tensor/device.h"
#include "llm/gfn/test_world.h"
#include "tasks/text/text_support.h"

namespace gfn {
namespace {

const std::string kSmallModel = std::string(GFN_SOURCE_DIR) + "/tests/golden/small/llama";

class Simulation : public testing::Test {
 protected:
  void SetUp() override {
    SetNumThreads(1);
    tokenizer_ = LoadTokenizer(kSmallModel).value();
    std::vector<SequenceCondition> contents;
    // The hidden text is the end of a word: one that the model takes to end a sentence.
    for (const char* x : {"The stream behind the apartments was choked with plastic bag",
                          "At the office party, somebody had brought homemade cook"}) {
      contents.push_back(EncodeCondition(*tokenizer_, {"{X}"}, x, ""));
      request_.beginnings.push_back(contents.back().x);
    }
    std::vector<int64_t> legal;
    for (const char* text : {"s", "es", "ing", "er", "et", "y"}) {
      const std::optional<int32_t> id = tokenizer_->FindToken(text);
      ASSERT_TRUE(id.has_value()) << text;
      legal.push_back(*id);
    }
    const std::vector<int32_t> stop = tokenizer_->Encode(".", {.continuation = true});
    ASSERT_EQ(stop.size(), 1u);
    world_ = std::make_unique<TestWorld>(kSmallModel, ModelDtype::kFloat32, contents, legal, std::vector<int64_t>{stop[0]}, 1, 2);
    request_.model = world_->model.get();
    request_.tokenizer = tokenizer_.get();
    request_.support = world_->environment->support();
    request_.sentence_ends = ".!?";
    request_.seed = 5;
    request_.config.attempts = 42 * kSimulationChunk;  // a chunk for each beginning in turn
    request_.config.max_y_len = 100;
  }
  std::vector<SimulatedStory> Simulate(int64_t first, int64_t last) const {
    return SimulateStories(request_, first, last).value();
  }

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<TestWorld> world_;
  SimulationRequest request_;
};

TEST_F(Simulation, DrawsHiddenTextsByTheirProbability) {
  std::vector<std::map<std::vector<int32_t>, double>> count(2);
  request_.config.endings = 1;
  const std::vector<SimulatedStory> stories = Simulate(0, request_.config.attempts);
  for (const SimulatedStory& story : stories) {
    EXPECT_TRUE(request_.support.Contains(story.z));
    EXPECT_EQ(story.stop, request_.support.stop_ids[0]);
    ++count[story.example][story.z];
  }
  const double attempts = static_cast<double>(request_.config.attempts) / 2;
  const SequencePolicy base(*world_->model, nullptr, nullptr, *world_->environment, PromptSource::kX);
  const std::vector<std::vector<int32_t>> objects = world_->Objects();
  for (size_t c = 0; c < 2; ++c) {
    const std::vector<ConditionId> rows = Repeat(world_->conditions[c], static_cast<int64_t>(objects.size()));
    const auto texts = ScoreTexts(*world_->environment, base, *world_->reward, rows, objects).value();
    double kept = 0;
    for (size_t i = 0; i < objects.size(); ++i) {
      const double p = std::exp(texts[i].terms.at("log_p_z") + texts[i].terms.at("log_p_stop"));
      const double found = count[c][{objects[i].begin(), objects[i].end() - 1}] / attempts;
      EXPECT_NEAR(found, p, 4.5 * std::sqrt(p * (1 - p) / attempts) + 1 / attempts) << "beginning " << c << ", object " << i;
      kept += p;
    }
    EXPECT_GT(kept, 0.01) << "a support that nothing reaches shows nothing";
  }
}

TEST_F(Simulation, DoesNotDependOnHowTheAttemptsAreDivided) {
  request_.config.endings = 2;
  const std::vector<SimulatedStory> whole = Simulate(0, 512);
  std::vector<SimulatedStory> parts = Simulate(0, 100);
  for (const SimulatedStory& story : Simulate(100, 512)) parts.push_back(story);
  ASSERT_GE(whole.size(), 4u);
  ASSERT_EQ(parts.size(), whole.size());
  int64_t differ = 0, same_text = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_EQ(parts[i].example, whole[i].example);
    EXPECT_EQ(parts[i].z, whole[i].z);
    EXPECT_EQ(parts[i].y, whole[i].y);
    EXPECT_NE(tokenizer_->TokenBytes(whole[i].y.back()).find_first_of(".!?"), std::string_view::npos);
    if (i == 0 || whole[i].z != whole[i - 1].z) continue;
    ++same_text;
    differ += whole[i].y != whole[i - 1].y ? 1 : 0;
  }
  EXPECT_GT(same_text, 0) << "two endings a hidden text";
  EXPECT_GT(differ, same_text / 2) << "each on a stream of its own";
}

TEST_F(Simulation, MoreThanTheContextIsRefused) {
  request_.config.max_y_len = int64_t{1} << 20;
  const auto stories = SimulateStories(request_, 0, 512);
  ASSERT_FALSE(stories.ok());
  EXPECT_NE(std::string(Message(stories.status())).find("task.simulation"), std::string::npos) << stories.status();
}

}  // namespace
}  // namespace gfn
