// Tokenizers that come as GGUF or llama2.c, written for a Hugging Face folder and read again.
#include "llm/tokenizer/hf_tokenizer_writer.h"

#include <algorithm>
#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "llm/tokenizer/gguf_test_writer.h"
#include "llm/tokenizer/test_tokenizers.h"

namespace gfn::test {
namespace {

using nlohmann::json;

std::unique_ptr<Tokenizer> Load(const std::string& path) {
  auto tokenizer = LoadTokenizer(path);
  EXPECT_TRUE(tokenizer.ok()) << Message(tokenizer.status());
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

// Both cut every text alike and say the same of every token. U+2581 is left out: to a llama2.c file it is a character like
// others.
void ExpectSame(const Tokenizer& found, const Tokenizer& expected) {
  ASSERT_EQ(found.vocab_size(), expected.vocab_size());
  EXPECT_EQ(found.bos_id(), expected.bos_id());
  EXPECT_EQ(found.eos_id(), expected.eos_id());
  EXPECT_TRUE(std::ranges::equal(found.leading_ids(), expected.leading_ids()));
  EXPECT_TRUE(std::ranges::equal(found.trailing_ids(), expected.trailing_ids()));
  for (int32_t id = 0; id < expected.vocab_size(); ++id) {
    EXPECT_EQ(found.IsSpecial(id), expected.IsSpecial(id)) << id;
    EXPECT_EQ(found.TokenBytes(id), expected.TokenBytes(id)) << id;
  }
  std::vector<std::string> texts = EdgeCases();
  texts.emplace_back("Once upon a time, there was a little girl named Lily. She said: \"I'm 12345 years old!\"\n\n  The end.");
  for (const std::string& text : texts) {
    if (text.find("\u2581") != std::string::npos) continue;
    for (const bool continuation : {false, true}) {
      const std::vector<int32_t> ids = expected.Encode(text, {.continuation = continuation});
      EXPECT_EQ(found.Encode(text, {.continuation = continuation}), ids) << text;
      EXPECT_EQ(found.Decode(ids, {.continuation = continuation}), expected.Decode(ids, {.continuation = continuation})) << text;
    }
  }
}

void ExpectExportIsTheSame(const std::string& path) {
  const TemporaryFolder folder;
  const Status status = ExportTokenizer(path, folder.path());
  ASSERT_TRUE(status.ok()) << Message(status);
  const auto expected = Load(path), found = Load(folder.path());
  ASSERT_TRUE(expected != nullptr && found != nullptr);
  ExpectSame(*found, *expected);
}

TEST(HfTokenizerWriter, SentencePieceOfGguf) {
  ExpectExportIsTheSame(GoldenPath("stories260k.gguf"));
  ExpectExportIsTheSame(SmallPath("llama.gguf"));
}

TEST(HfTokenizerWriter, SentencePieceOfLlama2c) {
  const std::string path = SmallPath("tok512.bin");
  ExpectExportIsTheSame(path);
  const TemporaryFolder base;
  base.Write("tokenizer.bin", ReadAll(path));
  ExpectExportIsTheSame(base.path());
}

TEST(HfTokenizerWriter, SmolLm2) {
  if (!std::filesystem::exists(SmolLm2Path())) GTEST_SKIP() << SmolLm2Path() << " is not here";
  ExpectExportIsTheSame(SmolLm2Path());
}

// The pre-tokenisers by name, with and without bos.
TEST(HfTokenizerWriter, ByteLevelOfGguf) {
  const TinyByteLevel tiny;
  std::vector<int32_t> types(tiny.tokens.size(), 1);
  types.back() = 3;
  for (const char* pre : {"gpt-2", "smollm", "llama-bpe", "qwen2"}) {
    for (const bool bos : {false, true}) {
      GgufTestWriter writer;
      writer.String("tokenizer.ggml.model", "gpt2").String("tokenizer.ggml.pre", pre).Bool("tokenizer.ggml.add_bos_token", bos);
      writer.Bool("tokenizer.ggml.add_eos_token", pre == std::string_view("qwen2"));
      writer.Uint("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(tiny.tokens.size() - 1));
      writer.Uint("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(tiny.tokens.size() - 1));
      // Of the two rounds one has a pad token that is special, the other one that is also found in texts.
      writer.Uint("tokenizer.ggml.padding_token_id", bos ? 7 : static_cast<uint32_t>(tiny.tokens.size() - 1))
          .String("tokenizer.chat_template", "{{ messages }}");
      writer.Strings("tokenizer.ggml.merges", tiny.merges).Ints("tokenizer.ggml.token_type", types);
      writer.Strings("tokenizer.ggml.tokens", tiny.tokens);
      const TemporaryFolder folder;
      const std::string path = folder.Write("tiny.gguf", writer.Finish());
      ExpectExportIsTheSame(path);
      ASSERT_TRUE(ExportTokenizer(path, folder.path()).ok());
      const json config = ReadJson(folder.path() + "/tokenizer_config.json");
      EXPECT_EQ(config["chat_template"], "{{ messages }}");
      EXPECT_EQ(config.value("pad_token", "none"), bos ? "none" : "<|endoftext|>");
      EXPECT_EQ(config["eos_token"], "<|endoftext|>");
      EXPECT_EQ(ReadJson(folder.path() + "/tokenizer.json")["post_processor"].is_null(),
                !bos && pre != std::string_view("qwen2"));
    }
  }
}

TEST(HfTokenizerWriter, CopiesWhatBelongsToATokenizer) {
  const TemporaryFolder base, folder, only_json;
  base.Write("tokenizer.json", TinyByteLevel().TokenizerJson().dump());
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) base.Write(name, "{}");
  base.Write("chat_template.jinja", "{{ x }}");
  base.Write("vocab.json", TinyByteLevel().Vocab().dump());
  base.Write("README.md", "not of the tokenizer");
  std::filesystem::create_directory(base.path() + "/additional_chat_templates");
  base.Write("additional_chat_templates/tool.jinja", "{{ y }}");
  ASSERT_TRUE(ExportTokenizer(base.path(), folder.path()).ok());
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                           "chat_template.jinja", "vocab.json", "additional_chat_templates/tool.jinja"}) {
    EXPECT_EQ(ReadAll(folder.path() + "/" + name), ReadAll(base.path() + "/" + name)) << name;
  }
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/README.md"));
  ASSERT_TRUE(ExportTokenizer(base.path() + "/tokenizer.json", only_json.path()).ok());
  EXPECT_TRUE(std::filesystem::exists(only_json.path() + "/chat_template.jinja"));
  EXPECT_FALSE(std::filesystem::exists(only_json.path() + "/vocab.json")) << "another tokenizer";
}

}  // namespace
}  // namespace gfn::test
