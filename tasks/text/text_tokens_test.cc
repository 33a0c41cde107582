// What a tokenizer puts around the texts of the task, tokens that the model has no row for, and characters that no hidden text
// may hold.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "gflownet/base/test_folder.h"
#include "tasks/text/text_support.h"

namespace gfn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class TextTokens : public testing::Test {
 protected:
  // The byte-level tokenizer of folders.json with a template around texts, and more added tokens.
  std::unique_ptr<Tokenizer> Load(const std::vector<std::string>& added = {}) {
    const nlohmann::json folders = nlohmann::json::parse(ReadFile(kGolden + "folders.json").value());
    nlohmann::json root = folders["bytes"];
    const auto special = [](const char* name) { return nlohmann::json{{"SpecialToken", {{"id", name}}}}; };
    root["post_processor"] = {
        {"type", "TemplateProcessing"},
        {"single", {special("<mask>"), special("<sop>"), {{"Sequence", {{"id", "A"}}}}, special("</s>")}},
        {"special_tokens", {{"<mask>", {{"ids", {2}}}}, {"<sop>", {{"ids", {3}}}}, {"</s>", {{"ids", {1}}}}}}};
    size_ = static_cast<int64_t>(root["model"]["vocab"].size());
    for (size_t i = 0; i < added.size(); ++i)
      root["added_tokens"].push_back({{"id", size_ + static_cast<int64_t>(i)}, {"content", added[i]}, {"special", false}});
    EXPECT_TRUE(WriteFileAtomic(folder_ / "tokenizer.json", root.dump()).ok());
    return LoadTokenizer(folder_ / "tokenizer.json").value();
  }
  const std::string kGolden = std::string(GFN_SOURCE_DIR) + "/tests/golden/tokenizer/";
  const TestFolder folder_;
  int64_t size_ = 0;  // without the added ones
  const std::unique_ptr<Tokenizer> stories_ = LoadTokenizer(kGolden + "stories260k.gguf").value();
};

TEST_F(TextTokens, APromptThatBringsItsOwnBosHasIt) {
  const int32_t bos = *stories_->bos_id();
  const SequenceCondition condition = EncodeCondition(*stories_, {"<s>{Y} {X}"}, "Lily saw.", "<s>");
  EXPECT_EQ(condition.prompt[0], bos);
  EXPECT_EQ(std::ranges::count(condition.prompt, bos), 1) << "the template's, and that of y is plain text";
  EXPECT_EQ(std::ranges::count(condition.x, bos), 1);
  EXPECT_EQ(std::ranges::count(EncodeCondition(*stories_, {"<s><s>{Y} {X}"}, "Lily.", "a").prompt, bos), 2) << "as it is written";
  const auto values = [&](const std::string& prompt) {
    std::string all;
    for (const auto& [name, value] : DescribeTokens(*stories_, prompt)) all += name + ": " + value + "\n";
    return all;
  };
  EXPECT_THAT(values("<s>{Y} {X}"), AllOf(HasSubstr("task.prompt: begins with <s> (1)"), HasSubstr("not twice")));
  EXPECT_THAT(values("{Y} {X}"), testing::Not(HasSubstr("twice")));
}

TEST_F(TextTokens, WhatStandsBehindATextIsNoPartOfWhatGoesOn) {
  const auto tokenizer = Load();
  const SequenceCondition condition = EncodeCondition(*tokenizer, {"{Y}\n{X}"}, "the dog", "ran.");
  EXPECT_THAT(std::vector<int32_t>(condition.x.begin(), condition.x.begin() + 2), ElementsAre(2, 3));
  EXPECT_THAT(std::vector<int32_t>(condition.prompt.begin(), condition.prompt.begin() + 2), ElementsAre(2, 3));
  for (const auto* ids : {&condition.prompt, &condition.x, &condition.y}) EXPECT_EQ(std::ranges::count(*ids, 1), 0);
  EXPECT_NE(condition.y[0], 2);
  EXPECT_EQ(DescribeTokens(*tokenizer, "{X}")[1].second, "</s> (1), left out: prompt, x and y go on");
}

TEST_F(TextTokens, TokensBeyondTheModelAreNoLegalOnes) {
  const auto tokenizer = Load({"zebra", "yak"});
  TextSupport config;
  config.min_len = 1;
  const SequenceSupport support = MakeTextSupport(*tokenizer, config, size_).value();
  EXPECT_EQ(static_cast<int64_t>(support.legal.size()), size_);
  EXPECT_FALSE(EncodeReference(*tokenizer, support, "the dog.").empty());
  EXPECT_TRUE(EncodeReference(*tokenizer, support, "the zebra.").empty());
  config.stop = {"yak"};
  const auto refused = MakeTextSupport(*tokenizer, config, size_);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(Message(refused.status())), AllOf(HasSubstr("'yak'"), HasSubstr("no row")));
  TextExample example;
  example.x = "a zebra. the dog.";
  SequenceSupport last = support;
  RestrictLastPlace(*tokenizer, {example}, last);
  EXPECT_FALSE(last.illegal_last[*tokenizer->FindToken(" dog")]);
  // Rows beyond the tokenizer are illegal as well.
  const SequenceSupport padded = MakeTextSupport(*tokenizer, {}, tokenizer->vocab_size() + 29).value();
  for (size_t id = padded.legal.size() - 29; id < padded.legal.size(); ++id) EXPECT_FALSE(padded.legal[id]) << id;
}

TEST(ForbiddenCharacters, AreCharactersAndNotBytes) {
  const std::string forbidden = "\u00e9\u2026.";  // C3 A9, E2 80 A6, 2E
  for (const char* token : {"\u00e9", " caf\u00e9s", "\u2026", "a\u2026b", ".", " e.g"})
    EXPECT_TRUE(MaySpell(token, forbidden)) << token;
  for (const char* token : {"\u00fc", "\u00e4", "\u2019", "\u2014", "\u00a9", "e\u0301", "", " the", "\u20ac"})
    EXPECT_FALSE(MaySpell(token, forbidden)) << token;
  // Parts of characters: those that end a forbidden one are left out, those that begin one are not.
  for (const char* token : {"\xA9", "\x80\xA6", "\xA6", "\xA9s"}) EXPECT_TRUE(MaySpell(token, forbidden)) << token;
  for (const char* token : {"\xC3", "\xE2", "\xE2\x80", "\x80", "\xA8", "a\xC3", "\x80\x94"})
    EXPECT_FALSE(MaySpell(token, forbidden)) << token;
  EXPECT_FALSE(MaySpell("anything", ""));
}

TEST_F(TextTokens, NoForbiddenCharacterIsSpeltByLegalTokens) {
  TextSupport config;
  config.forbidden_characters = "\u00e9\u2026\U0001F600";
  const SequenceSupport support = MakeTextSupport(*stories_, config, stories_->vocab_size()).value();
  for (const char* character : {"\u00e9", "\u2026", "\U0001F600"}) {
    const std::vector<int32_t> ids = stories_->Encode(character, {.continuation = true});
    EXPECT_TRUE(std::ranges::any_of(ids, [&](int32_t id) { return !support.legal[id]; })) << character;
    // Every way to write it by tokens: the one that its last byte is in begins with that byte, or with more of the character.
    const std::string bytes = character;
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      const std::optional<int32_t> id = stories_->FindToken(bytes.substr(cut));
      EXPECT_TRUE(!id || !support.legal[*id]) << character << " from byte " << cut;
    }
  }
  EXPECT_TRUE(support.legal[*stories_->FindToken("\xC3")]) << "it begins other characters too";
  EXPECT_TRUE(support.legal[*stories_->FindToken(" the")]);
}

}  // namespace
}  // namespace gfn
