// Who decides on the ends of a text, on the space before it and on added tokens: Hugging Face folders against transformers
// (tests/golden/tokenizer/folders.py), GGUF files against llama.cpp's rules.
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "llm/tokenizer/gguf_test_writer.h"
#include "llm/tokenizer/pre_tokenizer.h"
#include "llm/tokenizer/test_tokenizers.h"

namespace gfn::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Ids = std::vector<int32_t>;

const json& Folders() {
  static const json* const folders = new json(ReadJson(GoldenPath("folders.json")));
  return *folders;
}

std::string MergesFile(const json& merges) {
  std::string text = "#version: 0.2\n";
  for (const json& merge : merges) text += merge[0].get<std::string>() + " " + merge[1].get<std::string>() + "\n";
  return text;
}

void WriteVocabulary(const json& example, const TemporaryFolder& folder) {
  const std::string base = example["base"];
  if (base == "spm") {
    folder.Write("tokenizer.model", ReadAll(GoldenPath("stories260k.model")));
  } else if (base == "pair") {
    folder.Write("vocab.json", Folders()["bytes"]["model"]["vocab"].dump());
    folder.Write("merges.txt", MergesFile(Folders()["bytes"]["model"]["merges"]));
  } else {
    json root = base == "bytes" ? Folders()["bytes"] : ReadJson(GoldenPath("stories260k_tokenizer.json"));
    root.update(example["change"]);
    folder.Write("tokenizer.json", root.dump());
  }
}

// A text with what the tokenizer puts around it.
Ids Whole(const Tokenizer& tokenizer, const std::string& text) {
  Ids ids(tokenizer.leading_ids().begin(), tokenizer.leading_ids().end());
  const Ids inner = tokenizer.Encode(text, {.parse_special = true});
  ids.insert(ids.end(), inner.begin(), inner.end());
  ids.insert(ids.end(), tokenizer.trailing_ids().begin(), tokenizer.trailing_ids().end());
  return ids;
}

TEST(TokenizerFolder, GivesTheIdsOfTransformers) {
  std::set<std::string> bases;
  size_t num_texts = 0;
  for (const json& example : Folders()["cases"]) {
    const TemporaryFolder folder;
    WriteVocabulary(example, folder);
    for (const auto& [name, content] : example["files"].items()) folder.Write(name, content.dump());
    const auto tokenizer = LoadTokenizer(folder.path());
    ASSERT_TRUE(tokenizer.ok()) << example["name"] << ": " << Message(tokenizer.status());
    for (size_t i = 0; i < example["texts"].size(); ++i, ++num_texts) {
      const std::string text = example["texts"][i];
      EXPECT_EQ(Whole(**tokenizer, text), example["ids"][i].get<Ids>()) << example["name"] << ", '" << text << "'";
    }
    bases.insert(example["base"]);
  }
  EXPECT_THAT(bases, ElementsAre("bytes", "pair", "spm", "stories"));
  EXPECT_GT(num_texts, 500u);
}

// The error for the byte-level tokenizer with one key changed.
std::string ErrorWith(const char* key, const json& value) {
  const TemporaryFolder folder;
  json root = Folders()["bytes"];
  root[key] = value;
  const auto tokenizer = LoadTokenizer(folder.Write("tokenizer.json", root.dump()));
  return tokenizer.ok() ? "no error" : Message(tokenizer.status());
}

TEST(TokenizerFolder, RefusesPostProcessorsThatItDoesNotKnow) {
  const json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}, begin = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  const auto with = [&](const json& single, const json& ids) {
    return json{{"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", ids}}}}}};
  };
  const json good = with({begin, text}, {0});
  EXPECT_EQ(ErrorWith("post_processor", good), "no error");
  EXPECT_THAT(ErrorWith("post_processor", {{"type", "Reversing"}}),
              AllOf(HasSubstr("Reversing"), HasSubstr("TemplateProcessing")));
  EXPECT_THAT(ErrorWith("post_processor", {{"type", "Sequence"}, {"processors", {good, good}}}), HasSubstr("in which one adds"));
  EXPECT_THAT(ErrorWith("post_processor", with({text, begin, text}, {0})), HasSubstr("the text A once"));
  EXPECT_THAT(ErrorWith("post_processor", with(json::array({begin}), {0})), HasSubstr("the text A once"));
  EXPECT_THAT(ErrorWith("post_processor", with({begin, text}, {100000})), HasSubstr("100000, outside the vocabulary"));
  EXPECT_THAT(ErrorWith("post_processor", with({{{"SpecialToken", {{"id", "<t>"}}}}, text}, {0})), HasSubstr("no ids of '<t>'"));
  EXPECT_THAT(ErrorWith("post_processor", {{"type", "BertProcessing"}, {"cls", "<s>"}}), HasSubstr("no pair"));
  const json digits = {{"type", "Digits"}, {"individual_digits", true}},
             bytes = {{"type", "ByteLevel"}, {"add_prefix_space", true}};
  EXPECT_THAT(ErrorWith("pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {digits, bytes}}}),
              HasSubstr("without prefix space"));
}

TEST(TokenizerFolder, AModelFileAloneBeginsWithBosWhereNobodySaysOtherwise) {
  const TemporaryFolder folder;
  folder.Write("tokenizer.model", ReadAll(GoldenPath("stories260k.model")));
  EXPECT_TRUE(LoadTokenizer(folder.path()).value()->prepends_bos());
  folder.Write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer"})");
  EXPECT_TRUE(LoadTokenizer(folder.path()).value()->prepends_bos()) << "the default that LlamaTokenizer documents";
  folder.Write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer", "add_bos_token": false})");
  EXPECT_THAT(LoadTokenizer(folder.path()).value()->leading_ids(), IsEmpty());
}

TEST(TokenizerFolder, IdsOfConfigJsonOutsideTheVocabularyAreARemark) {
  const TemporaryFolder folder;
  folder.Write("tokenizer.json", Folders()["bytes"].dump());
  folder.Write("config.json", R"({"bos_token_id": 0, "eos_token_id": 70000})");
  const auto tokenizer = LoadTokenizer(folder.path()).value();
  EXPECT_EQ(tokenizer->bos_id(), 0);
  EXPECT_EQ(tokenizer->eos_id(), std::nullopt);
  EXPECT_THAT(tokenizer->remarks(), ElementsAre(AllOf(HasSubstr("eos_token_id is 70000"), HasSubstr("outside"))));
}

TEST(TokenizerFolder, SpecialNamesInTemplatesAreTheseTokensAndNoOthers) {
  const TemporaryFolder folder;
  json root = Folders()["bytes"];
  root["added_tokens"] = json::array();  // the names are special by the folder's word alone
  folder.Write("tokenizer.json", root.dump());
  folder.Write("tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": "</s>", "pad_token": "a", "sep_token": "dog"})");
  const auto tokenizer = LoadTokenizer(folder.path()).value();
  EXPECT_TRUE(tokenizer->IsSpecial(0));
  EXPECT_THAT(tokenizer->Encode("<s>", {.parse_special = true}), ElementsAre(0));
  EXPECT_NE(tokenizer->Encode("<s>"), Ids{0});
  // Plain text needs these, so that they stay what merging makes.
  EXPECT_FALSE(tokenizer->IsSpecial(*tokenizer->FindToken("a")));
  EXPECT_THAT(tokenizer->Encode("dog"), ElementsAre(*tokenizer->FindToken("dog")));
}

// The byte-level vocabulary as GGUF, with the number of tokens behind `more`.
GgufTestWriter Gguf(const std::string& pre, const std::vector<std::pair<std::string, int32_t>>& more = {}) {
  const json& model = Folders()["bytes"]["model"];
  std::vector<std::string> tokens(model["vocab"].size()), merges;
  for (const auto& [token, id] : model["vocab"].items()) tokens[id.get<size_t>()] = token;
  for (const json& merge : model["merges"]) merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  std::vector<int32_t> types(tokens.size(), 1);
  std::fill(types.begin(), types.begin() + 4, 3);
  for (const auto& [token, type] : more) {
    tokens.push_back(token);
    types.push_back(type);
  }
  GgufTestWriter writer;
  writer.String("tokenizer.ggml.model", "gpt2").String("tokenizer.ggml.pre", pre).Strings("tokenizer.ggml.tokens", tokens);
  writer.Ints("tokenizer.ggml.token_type", types).Strings("tokenizer.ggml.merges", merges);
  return writer;
}

// The number of tokens of Gguf() without more.
int32_t GgufSize() { return static_cast<int32_t>(Folders()["bytes"]["model"]["vocab"].size()); }

std::unique_ptr<Tokenizer> LoadGguf(const GgufTestWriter& writer) {
  const TemporaryFolder folder;
  auto tokenizer = LoadTokenizer(folder.Write("t.gguf", writer.Finish()));
  EXPECT_TRUE(tokenizer.ok()) << Message(tokenizer.status());
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

TEST(TokenizerGguf, BosIsTheDefaultOfLlama3sRuleAlone) {
  for (const char* pre : {"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"}) {
    EXPECT_THAT(LoadGguf(Gguf(pre).Uint("tokenizer.ggml.bos_token_id", 2))->leading_ids(), ElementsAre(2)) << pre;
    const auto told = LoadGguf(Gguf(pre).Uint("tokenizer.ggml.bos_token_id", 2).Bool("tokenizer.ggml.add_bos_token", false));
    EXPECT_THAT(told->leading_ids(), IsEmpty()) << pre;
  }
  for (const char* pre :
       {"gpt-2", "gpt2", "phi-2", "smollm", "starcoder", "command-r", "qwen2", "deepseek-r1-qwen", "stablelm2", "megrez"}) {
    EXPECT_THAT(LoadGguf(Gguf(pre).Uint("tokenizer.ggml.bos_token_id", 2))->leading_ids(), IsEmpty()) << pre;
    const auto told = LoadGguf(Gguf(pre).Uint("tokenizer.ggml.bos_token_id", 2).Bool("tokenizer.ggml.add_bos_token", true));
    EXPECT_THAT(told->leading_ids(), ElementsAre(2)) << pre;
  }
}

TEST(TokenizerGguf, EosStandsBehindATextWhereTheFileSaysSo) {
  const auto tokenizer =
      LoadGguf(Gguf("gpt-2").Uint("tokenizer.ggml.eos_token_id", 1).Bool("tokenizer.ggml.add_eos_token", true));
  EXPECT_THAT(tokenizer->trailing_ids(), ElementsAre(1));
  EXPECT_THAT(LoadGguf(Gguf("gpt-2").Uint("tokenizer.ggml.eos_token_id", 1))->trailing_ids(), IsEmpty());
}

TEST(TokenizerGguf, IdsOutsideTheVocabularyAreARemarkAndTheDefaultStandsForThem) {
  const auto unused = LoadGguf(Gguf("gpt-2").Uint("tokenizer.ggml.eos_token_id", 999999));
  EXPECT_EQ(unused->eos_id(), std::nullopt);
  EXPECT_THAT(unused->remarks(), ElementsAre(AllOf(HasSubstr("eos_token_id is 999999"), HasSubstr("outside"))));
  const auto used = LoadGguf(Gguf("llama-bpe").Uint("tokenizer.ggml.bos_token_id", 999999));
  EXPECT_THAT(used->leading_ids(), ElementsAre(11));
  EXPECT_THAT(used->remarks(), ElementsAre(HasSubstr("default 11")));
  EXPECT_THAT(LoadGguf(Gguf("llama-bpe"))->leading_ids(), ElementsAre(11));
}

TEST(TokenizerGguf, SentencePieceBeginsWithTokenOne) {
  GgufTestWriter writer;
  writer.String("tokenizer.ggml.model", "llama").Strings("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "\u2581", "a"});
  writer.Ints("tokenizer.ggml.token_type", {2, 3, 3, 1, 1}).Floats("tokenizer.ggml.scores", {0, 0, 0, -1, -2});
  const auto tokenizer = LoadGguf(writer);
  EXPECT_THAT(tokenizer->leading_ids(), ElementsAre(1));
  EXPECT_EQ(tokenizer->eos_id(), 2);
  EXPECT_THAT(tokenizer->trailing_ids(), IsEmpty());
  EXPECT_THAT(tokenizer->Encode("a"), ElementsAre(3, 4)) << "with a space before the text";
  writer.Uint("tokenizer.ggml.bos_token_id", 77);
  EXPECT_THAT(LoadGguf(writer)->leading_ids(), ElementsAre(1));
  writer.Bool("tokenizer.ggml.add_bos_token", false);
  EXPECT_THAT(LoadGguf(writer)->leading_ids(), IsEmpty());
}

TEST(TokenizerGguf, TypesSayWhatIsFoundInTexts) {
  const auto tokenizer = LoadGguf(Gguf("gpt-2", {{"zebra", 4}, {"[X]", 3}, {"<|im_end|>", 1}, {"<gone>", 5}}));
  const int32_t zebra = GgufSize(), x = zebra + 1, im_end = zebra + 2;
  EXPECT_THAT(tokenizer->Encode("zebra"), ElementsAre(zebra)) << "user-defined: in any text";
  EXPECT_THAT(tokenizer->Encode("[X]<|im_end|>", {.parse_special = true}), ElementsAre(x, im_end));
  EXPECT_EQ(tokenizer->Encode("[X]").size(), 3u) << "control: plain text";
  EXPECT_TRUE(tokenizer->IsSpecial(im_end)) << "whatever the converter called it";
  EXPECT_EQ(tokenizer->Encode("<gone>", {.parse_special = true}).size(), 6u) << "unused";
}

TEST(TokenizerGguf, TheLongestTokenIsFoundFirstWhereverItStands) {
  const std::vector<std::pair<std::string, int32_t>> more = {{"ab", 4}, {"bcd", 4}};
  const auto tokenizer = LoadGguf(Gguf("gpt-2", more));
  const int32_t ab = GgufSize(), bcd = ab + 1;
  EXPECT_THAT(tokenizer->Encode("abcd"), ElementsAre(*tokenizer->FindToken("a"), bcd));
  EXPECT_THAT(tokenizer->Encode("abab"), ElementsAre(ab, ab));
  EXPECT_THAT(tokenizer->Encode("abbcdab"), ElementsAre(ab, bcd, ab));
}

TEST(WordCharacters, AreUnicodes) {
  for (const char* character : {"a", "Z", "5", "_", "\u00e9", "\u0301", "\u4e16", "\u0663", "\u203f", "\u200d"})
    EXPECT_TRUE(IsWordCharacter(character)) << character;
  for (const char* character : {"", " ", "-", ".", "\u2581", "\u00a0", "\u20ac", "\u00b2"})
    EXPECT_FALSE(IsWordCharacter(character)) << character;
}

}  // namespace
}  // namespace gfn::test
