// Tokenizer files; those that load are used.
#include <gtest/gtest.h>

#include "gflownet/base/test_folder.h"
#include "llm/tokenizer/gguf_test_writer.h"
#include "llm/tokenizer/test_tokenizers.h"
#include "tests/fuzz/fuzz.h"

namespace gfn {
namespace {

using test::GoldenPath;
using test::ReadAll;
using test::SmallPath;
using test::TinyByteLevel;

Status LoadAndUse(const std::string& path) {
  ASSIGN_OR_RETURN(const auto tokenizer, LoadTokenizer(path));
  for (const bool flag : {false, true}) {
    for (const std::string_view text :
         {"Once upon a time, 12 caf\u00e9s \U0001f600\n\n  <s>x</s> \xFF", "", "\u0120 \uFF21\u3000\u212B"}) {
      const std::vector<int32_t> ids = tokenizer->Encode(text, {.parse_special = flag, .continuation = !flag});
      tokenizer->Decode(ids, {.show_special = true});
      for (const int32_t id : ids) tokenizer->TokenBytes(id);
    }
  }
  return OkStatus();
}

class TokenizerFuzz : public testing::Test {
 protected:
  void FuzzFile(const std::string& name, const std::string& content, uint64_t seed) {
    const std::string path = folder_ / name;
    Fuzz(path, content, seed, [&] { return LoadAndUse(path); });
  }
  static std::string Merges() {
    std::string merges = "#version: 0.2\n";
    for (const std::string& merge : TinyByteLevel().merges) merges += merge + "\n";
    return merges;
  }
  const TestFolder folder_;
};

TEST_F(TokenizerFuzz, ByteLevelJson) { FuzzFile("tokenizer.json", TinyByteLevel().TokenizerJson().dump(), 11); }
TEST_F(TokenizerFuzz, LlamaJson) { FuzzFile("tokenizer.json", ReadAll(GoldenPath("stories260k_tokenizer.json")), 12); }

TEST_F(TokenizerFuzz, Vocab) {
  ASSERT_TRUE(WriteFileAtomic(folder_ / "merges.txt", Merges()).ok());
  FuzzFile("vocab.json", TinyByteLevel().Vocab().dump(), 13);
}
TEST_F(TokenizerFuzz, Merges) {
  ASSERT_TRUE(WriteFileAtomic(folder_ / "vocab.json", TinyByteLevel().Vocab().dump()).ok());
  FuzzFile("merges.txt", Merges(), 14);
}

TEST_F(TokenizerFuzz, ByteLevelGguf) {
  const TinyByteLevel tiny;
  std::vector<int32_t> types(tiny.tokens.size(), 1);
  types.back() = 3;
  test::GgufTestWriter writer;
  writer.String("tokenizer.ggml.model", "gpt2").String("tokenizer.ggml.pre", "smollm").Bool("tokenizer.ggml.add_bos_token", true);
  writer.Uint("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(tiny.tokens.size() - 1))
      .Strings("tokenizer.ggml.merges", tiny.merges);
  writer.Ints("tokenizer.ggml.token_type", types).Strings("tokenizer.ggml.tokens", tiny.tokens);
  FuzzFile("tiny.gguf", writer.Finish(), 15);
}
TEST_F(TokenizerFuzz, LlamaGguf) { FuzzFile("t.gguf", ReadAll(GoldenPath("stories260k.gguf")), 16); }

TEST_F(TokenizerFuzz, Llama2c) { FuzzFile("tokenizer", ReadAll(SmallPath("tok512.bin")), 17); }
TEST_F(TokenizerFuzz, SentencePieceBpe) { FuzzFile("tokenizer", ReadAll(SmallPath("llama/tokenizer.model")), 18); }
TEST_F(TokenizerFuzz, SentencePieceUnigram) { FuzzFile("tokenizer", ReadAll(SmallPath("unigram.model")), 19); }

}  // namespace
}  // namespace gfn
