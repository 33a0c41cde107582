// A calculator as part of the world: what it computes, which tokens it forces, and a sampler whose log q leaves them out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "gflownet/base/file_util.h"
#include "gflownet/base/jsonl.h"
#include "gflownet/base/test_folder.h"
#include "llm/gfn/sampler_evaluation.h"
#include "tasks/arithmetic/calculator.h"
#include "tasks/arithmetic/calculator_rules.h"
#include "tasks/arithmetic/problems.h"
#include "tasks/build.h"
#include "tasks/test_small_model.h"
#include "tasks/text/text_data.h"
#include "tasks/text/text_support.h"

namespace gfn {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Calculator, ComputesWhatItKnowsAndRefusesTheRest) {
  EXPECT_EQ(Calculate("6 - 4", 2), 2);
  EXPECT_EQ(Calculate(" 2 - 8 ", 2), -6);
  EXPECT_EQ(Calculate("-6+11", 2), 5);
  EXPECT_EQ(Calculate("3 - -4", 2), 7);
  EXPECT_EQ(Calculate("7", 2), 7);
  EXPECT_EQ(Calculate("2 + 3 * 4", 3), 14);
  EXPECT_EQ(Calculate("2 * 3 - 4 * 5", 4), -14);
  EXPECT_EQ(Calculate("2 + 3 + 4", 2), std::nullopt) << "three numbers where two are known";
  EXPECT_EQ(Calculate("999999999999999 * 2", 2), std::nullopt) << "beyond 15 digits";
  EXPECT_EQ(Calculate("-999999999999999 - 1", 2), std::nullopt);
  EXPECT_EQ(Calculate("1000000000000000 - 1", 2), std::nullopt);
  for (const char* text : {"", " ", "+", "3 +", "+ 3", "3 4", "9**9**9", "9 ** 9", "__import__('os')", "3 / 2", "(3)", "3 + x",
                           "3.5 + 1", "3 + + 4", "03 + 4", "--3"}) {
    EXPECT_EQ(Calculate(text, 9), std::nullopt) << text;
  }
}

TEST(Calculator, AnExpressionBeginsBehindTheLastStep) {
  EXPECT_EQ(AskedExpression("6 - 0 =").value(), "6 - 0 ");
  EXPECT_EQ(AskedExpression(" 6 - 0 = 6, 6 - 4 =").value(), " 6 - 4 ");
  EXPECT_EQ(AskedExpression("Right. 6 - 4=").value(), " 6 - 4");
  EXPECT_EQ(AskedExpression("= 3 ="), " 3 ");
  EXPECT_EQ(AskedExpression("6 - 4"), std::nullopt);
  EXPECT_EQ(AskedExpression("6 = "), std::nullopt);
}

TEST(Calculator, AnAnswerIsTheLastNumber) {
  EXPECT_EQ(LastNumber("6 - 4 = 2, 2 - 8 = -6"), -6);
  EXPECT_EQ(LastNumber("The answer is -12."), -12);
  EXPECT_EQ(LastNumber("2-8"), 8);
  EXPECT_EQ(LastNumber("-3"), -3);
  EXPECT_EQ(LastNumber("none"), std::nullopt);
  EXPECT_EQ(LastNumber(""), std::nullopt);
}

// What the rules force behind a text, one token after the other.
class Forced : public testing::Test {
 protected:
  void SetUp() override {
    tokenizer_ = LoadTokenizer(kSmallModels + "llama").value();
    support_.vocab_size = tokenizer_->vocab_size();
    TextSupport support;
    support.max_len = 24;
    support.min_len = 1;
    support.stop = {"."};
    support.allowed_characters = " ,0123456789=+-*";
    support.forbidden_characters = "";
    support_ = MakeTextSupport(*tokenizer_, support, tokenizer_->vocab_size()).value();
  }
  std::string Behind(const std::string& text, int64_t max_operands = 2) const {
    const CalculatorRules rules(support_, *tokenizer_, max_operands);
    std::vector<int32_t> tokens = EncodeContinuation(*tokenizer_, text), forced;
    while (static_cast<int64_t>(tokens.size()) < support_.max_len) {
      const TokenChoice choice = rules.After({}, tokens);
      if (choice.forced == TokenChoice::kNone) break;
      EXPECT_FALSE(choice.stop_legal) << "no object ends inside a result";
      forced.push_back(choice.forced);
      tokens.push_back(choice.forced);
    }
    return DecodeAsItStands(*tokenizer_, forced);
  }
  std::unique_ptr<Tokenizer> tokenizer_;
  SequenceSupport support_;
};

TEST_F(Forced, IsTheResultAndNothingBehindIt) {
  EXPECT_EQ(Behind("6 - 4 ="), " 2");
  EXPECT_EQ(Behind("2 - 8 ="), " -6");
  EXPECT_EQ(Behind("9 + 8 ="), " 17");
  EXPECT_EQ(Behind("9 + 8 = 1"), "7") << "the rest of a result that has begun";
  EXPECT_EQ(Behind("9 + 8 = 17"), "");
  EXPECT_EQ(Behind("2 - 8 = -6, -6 + 11 ="), " 5");
  EXPECT_EQ(Behind("6 - 4"), "");
}

TEST_F(Forced, IsNothingWhereTheCalculatorRefuses) {
  EXPECT_EQ(Behind("1 + 2 + 3 ="), "");
  EXPECT_EQ(Behind("1 + 2 + 3 =", 3), " 6");
  EXPECT_EQ(Behind("9**9**9 ="), "");
  EXPECT_EQ(Behind("= ="), "");
  // Two places are left for a space, a sign and a digit.
  support_.max_len = static_cast<int64_t>(EncodeContinuation(*tokenizer_, "2 - 8 =").size()) + 2;
  EXPECT_EQ(Behind("2 - 8 ="), "");
  ++support_.max_len;
  EXPECT_EQ(Behind("2 - 8 ="), " -6");
}

TEST(ArithmeticData, NoQuestionStandsInTwoFiles) {
  const TestFolder folder;
  const ArithmeticData data{.train = 300, .demonstrations = 20, .test = 200};
  ASSERT_TRUE(WriteData(data, folder.path()).ok());
  std::set<std::string> questions;
  size_t lines = 0;
  std::map<std::string, size_t> worked;
  for (const auto& [name, count] :
       std::map<std::string, size_t>{{"train", 300}, {"demonstrations", 20}, {"test_3", 200}, {"test_4", 200}, {"test_5", 200}}) {
    const auto examples = ReadTextExamples(folder / (name + ".jsonl"), {});
    ASSERT_TRUE(examples.ok()) << examples.status();
    EXPECT_EQ(examples->size(), count) << name;
    for (const TextExample& example : *examples) {
      ++lines;
      questions.insert(example.x);
      if (name == "train" && example.z.empty()) continue;  // worked ones are few there
      ++worked[name];
      // The worked solution ends with the answer, and every step of it is right.
      EXPECT_EQ(LastNumber(example.z), LastNumber(example.y)) << example.z;
      std::string_view rest = std::string_view(example.z).substr(0, example.z.size() - 1);
      while (!rest.empty()) {
        const std::string_view step = rest.substr(0, rest.find(','));
        const size_t equals = step.find('=');
        EXPECT_EQ(Calculate(step.substr(0, equals), 2), LastNumber(step)) << step;
        rest.remove_prefix(std::min(rest.size(), step.size() + 1));
      }
    }
  }
  EXPECT_EQ(questions.size(), lines);
  EXPECT_EQ(worked["train"], 50u);
  EXPECT_EQ(worked["test_5"], 200u);
  // Another seed draws others, the same seed the same.
  const TestFolder again, other;
  ASSERT_TRUE(WriteData(data, again.path()).ok());
  EXPECT_EQ(ReadFile(again / "train.jsonl").value(), ReadFile(folder / "train.jsonl").value());
  ArithmeticData another = data;
  another.seed = 2;
  ASSERT_TRUE(WriteData(another, other.path()).ok());
  EXPECT_NE(ReadFile(other / "train.jsonl").value(), ReadFile(folder / "train.jsonl").value());
  EXPECT_THAT(Message(WriteData({.operands = {2}, .beyond = {}, .train = 200}, other.path())),
              HasSubstr("more than half of the 200"));
}

TEST(ArithmeticTask, LogQLeavesForcedTokensOut) {
  const TestFolder folder;
  ASSERT_TRUE(WriteData({.train = 4, .demonstrations = 4, .test = 4}, folder.path()).ok());
  const std::string yaml = "model: {path: " + kSmallModels +
                           "llama}\nthreads: 1\nseed: 3\n"
                           "task: {kind: arithmetic, data: {train: " +
                           (folder / "train.jsonl") + ", test: " + (folder / "test_3.jsonl") +
                           "}, reward_prompt: '{D}{X}', demonstrations: {data: " + (folder / "demonstrations.jsonl") +
                           ", count: 1},\n  support: {min_len: 1, max_len: 20}}\nlora: {rank: 2}\n";
  const auto config = ReadRunConfigText(yaml, "test");
  ASSERT_TRUE(config.ok()) << config.status();
  const auto task = BuildTask(*config, {});
  ASSERT_TRUE(task.ok()) << task.status();
  const auto training = (*task)->LoadTraining(RunPaths{folder.path()}, {});
  ASSERT_TRUE(training.ok()) << training.status();
  const TaskSampler sampler = (*task)->sampler();
  const auto& environment = dynamic_cast<const SequenceEnvironment&>(*sampler.environment);
  const auto tokenizer = LoadTokenizer(kSmallModels + "llama").value();
  const auto tokens_of = [&](const std::string& text) {
    std::vector<int32_t> tokens = EncodeContinuation(*tokenizer, text);
    tokens.push_back(static_cast<int32_t>(environment.support().stop_ids[0]));
    return tokens;
  };
  const ConditionId id = training->conditions[0];
  const std::vector<int32_t> before = EncodeContinuation(*tokenizer, "3 + 4 =");
  const auto batch = MakeTokenBatch(environment, {id}, {tokens_of("3 + 4 = 7")});
  ASSERT_TRUE(batch.ok()) << batch.status();
  const at::Tensor log_pf = sampler.policy->Score(*batch, {.needs = Need::kLogPf, .with_grad = false}).log_pf_BT[0];
  const auto first = static_cast<int64_t>(before.size());
  for (int64_t t = 0; t < first; ++t) EXPECT_LT(log_pf[t].item<double>(), 0) << t;
  for (int64_t t = first; t < log_pf.numel() - 1; ++t) EXPECT_EQ(log_pf[t].item<double>(), 0) << t;
  EXPECT_FALSE(MakeTokenBatch(environment, {id}, {tokens_of("3 + 4 = 8")}).ok()) << "another result is no object";
  EXPECT_FALSE(MakeTokenBatch(environment, {id}, {tokens_of("3 + 4 =")}).ok()) << "an object ends before its result";
  EXPECT_TRUE(MakeTokenBatch(environment, {id}, {tokens_of("3 + 4 + 1 = 9")}).ok()) << "what is not computed may be anything";
  // The reward counts them: the frozen model has its own opinion of the result.
  const auto reward = sampler.reward->LogReward(*batch);
  ASSERT_TRUE(reward.ok()) << reward.status();

  // Sampling, scoring, replay, the plain pass and float64 agree, with results among the tokens.
  ExpectGreen(**task);
  // Draws have the numbers that scoring gives them, and in each of them every step is right.
  std::vector<json> lines, scored;
  const auto collect = [](std::vector<json>& to) {
    return [&to](const json& line) {
      to.push_back(line);
      return OkStatus();
    };
  };
  SampleRequest request;
  request.input = folder / "test_3.jsonl";
  request.num = 64;
  ASSERT_TRUE((*task)->Sample(request, collect(lines)).ok());
  std::string text;
  int64_t computed = 0;
  for (const json& line : lines) {
    text += line.dump() + "\n";
    const std::string drawn = line["text"];
    for (size_t at = drawn.find('='); at != std::string::npos; at = drawn.find('=', at + 1)) {
      const auto expression = AskedExpression(std::string_view(drawn).substr(0, at + 1));
      computed += expression && Calculate(*expression, 2).has_value() ? 1 : 0;
    }
  }
  EXPECT_GT(computed, 0) << "the draws hold no result, so this test shows nothing";
  ASSERT_TRUE(WriteFileAtomic(folder / "drawn.jsonl", text).ok());
  ASSERT_TRUE((*task)->Score({.file = folder / "drawn.jsonl", .input = request.input}, collect(scored)).ok());
  ASSERT_EQ(scored.size(), lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_NEAR(scored[i]["log_pf"].get<double>(), lines[i]["log_pf"].get<double>(), 1e-3) << lines[i];
    EXPECT_NEAR(scored[i]["log_reward"].get<double>(), lines[i]["log_reward"].get<double>(), 1e-3) << lines[i];
  }
}

TEST(ArithmeticTask, DemonstrationsThatAreNotThereAreNamed) {
  const TestFolder folder;
  ASSERT_TRUE(WriteData({.train = 4, .demonstrations = 4, .test = 4}, folder.path()).ok());
  ASSERT_TRUE(WriteFileAtomic(folder / "empty.jsonl", "").ok());
  const auto load = [&](const std::string& demonstrations) {
    const std::string yaml = "model: {path: " + kSmallModels +
                             "llama}\nthreads: 1\n"
                             "task: {kind: arithmetic, data: {train: " +
                             (folder / "train.jsonl") + "}, reward_prompt: '{D}{X}', demonstrations: {data: " + demonstrations +
                             "}}\nlora: {rank: 2}\n";
    const auto config = ReadRunConfigText(yaml, "test");
    if (!config.ok()) return config.status();
    auto task = BuildTask(*config, {});
    if (!task.ok()) return task.status();
    return (*task)->LoadTraining(RunPaths{folder.path()}, {}).status();
  };
  EXPECT_TRUE(load(folder / "demonstrations.jsonl").ok());
  const Status empty = load(folder / "empty.jsonl");
  EXPECT_FALSE(empty.ok());
  EXPECT_THAT(Message(empty), HasSubstr("empty.jsonl"));
  EXPECT_FALSE(load(folder / "nothing.jsonl").ok());
}

}  // namespace
}  // namespace gfn
