// Two-sided truth against posteriors that are listed: hidden texts of one token, so that log Z and both divergences are known.
#include "tasks/text/text_simulated.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gflownet/base/file_util.h"
#include "gflownet/base/test_folder.h"
#include "gflownet/tensor/categorical.h"
#include "tasks/build.h"
#include "tasks/infill/infill_task.h"
#include "tasks/test_small_model.h"
#include "tasks/text/text_task.h"

namespace gfn {
namespace {

using nlohmann::json;
using testing::HasSubstr;

RunConfig Config(const std::string& data, const std::string& keys = "") {
  const auto config = ReadRunConfigText(
      "model: {path: " + kSmallModels + "llama}\nthreads: 1\nseed: 5\ntask: {kind: infill, data: {train: " + data +
          ", test: " + data + "}, support: {min_len: 1, max_len: 1}" + keys + "}\nlora: {rank: 2}\n",
      "test");
  EXPECT_TRUE(config.ok()) << config.status();
  return *config;
}

TEST(Simulated, BoundsHoldLogZBetweenThemAndDivergencesAreTheExactOnes) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "stories.jsonl",
                              "{\"x\": \"The bus was late. She was\", \"y\": \"It was so.\"}\n{\"x\": \"The boy had a dog. It "
                              "was\", \"y\": \"He was glad.\"}\n")
                  .ok());
  const RunConfig config = Config(folder / "stories.jsonl");
  auto built = BuildTextParts(MakeTextKind(std::get<InfillConfig>(config.task)), config, {});
  ASSERT_TRUE(built.ok()) << built.status();
  TextParts& parts = **built;
  const auto examples = ReadTextExamples(folder / "stories.jsonl", {});
  ASSERT_TRUE(examples.ok()) << examples.status();
  constexpr int64_t kConditions = 20;
  const auto result = EvaluateSimulated(parts, *examples, 8, kConditions);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->examples.size(), static_cast<size_t>(kConditions));
  ASSERT_EQ(result->samplers.size(), 3u);  // trained, and the two fixed prompts
  const SequenceSupport& support = parts.environment->support();
  std::vector<std::vector<int32_t>> objects;
  for (int32_t id = 0; id < support.vocab_size; ++id) {
    for (const int64_t stop : support.stop_ids) {
      if (support.legal[id] && parts.environment->rules().StopIndex(id) < 0) objects.push_back({id, static_cast<int32_t>(stop)});
    }
  }
  for (size_t s = 0; s < result->samplers.size(); ++s) {
    const SamplerResult& sampler = result->samplers[s];
    const Policy& policy = s == 0 ? *parts.policy : *parts.untrained;
    // The exact numbers of every condition.
    std::map<std::string, std::vector<double>> difference;  // measured - exact
    double below = 0, above = 0;
    for (size_t c = 0; c < result->examples.size(); ++c) {
      const auto scored = ScoreTexts(*parts.environment, policy, *parts.reward,
                                     std::vector<ConditionId>(objects.size(), sampler.conditions[c].condition), objects);
      ASSERT_TRUE(scored.ok()) << scored.status();
      std::vector<double> log_r;
      for (const SampledText& text : *scored) log_r.push_back(text.log_reward);
      const double log_z = LogSumExp(log_r);
      double kl_q_p = 0, kl_p_q = 0;
      for (const SampledText& text : *scored) {
        const double log_p = text.log_reward - log_z;
        kl_q_p += std::exp(text.log_q) * (text.log_q - log_p);
        kl_p_q += std::exp(log_p) * (log_p - text.log_q);
      }
      difference["elbo"].push_back(sampler.metrics.at("elbo")[c] - (log_z - kl_q_p));
      difference["eubo"].push_back(sampler.metrics.at("eubo")[c] - (log_z + kl_p_q));
      below += sampler.metrics.at("iw_bound")[c] - log_z;
      above += sampler.metrics.at("iw_upper")[c] - log_z;
    }
    for (const auto& [name, values] : difference) {
      const double error = std::sqrt(SampleVariance(values) / static_cast<double>(values.size()));
      EXPECT_NEAR(Mean(values), 0, 4 * error + 1e-6) << sampler.name << " " << name;
      EXPECT_LT(error, 1) << name;
    }
    EXPECT_LT(below, 0) << sampler.name;
    EXPECT_GT(above, 0) << sampler.name;
  }
}

TEST(Simulated, AnotherTargetIsRefusedWithItsReason) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "stories.jsonl", "{\"x\": \"The bus was late. She was\", \"y\": \"It was so.\"}\n").ok());
  const auto refused = [&](const RunConfig& config) {
    const auto task = BuildTask(config, {});
    EXPECT_TRUE(task.ok()) << task.status();
    const auto result = (*task)->Evaluate({.split = "test", .data = "", .simulated = true, .samples = 2, .max_conditions = 2});
    return result.ok() ? "accepted" : std::string(Message(result.status()));
  };
  EXPECT_EQ(refused(Config(folder / "stories.jsonl")), "accepted");
  EXPECT_THAT(refused(Config(folder / "stories.jsonl", ", reward: [{kind: likelihood, weight: 0.5}]")), HasSubstr("task.reward"));
  EXPECT_THAT(refused(Config(folder / "stories.jsonl", ", reward: [{kind: likelihood}, {kind: length}]")),
              HasSubstr("task.reward"));
  RunConfig other = Config(folder / "stories.jsonl");
  ArithmeticConfig arithmetic;
  arithmetic.data = std::get<InfillConfig>(other.task).data;
  other.task = arithmetic;
  EXPECT_THAT(refused(other), HasSubstr("arithmetic"));
}

}  // namespace
}  // namespace gfn
