// The formats: what is read from each, that they agree, and what is refused with which words.
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "llm/tokenizer/gguf_test_writer.h"
#include "llm/tokenizer/test_tokenizers.h"

namespace gfn::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

std::string ErrorOf(const std::string& path) {
  const auto tokenizer = LoadTokenizer(path);
  return tokenizer.ok() ? "no error" : Message(tokenizer.status());
}

std::unique_ptr<Tokenizer> MustLoad(const std::string& path) {
  auto tokenizer = LoadTokenizer(path);
  EXPECT_TRUE(tokenizer.ok()) << Message(tokenizer.status());
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

json StoriesJson() { return ReadJson(GoldenPath("stories260k_tokenizer.json")); }

// The error for stories260k_tokenizer.json with one change.
std::string ErrorWith(const std::function<void(json*)>& change) {
  const TemporaryFolder folder;
  json root = StoriesJson();
  change(&root);
  return ErrorOf(folder.Write("tokenizer.json", root.dump()));
}

// Byte-level BPE as a GGUF file.
GgufTestWriter ByteBpeGguf(const ByteBpeFiles& files, const std::string& pre) {
  const json root = files.TokenizerJson(ByteLevelStep(), nullptr);
  std::vector<std::string> tokens(root["model"]["vocab"].size()), merges;
  for (const auto& [token, id] : root["model"]["vocab"].items()) tokens[id.get<size_t>()] = token;
  for (const json& merge : root["model"]["merges"])
    merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  std::vector<int32_t> types(tokens.size(), 1);
  types[files.end] = 3;
  GgufTestWriter writer;
  writer.String("tokenizer.ggml.model", "gpt2").Strings("tokenizer.ggml.tokens", tokens).Ints("tokenizer.ggml.token_type", types);
  writer.Strings("tokenizer.ggml.merges", merges).Uint("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(files.end));
  writer.String("tokenizer.ggml.pre", pre);
  return writer;
}

// Files of the merges, of both in a folder, of everything in one, and as GGUF.
void ExpectTheSameFromAllFormats(const ByteBpeFiles& files, int64_t vocab_size) {
  const TemporaryFolder folder;
  const auto from_merges = MustLoad(files.merges);
  const auto from_folder = MustLoad(std::filesystem::path(files.merges).parent_path());
  const auto from_json = MustLoad(folder.Write("tokenizer.json", files.TokenizerJson(ByteLevelStep(), nullptr).dump()));
  const auto from_gguf = MustLoad(folder.Write("gpt2.gguf", ByteBpeGguf(files, "gpt-2").Finish()));
  EXPECT_EQ(from_merges->vocab_size(), vocab_size);
  EXPECT_EQ(from_merges->eos_id(), files.end);
  EXPECT_EQ(from_merges->bos_id(), files.end);
  EXPECT_FALSE(from_merges->prepends_bos());
  EXPECT_TRUE(from_merges->IsSpecial(files.end));
  EXPECT_EQ(from_gguf->eos_id(), files.end);
  EXPECT_EQ(from_gguf->bos_id(), std::nullopt);
  for (const Tokenizer* other : {from_folder.get(), from_json.get(), from_gguf.get()}) {
    EXPECT_EQ(other->digest(), from_merges->digest());
    for (const std::string& text : EdgeCases()) EXPECT_EQ(other->Encode(text), from_merges->Encode(text));
  }
  const auto other_rules = MustLoad(folder.Write("other.gguf", ByteBpeGguf(files, "smollm").Finish()));
  EXPECT_NE(other_rules->digest(), from_merges->digest());
  EXPECT_EQ(other_rules->Encode("x 2024").size(), 6u);  // "x", " ", and four digits
}

TEST(TokenizerLoad, ByteBpeIsTheSameFromAllItsFormats) { ExpectTheSameFromAllFormats(SmallByteBpe(), 600); }

TEST(TokenizerLoad, Gpt2IsTheSameFromAllItsFormats) {
  if (!std::filesystem::exists(Gpt2().merges)) GTEST_SKIP() << Gpt2().merges << " is not here";
  ExpectTheSameFromAllFormats(Gpt2(), 50257);
}

TEST(TokenizerLoad, ByteBpeGgufOfAnotherProgramIsTheSame) {
  const auto from_gguf = MustLoad(SmallPath("byte_bpe.gguf")), from_merges = MustLoad(SmallByteBpe().merges);
  EXPECT_EQ(from_gguf->digest(), from_merges->digest());
  EXPECT_EQ(from_gguf->bos_id(), 0);
  for (const std::string& text : EdgeCases()) EXPECT_EQ(from_gguf->Encode(text), from_merges->Encode(text));
}

TEST(TokenizerLoad, SentencePieceBpeIsTheSameFromAllItsFormats) {
  const auto from_bin = MustLoad(SmallPath("tok512.bin"));
  const auto from_gguf = MustLoad(SmallPath("llama.gguf"));
  const auto from_model = MustLoad(SmallPath("llama/tokenizer.model"));
  const auto from_folder = MustLoad(SmallPath("llama"));
  EXPECT_EQ(from_bin->vocab_size(), 512);
  EXPECT_EQ(from_bin->bos_id(), 1);
  EXPECT_EQ(from_bin->eos_id(), 2);
  EXPECT_TRUE(from_bin->prepends_bos());
  EXPECT_TRUE(from_gguf->prepends_bos());
  EXPECT_TRUE(from_folder->prepends_bos());
  EXPECT_EQ(from_bin->TokenName(1), "<s>");
  EXPECT_EQ(from_bin->TokenBytes(3 + '\n'), "\n");
  for (const std::string& text : EdgeCases()) {
    if (text.find("\u2581") != text.npos) continue;  // a space in all but llama2.c's file
    EXPECT_EQ(from_gguf->Encode(text), from_bin->Encode(text)) << text;
    EXPECT_EQ(from_model->Encode(text), from_bin->Encode(text)) << text;
    EXPECT_EQ(from_folder->Encode(text), from_bin->Encode(text)) << text;
  }
  const auto gguf = MustLoad(GoldenPath("stories260k.gguf")), json = MustLoad(GoldenPath("stories260k_tokenizer.json"));
  for (const std::string& text : EdgeCases()) EXPECT_EQ(gguf->Encode(text), json->Encode(text)) << text;
}

TEST(TokenizerLoad, SmolLm2GivesTheReferenceIds) {
  if (!std::filesystem::exists(SmolLm2Path())) GTEST_SKIP() << SmolLm2Path() << " is not here (tools/setup fetches it)";
  const auto tokenizer = MustLoad(SmolLm2Path());
  for (const json& expected : ReadJson(GFN_SOURCE_DIR "/tests/golden/models/smollm2.json")) {
    EXPECT_EQ(tokenizer->Encode(expected["text"].get<std::string>()), expected["ids"].get<std::vector<int32_t>>());
  }
  EXPECT_EQ(tokenizer->vocab_size(), 49152);
  EXPECT_EQ(tokenizer->TokenName(*tokenizer->bos_id()), "<|im_start|>");
  EXPECT_EQ(tokenizer->TokenName(*tokenizer->eos_id()), "<|im_end|>");
  EXPECT_FALSE(tokenizer->prepends_bos());
  EXPECT_EQ(tokenizer->FindToken("."), 30);
}

TEST(TokenizerLoad, HuggingFaceFolderNamesItsEnds) {
  const TemporaryFolder folder;
  folder.Write("tokenizer.json", StoriesJson().dump());
  EXPECT_EQ(MustLoad(folder.path())->bos_id(), std::nullopt);
  folder.Write("config.json", R"({"bos_token_id": 1, "eos_token_id": [2, 5]})");
  EXPECT_EQ(MustLoad(folder.path())->bos_id(), 1);
  EXPECT_EQ(MustLoad(folder.path())->eos_id(), 2);
  EXPECT_FALSE(MustLoad(folder.path())->prepends_bos());
  folder.Write("tokenizer_config.json", R"({"bos_token": {"content": "</s>"}, "eos_token": "<unk>", "add_bos_token": true})");
  EXPECT_EQ(MustLoad(folder.path())->bos_id(), 2);
  EXPECT_EQ(MustLoad(folder.path())->eos_id(), 0);
  EXPECT_FALSE(MustLoad(folder.path())->prepends_bos()) << "the post-processor decides, and there is none";
  folder.Write("tokenizer_config.json", R"({"bos_token": "<bos>"})");
  EXPECT_THAT(ErrorOf(folder.path()), AllOf(HasSubstr("tokenizer_config.json"), HasSubstr("'<bos>' is not in the vocabulary")));
}

TEST(TokenizerLoad, AddedTokensStripAndAreFound) {
  const TemporaryFolder folder;
  json root = StoriesJson();
  root["added_tokens"].push_back({{"id", 512}, {"content", "[MASK]"}, {"special", true}, {"lstrip", true}, {"rstrip", true}});
  root["added_tokens"].push_back({{"id", 513}, {"content", "[ME]"}, {"special", false}});
  const auto tokenizer = MustLoad(folder.Write("tokenizer.json", root.dump()));
  EXPECT_EQ(tokenizer->vocab_size(), 514);
  const auto parsed = tokenizer->Encode("a  [MASK] \n[MASK]", {.parse_special = true});
  EXPECT_EQ(tokenizer->Decode(parsed, {.show_special = true}), "a[MASK][MASK]");
  const auto plain = tokenizer->Encode("[ME]x [MASK]");
  EXPECT_EQ(plain[0], 513);
  EXPECT_EQ(tokenizer->Decode(plain), "[ME] x [MASK]");  // the space before a text, behind an added token
}

TEST(TokenizerLoad, IgnoreMergesTakesWholeWords) {
  TinyByteLevel tiny;
  tiny.tokens.insert(tiny.tokens.end() - 1, "cat");  // no merge makes it
  json root = tiny.TokenizerJson();
  const TemporaryFolder folder;
  const auto merging = MustLoad(folder.Write("tokenizer.json", root.dump()));
  root["model"]["ignore_merges"] = true;
  const auto ignoring = MustLoad(folder.Write("tokenizer.json", root.dump()));
  EXPECT_EQ(merging->Encode("cat").size(), 2u);  // "ca", "t"
  EXPECT_EQ(ignoring->Encode("cat"), std::vector<int32_t>{*ignoring->FindToken("cat")});
  EXPECT_EQ(ignoring->Encode("cats").size(), 3u);
  EXPECT_NE(merging->digest(), ignoring->digest());
}

TEST(TokenizerLoad, LongTextsAreQuick) {
  const TemporaryFolder folder;
  const auto byte_level = MustLoad(folder.Write("tokenizer.json", TinyByteLevel().TokenizerJson().dump()));
  const auto llama = MustLoad(GoldenPath("stories260k.gguf"));
  for (const char* unit : {" ", "a", "the", "\u00e9", "\xFF", "in the "}) {
    std::string text;
    while (text.size() < 300000) text += unit;
    EXPECT_EQ(byte_level->Decode(byte_level->Encode(text)), text);
    EXPECT_EQ(llama->Decode(llama->Encode(text)), text);
  }
}

TEST(TokenizerLoad, UnknownPartsAreRefusedWithTheKnownOnes) {
  EXPECT_THAT(ErrorWith([](json* root) { (*root)["model"]["type"] = "Unigram"; }), HasSubstr("known: BPE"));
  EXPECT_THAT(ErrorWith([](json* root) { (*root)["model"]["dropout"] = 0.1; }), HasSubstr("model.dropout"));
  EXPECT_THAT(ErrorWith([](json* root) {
                (*root)["pre_tokenizer"] = {{"type", "Whitespace"}};
              }),
              AllOf(HasSubstr("Whitespace"), HasSubstr("gpt2, smollm, llama-bpe, qwen2")));
  EXPECT_THAT(ErrorWith([](json* root) { (*root)["normalizer"] = {{"type", "Lowercase"}}; }), HasSubstr("Lowercase"));
  EXPECT_THAT(ErrorWith([](json* root) { (*root)["decoder"] = {{"type", "WordPiece"}}; }), HasSubstr("WordPiece"));
  const TemporaryFolder folder;
  GgufTestWriter writer;
  writer.String("tokenizer.ggml.model", "gpt2").Strings("tokenizer.ggml.tokens", {"a"}).Strings("tokenizer.ggml.merges", {});
  EXPECT_THAT(ErrorOf(folder.Write("a.gguf", writer.Finish())), HasSubstr("no tokenizer.ggml.pre"));
  writer.String("tokenizer.ggml.pre", "viking");
  EXPECT_THAT(ErrorOf(folder.Write("a.gguf", writer.Finish())),
              AllOf(HasSubstr("'viking'"), HasSubstr("gpt2, smollm, llama-bpe, qwen2")));
  GgufTestWriter other;
  EXPECT_THAT(ErrorOf(folder.Write("b.gguf", other.String("tokenizer.ggml.model", "bert").Finish())),
              AllOf(HasSubstr("'bert'"), HasSubstr("llama")));
}

TEST(TokenizerLoad, DamageIsNamed) {
  const auto change_merge = [](json* root) { (*root)["model"]["merges"][3] = {"q", "zz"}; };
  EXPECT_THAT(ErrorWith(change_merge), AllOf(HasSubstr("merge 3"), HasSubstr("'q zz'")));
  EXPECT_THAT(ErrorWith([](json* root) { (*root)["model"]["vocab"]["x"] = 1 << 30; }), HasSubstr("is outside 0 .."));
  EXPECT_THAT(ErrorWith([](json* root) { (*root)["model"]["vocab"]["x"] = 7; }), HasSubstr("two tokens have the id 7"));
  EXPECT_THAT(ErrorWith([](json* root) { (*root)["model"]["vocab"].erase("<0x0A>"); }), HasSubstr("255 of 256 byte tokens"));
  const TemporaryFolder folder;
  EXPECT_THAT(ErrorOf(folder.path()), AllOf(HasSubstr("no tokenizer"), HasSubstr("tokenizer.json")));
  EXPECT_THAT(ErrorOf(folder.path() + "/none.json"), HasSubstr("none.json"));
  EXPECT_THAT(ErrorOf(folder.Write("text", "Once upon a time")), HasSubstr("not a tokenizer"));
  EXPECT_THAT(ErrorOf(folder.Write("empty", "")), HasSubstr("not a tokenizer"));
  EXPECT_THAT(ErrorOf(folder.Write("vocab.json", R"({"a": 0})")), HasSubstr("merges.txt"));
  folder.Write("merges.txt", "#version: 0.2\na b c\n");
  EXPECT_THAT(ErrorOf(folder.Write("vocab.json", R"({"a": 0})")), AllOf(HasSubstr("merges.txt:2"), HasSubstr("'a b c'")));
  EXPECT_THAT(ErrorOf(folder.Write("tok.bin", std::string("\x07\0\0\0\0\0\0\0\x09\0\0\0", 12))),
              AllOf(HasSubstr("token 0 at byte 4"), HasSubstr("length 9")));
}

}  // namespace
}  // namespace gfn::test
