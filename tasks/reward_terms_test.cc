// What a reward is made of, and what becomes of a program of the user's that fails.
#include "tasks/text/reward_terms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/base/file_util.h"
#include "gflownet/base/test_folder.h"
#include "tasks/build.h"
#include "tasks/test_small_model.h"
#include "tasks/text/text_data.h"
#include "tasks/text/text_reference.h"

namespace gfn {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

TEST(IntegerTerm, IsExactlyANumberInRange) {
  IntegerTerm term;
  term.low = -5;
  for (const auto& [text, value] : std::map<std::string, int64_t>{{"0", 0}, {"7", 7}, {"100", 100}, {"-5", -5}})
    EXPECT_EQ(ExactInteger(term, text), value);
  for (const char* text : {"", "007", "+7", " 7", "7 ", "-0", "101", "-6", "7.", "7a", "seven", "99999999999999999999"})
    EXPECT_EQ(ExactInteger(term, text), std::nullopt) << text;
}

class Terms : public testing::Test {
 protected:
  Terms() : tokenizer_(LoadTokenizer(kSmallModels + "llama").value()) {
    condition_.x = EncodeContinuation(*tokenizer_, "She was");
    condition_.y = EncodeContinuation(*tokenizer_, "The end");
  }
  // The values of one term for some texts.
  StatusOr<std::vector<double>> Values(const RewardTermConfig& config, const std::vector<std::string>& texts) {
    ASSIGN_OR_RETURN(const auto terms, MakeTextTerms({config}, *tokenizer_));
    std::vector<std::vector<int32_t>> inner;
    for (const std::string& text : texts) inner.push_back(EncodeContinuation(*tokenizer_, text));
    std::vector<EndedText> ended;
    for (size_t i = 0; i < texts.size(); ++i)
      ended.push_back({.condition = &condition_, .inner = inner[i], .stop = 460, .text = texts[i]});
    return terms[0].term->Values(ended);
  }
  std::string Failure(const std::string& script, double timeout_s = 30) {
    CommandTerm term;
    term.name = "judge";
    term.command = {"sh", "-c", script};
    term.timeout_s = timeout_s;
    const auto values = Values(term, {"a", "b"});
    EXPECT_FALSE(values.ok());
    EXPECT_EQ(values.status().code(), absl::StatusCode::kFailedPrecondition);
    return Message(values.status());
  }
  std::unique_ptr<Tokenizer> tokenizer_;
  SequenceCondition condition_;
};

TEST_F(Terms, OfTextsAlone) {
  EXPECT_EQ(Values(PatternTerm{{}, "^ ?(so|and) \\w+$", 2, -7, false}, {"so it", "and", "é so it"}).value(),
            (std::vector<double>{2, -7, -7}));
  const double tokens = static_cast<double>(EncodeContinuation(*tokenizer_, "it was not").size());
  ASSERT_GT(tokens, 1);
  EXPECT_EQ(Values(PatternTerm{{}, "x", 0, -7, true}, {"it was not", ""}).value(), (std::vector<double>{-7 * tokens, -7}));
  EXPECT_EQ(Values(LengthTerm{}, {"it was not", ""}).value(), (std::vector<double>{tokens, 0}));
  EXPECT_EQ(Values(IntegerTerm{{}, 0, 100, 8, -16, false}, {"42", "4 2"}).value(), (std::vector<double>{8, -16}));
  // Bytes that are no character match no character, and are no fault.
  EXPECT_EQ(Values(PatternTerm{{}, "^.$", 1, 0, false}, {"\xc3", "\xc3\xa9"}).value(), (std::vector<double>{0, 1}));
  // A pattern that would look for ever is an error and not a stop.
  const auto endless = Values(PatternTerm{{}, "^(a+)+$", 1, 0, false}, {std::string(60, 'a') + "b"});
  EXPECT_FALSE(endless.ok());
  EXPECT_THAT(Message(endless.status()), HasSubstr("(a+)+"));
}

TEST_F(Terms, AProgramHearsEachTextOnce) {
  const TestFolder folder;
  CommandTerm term;
  // Answers each line with as many numbers as it has texts, and writes down what it has heard.
  term.command = {
      "sh", "-c",
      "while read -r line; do echo \"$line\" >>" + (folder / "heard") +
          "; n=$(echo \"$line\" | grep -o '\"text\"' | wc -l); printf '{\"log_rewards\":[0.5'; i=1; while [ $i -lt $n ]; "
          "do printf ',%d' $i; i=$((i+1)); done; echo ']}'; done"};
  term.batch = 2;
  EXPECT_EQ(Values(term, {"so", "it", "so", "not"}).value(), (std::vector<double>{0.5, 1, 0.5, 0.5}));
  const std::string heard = ReadFile(folder / "heard").value();
  const json first = json::parse(heard.substr(0, heard.find('\n')));
  EXPECT_EQ(first["texts"].size(), 2u);
  EXPECT_EQ(first["texts"][0]["text"], "so");
  EXPECT_EQ(first["texts"][0]["x"], tokenizer_->Decode(condition_.x));
  EXPECT_EQ(first["texts"][0]["y"], tokenizer_->Decode(condition_.y));
  EXPECT_EQ(first["texts"][0]["stop"], tokenizer_->TokenBytes(460));
}

TEST_F(Terms, AProgramThatFailsIsNamedWithItsLastWords) {
  EXPECT_THAT(Failure("read -r line; echo out of memory >&2; exit 3"),
              AllOf(HasSubstr("task.reward, term judge"), HasSubstr("exit status 3"), HasSubstr("out of memory")));
  EXPECT_THAT(Failure("echo thinking >&2; sleep 100", 0.3), AllOf(HasSubstr("0.3 s"), HasSubstr("thinking")));
  EXPECT_THAT(Failure("read -r line; echo '{\"log_rewards\": [NaN, 1]}'; sleep 100"), HasSubstr("NaN and Infinity are none"));
  EXPECT_THAT(Failure("read -r line; echo '{\"log_rewards\": [1e999, 1]}'; sleep 100"), HasSubstr("log_rewards"));
  EXPECT_THAT(Failure("read -r line; echo '{\"log_rewards\": [1]}'; sleep 100"), HasSubstr("expected 2 log rewards"));
  EXPECT_THAT(Failure("read -r line; echo '{\"log_rewards\": [1, null]}'; sleep 100"), HasSubstr("expected finite log rewards"));
  EXPECT_THAT(Failure("read -r line; echo warming up; sleep 100"), AllOf(HasSubstr("no JSON"), HasSubstr("warming up")));
  CommandTerm missing;
  missing.command = {"/no/such/judge"};
  const auto values = Values(missing, {"a"});
  EXPECT_EQ(values.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(values.status()), HasSubstr("/no/such/judge"));
}

TEST(RewardConfig, MistakesAreNamed) {
  const auto read = [](const std::string& reward) {
    return Message(
        ReadRunConfigText("model: {path: m}\ntask: {kind: posterior, data: {train: t}, reward: " + reward + "}\n", "test")
            .status());
  };
  EXPECT_THAT(read("[{kind: pattern, pattern: '('}]"), HasSubstr("task.reward.0.pattern"));
  EXPECT_THAT(read("[]"), HasSubstr("task.reward"));
  EXPECT_THAT(read("[{kind: integer, low: 3, high: 2}]"), HasSubstr("is below low"));
  EXPECT_THAT(read("[{kind: command}]"), HasSubstr("task.reward.0.command"));
  EXPECT_THAT(read("[{kind: likelyhood}]"), HasSubstr("likelihood"));
}

// A posterior of the user's own: likelihood, a length bonus and a pattern.
TEST(SumOfTerms, AddsUpAtEveryPrefix) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "prompts.jsonl", "{\"prompt\": \"The bus was late. She was\"}\n").ok());
  const std::string yaml = "model: {path: " + kSmallModels +
                           "llama}\nthreads: 1\nseed: 3\n"
                           "task: {kind: posterior, data: {train: " +
                           (folder / "prompts.jsonl") +
                           "}, support: {min_len: 1, max_len: 6},\n"
                           "  reward: [{kind: likelihood, weight: 0.5}, {kind: length, weight: -0.25},\n"
                           "           {kind: pattern, name: has_e, pattern: e, match: 3, otherwise: -1}]}\n"
                           "lora: {rank: 2}\n";
  const auto config = ReadRunConfigText(yaml, "test");
  ASSERT_TRUE(config.ok()) << config.status();
  const auto task = BuildTask(*config, {});
  ASSERT_TRUE(task.ok()) << task.status();
  ASSERT_TRUE((*task)->LoadTraining(RunPaths{folder.path()}, {}).ok());
  std::vector<json> lines;
  SampleRequest request;
  request.input = folder / "prompts.jsonl";
  request.num = 32;
  ASSERT_TRUE((*task)
                  ->Sample(request,
                           [&](const json& line) {
                             lines.push_back(line);
                             return OkStatus();
                           })
                  .ok());
  int64_t found = 0;
  for (const json& line : lines) {
    double sum = 0;
    for (const auto& [name, term] : line["terms"].items()) sum += term.get<double>();
    EXPECT_NEAR(sum, line["log_reward"].get<double>(), 1e-4) << line;
    const double has_e = line["terms"]["has_e"];
    EXPECT_TRUE(has_e == 3 || has_e == -1) << line;
    found += has_e == 3;
    EXPECT_EQ(line["terms"]["length"].get<double>(), -0.25 * static_cast<double>(line["ids"].size() - 1)) << line;
  }
  EXPECT_GT(found, 0);
  EXPECT_LT(found, 32);
  // The plain road of doctor: every prefix, every term.
  ExpectGreen(**task);
}

}  // namespace
}  // namespace gfn
