#include <cmath>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "gflownet/base/json_util.h"
#include "gflownet/base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "llm/metrics/bleu.h"
#include "llm/metrics/diversity.h"
#include "llm/metrics/tokens.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr double kTolerance = 1e-12;  // the same sums in float64

nlohmann::json Golden() {
  auto golden = ReadJsonFile(GFN_SOURCE_DIR "/tests/golden/text_metrics/golden.json");
  EXPECT_TRUE(golden.ok()) << golden.status();
  return golden.ok() ? *std::move(golden) : nlohmann::json::object();
}

// The golden sentences are words with one space between them.
std::vector<std::string> SplitSpaces(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

void ExpectOptional(std::optional<double> actual, const nlohmann::json& expected, const std::string& what) {
  ASSERT_EQ(actual.has_value(), !expected.is_null()) << what;
  if (actual.has_value()) {
    EXPECT_NEAR(*actual, expected.get<double>(), kTolerance) << what;
  }
}

TEST(TextMetrics, SentenceScoresEqualNltk) {
  const nlohmann::json golden = Golden();
  ASSERT_GE(golden["pairs"].size(), 300u);
  for (const auto& pair : golden["pairs"]) {
    WordNumbering numbering;
    std::vector<TokenSequence> references;
    for (const std::string text : pair["references"]) references.push_back(numbering.Number(SplitSpaces(text)));
    const TokenSequence hypothesis = numbering.Number(SplitSpaces(pair["hypothesis"]));
    EXPECT_NEAR(SentenceBleu(references, hypothesis), pair["bleu"], kTolerance) << pair;
    EXPECT_NEAR(SentenceGleu(references, hypothesis), pair["gleu"], kTolerance) << pair;
    EXPECT_EQ(TokenEditDistance(references[0], hypothesis), pair["edit_distance"]) << pair;
    EXPECT_EQ(TokenEditDistance(hypothesis, references[0]), pair["edit_distance"]) << pair;
  }
}

TEST(TextMetrics, DiversityEqualsNltk) {
  const nlohmann::json golden = Golden();
  ASSERT_GE(golden["groups"].size(), 40u);
  for (const auto& group : golden["groups"]) {
    WordNumbering numbering;
    std::vector<TokenSequence> samples;
    for (const std::string text : group["samples"]) samples.push_back(numbering.Number(SplitSpaces(text)));
    ExpectOptional(DistinctN(samples, 1), group["distinct_1"], "distinct-1 of " + group.dump());
    ExpectOptional(DistinctN(samples, 2), group["distinct_2"], "distinct-2 of " + group.dump());
    ExpectOptional(SelfBleu(samples), group["self_bleu"], "self-BLEU of " + group.dump());
    ExpectOptional(RepetitionN(samples, 2), group["repetition_2"], "repetition of " + group.dump());
  }
}

// The fast self-BLEU against the definition, on small alphabets where samples share most of their n-grams.
TEST(TextMetrics, SelfBleuEqualsItsDefinition) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const RngKey key{.seed = seed};
    std::vector<TokenSequence> samples(2 + UniformInt(key, 0, 0, 8));
    for (size_t i = 0; i < samples.size(); ++i) {
      samples[i].resize(UniformInt(key, i + 1, 0, 16));
      for (size_t t = 0; t < samples[i].size(); ++t) {
        samples[i][t] = static_cast<int64_t>(UniformInt(key, i + 1, t + 1, 4));
      }
    }
    double sum = 0;
    for (size_t i = 0; i < samples.size(); ++i) {
      std::vector<TokenSequence> others = samples;
      others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
      sum += SentenceBleu(others, samples[i]);
    }
    EXPECT_NEAR(*SelfBleu(samples), sum / static_cast<double>(samples.size()), kTolerance) << "seed " << seed;
  }
}

TEST(TextMetrics, NothingToCountIsNotANumber) {
  const std::vector<TokenSequence> none, empty = {{}, {}}, one = {{1, 2}};
  EXPECT_FALSE(DistinctN(none, 1).has_value());
  EXPECT_FALSE(DistinctN(empty, 1).has_value());
  EXPECT_FALSE(DistinctN(one, 3).has_value());
  EXPECT_FALSE(RepetitionN(empty, 2).has_value());
  EXPECT_FALSE(SelfBleu(one).has_value());
  EXPECT_EQ(*SelfBleu(empty), 0);
  EXPECT_EQ(TokenEditDistance({}, one[0]), 2);
  EXPECT_EQ(TokenEditDistance({}, {}), 0);
}

TEST(TextMetrics, RepetitionByHand) {
  const std::vector<TokenSequence> samples = {{1, 1, 1, 1}, {1, 2, 3, 4}, {7}};
  EXPECT_DOUBLE_EQ(*RepetitionN(samples, 2), (2.0 / 3 + 0) / 2);  // 11 11 11 has one of three; the third has no bigram
}

TEST(TextMetrics, WordsAreSplitAsDocumented) {
  EXPECT_THAT(SplitWords("He didn't run."), ElementsAre("He", "didn't", "run", "."));
  EXPECT_THAT(SplitWords("  3.5 well-known\tthings, (mostly)!\n"),
              ElementsAre("3.5", "well-known", "things", ",", "(", "mostly", ")", "!"));
  EXPECT_THAT(SplitWords("\"Stop,\" she said - 'now'..."),
              ElementsAre("\"", "Stop", ",", "\"", "she", "said", "-", "'", "now", "'", ".", ".", "."));
  EXPECT_THAT(SplitWords("caf\xC3\xA9s"), ElementsAre("caf\xC3\xA9s"));
  EXPECT_THAT(SplitWords(" \n "), IsEmpty());
  EXPECT_THAT(SplitWords(""), IsEmpty());
}

TEST(TextMetrics, TextOverloads) {
  EXPECT_DOUBLE_EQ(SentenceBleu("The cat sat down.", "The cat sat down."), 1);
  EXPECT_DOUBLE_EQ(SentenceGleu("The cat sat.", "the dog ran"), 0);
  EXPECT_DOUBLE_EQ(SentenceBleu("The cat sat down.", ""), 0);
}

}  // namespace
}  // namespace gfn
