// The random number: exact probabilities beside draws, before and after a short training.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "gflownet/base/file_util.h"
#include "gflownet/base/test_folder.h"
#include "tasks/build.h"
#include "tasks/random_number/random_number_task.h"
#include "tasks/test_small_model.h"
#include "tasks/training.h"

namespace gfn {
namespace {

using nlohmann::json;

TEST(KlToUniform, IsZeroForEqualWeightsOnly) {
  EXPECT_NEAR(KlToUniform({2, 2, 2, 2}), 0, 1e-15);
  EXPECT_NEAR(KlToUniform({1, 0, 0, 0}), std::log(4), 1e-15);
  EXPECT_NEAR(KlToUniform({3, 1}), 0.75 * std::log(1.5) + 0.25 * std::log(0.5), 1e-15);
}

TEST(Spellings, AreAllWaysToWriteATextInLegalTokens) {
  const auto tokenizer = LoadTokenizer(kSmallModels + "byte_bpe").value();
  SequenceSupport support{.vocab_size = tokenizer->vocab_size(),
                          .legal = std::vector<bool>(tokenizer->vocab_size(), true),
                          .stop_ids = {0},
                          .min_len = 1,
                          .max_len = 4};
  const std::string text = "there";
  const auto spellings = Spellings(*tokenizer, support, text);
  ASSERT_GT(spellings.size(), 1u);
  std::set<std::vector<int32_t>> distinct(spellings.begin(), spellings.end());
  EXPECT_EQ(distinct.size(), spellings.size());
  for (const auto& tokens : spellings) {
    std::string spelt;
    for (const int32_t id : tokens) spelt += tokenizer->TokenBytes(id);
    EXPECT_EQ(spelt, text);
    EXPECT_LE(tokens.size(), 4u);
  }
  // Every list of up to 4 tokens that spells the text is among them: counted by another road.
  std::vector<std::vector<int64_t>> ways(5, std::vector<int64_t>(text.size() + 1));  // [tokens][characters]
  ways[0][0] = 1;
  for (size_t n = 0; n < 4; ++n) {
    for (size_t at = 0; at < text.size(); ++at) {
      for (int32_t id = 1; id < tokenizer->vocab_size(); ++id) {
        const std::string_view bytes = tokenizer->TokenBytes(id);
        if (!bytes.empty() && std::string_view(text).substr(at).starts_with(bytes)) ways[n + 1][at + bytes.size()] += ways[n][at];
      }
    }
  }
  int64_t count = 0;
  for (const auto& of_length : ways) count += of_length[text.size()];
  EXPECT_EQ(static_cast<int64_t>(spellings.size()), count);
}

TEST(RandomNumber, ExactProbabilitiesAreThoseOfDrawsBeforeAndAfterTraining) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "prompt.txt", "A number: \n").ok());
  const std::string yaml =
      "model: {path: " + kSmallModels +
      "llama}\nthreads: 1\nseed: 3\n"
      "task: {kind: random_number, data: {train: " +
      (folder / "prompt.txt") +
      "}, support: {max_len: 3, stop: ['.']},\n  reward: [{kind: integer, low: 0, high: 9}]}\n"
      "lora: {rank: 16, alpha: 32}\nobjective: {kind: modified_subtb}\n"
      "train: {max_steps: 40, conditions_per_step: 1, rollouts: 64}\n"
      "optimizer: {learning_rate: 1e-2, beta2: 0.99, schedule: {warmup_steps: 5, decay: linear, decay_steps: 35, "
      "final_fraction: 0.05}}\n";
  const auto config = ReadRunConfigText(yaml, "test");
  ASSERT_TRUE(config.ok()) << config.status();
  auto task = BuildTask(*config, {});
  ASSERT_TRUE(task.ok()) << task.status();
  const auto training = (*task)->LoadTraining(RunPaths{folder.path()}, {});
  ASSERT_TRUE(training.ok()) << training.status();
  EvalRequest request;
  request.data = folder / "prompt.txt";
  request.samples = 4000;
  const auto before = (*task)->Evaluate(request);
  ASSERT_TRUE(before.ok()) << before.status();
  {
    auto parts = MakeTraining(*config, **task, *training, folder.path());
    ASSERT_TRUE(parts.ok()) << parts.status();
    for (int64_t step = 0; step < config->train.limits.max_steps; ++step) {
      const auto metrics = parts->loop().Step();
      ASSERT_TRUE(metrics.ok()) << metrics.status();
    }
  }
  const auto after = (*task)->Evaluate(request);
  ASSERT_TRUE(after.ok()) << after.status();
  const auto mean = [](const EvalResult& result, const std::string& sampler, const std::string& metric) {
    return result.numbers["samplers"][sampler][metric]["mean"].get<double>();
  };
  // The model has hardly seen a digit, so its digits cannot all be told from other rare bytes.
  EXPECT_LT(mean(*before, "trained", "q_valid"), 0.1);
  EXPECT_GT(mean(*after, "trained", "q_valid"), 0.6);
  EXPECT_EQ(mean(*after, "untrained", "q_valid"), mean(*before, "untrained", "q_valid"));
  // Draws against exact probabilities: a share within four standard deviations, each number within five.
  const double q_valid = mean(*after, "trained", "q_valid");
  EXPECT_NEAR(mean(*after, "trained", "valid"), q_valid, 4 * std::sqrt(q_valid * (1 - q_valid) / 4000) + 1e-4);
  const json& own = after->pictures["own"]["trained"][0];
  const auto drawn = own["drawn"].get<std::vector<double>>(), exact = own["exact"].get<std::vector<double>>();
  ASSERT_EQ(exact.size(), 10u);
  EXPECT_NEAR(std::accumulate(exact.begin(), exact.end(), 0.0), q_valid, 1e-9);
  for (size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(drawn[i], exact[i], 5 * std::sqrt(exact[i] / 4000)) << i;
}

}  // namespace
}  // namespace gfn
