// Damaged files: every mutant of a good file loads or is refused with a message; none ends the process or runs away.
#include <filesystem>
#include <random>

#include "gtest/gtest.h"
#include "llm/tokenizer/gguf_test_writer.h"
#include "llm/tokenizer/test_tokenizers.h"

namespace gfn::test {
namespace {

constexpr int kMutants = 1000;

std::string Mutate(std::string bytes, std::mt19937_64* random) {
  const auto below = [&](size_t n) { return n == 0 ? 0 : static_cast<size_t>((*random)() % n); };
  const size_t changes = 1 + below(3);
  for (size_t i = 0; i < changes && !bytes.empty(); ++i) {
    // Half of the changes near the front, where the structure of most formats is.
    const size_t at = below(below(2) == 0 ? std::min<size_t>(bytes.size(), 200) : bytes.size());
    switch (below(7)) {
      case 0:
        bytes[at] = static_cast<char>(below(256));
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.insert(at, below(2) == 0 ? "\xFF\xFF\xFF\x7F" : std::string(1 + below(8), '\0'));
        break;
      case 4:
        bytes.erase(at, 1 + below(16));
        break;
      case 5:
        bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(64)));
        break;
      default:  // a number at the limits of its type
        for (size_t k = at; k < std::min(at + 4, bytes.size()); ++k) bytes[k] = static_cast<char>(below(2) == 0 ? 0xFF : 0x80);
    }
  }
  return bytes;
}

// Loads every mutant of `file`, which stands in `folder` beside the others it needs, and uses those that load.
void TryMutants(const TemporaryFolder& folder, const std::string& name, const std::string& content, int num_mutants) {
  const auto good = LoadTokenizer(folder.Write(name, content));
  ASSERT_TRUE(good.ok()) << Message(good.status());
  std::mt19937_64 random(20240131);
  int num_refused = 0;
  for (int i = 0; i < num_mutants; ++i) {
    const std::string path = folder.Write(name, Mutate(content, &random));
    const auto tokenizer = LoadTokenizer(path);
    if (!tokenizer.ok()) {
      ++num_refused;
      EXPECT_GT(Message(tokenizer.status()).size(), 10u);
      continue;
    }
    for (const std::string_view text :
         {"Once upon a time, 12 caf\u00e9s \U0001f600\n\n  <s>x</s> \xFF", "", "\u0120 \uFF21\u3000\u212B"}) {
      const std::vector<int32_t> ids = (*tokenizer)->Encode(text, {.parse_special = i % 2 == 0, .continuation = i % 3 == 0});
      (*tokenizer)->Decode(ids, {.show_special = true});
      for (const int32_t id : ids) (*tokenizer)->TokenBytes(id);
    }
  }
  EXPECT_GT(num_refused, num_mutants / 20);
}

TEST(TokenizerHostile, ByteLevelJson) {
  TryMutants(TemporaryFolder(), "tokenizer.json", TinyByteLevel().TokenizerJson().dump(), kMutants);
}

TEST(TokenizerHostile, LlamaJson) {
  TryMutants(TemporaryFolder(), "tokenizer.json", ReadAll(GoldenPath("stories260k_tokenizer.json")), kMutants);
}

TEST(TokenizerHostile, VocabAndMerges) {
  const TinyByteLevel tiny;
  std::string merges = "#version: 0.2\n";
  for (const std::string& merge : tiny.merges) merges += merge + "\n";
  const TemporaryFolder folder;
  folder.Write("merges.txt", merges);
  TryMutants(folder, "vocab.json", tiny.Vocab().dump(), kMutants);
  folder.Write("vocab.json", tiny.Vocab().dump());
  TryMutants(folder, "merges.txt", merges, kMutants);
}

TEST(TokenizerHostile, ByteLevelGguf) {
  const TinyByteLevel tiny;
  std::vector<int32_t> types(tiny.tokens.size(), 1);
  types.back() = 3;
  GgufTestWriter writer;
  writer.String("tokenizer.ggml.model", "gpt2")
      .String("tokenizer.ggml.pre", "smollm")
      .Bool("tokenizer.ggml.add_bos_token", true);
  writer.Uint("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(tiny.tokens.size() - 1))
      .Strings("tokenizer.ggml.merges", tiny.merges);
  writer.Ints("tokenizer.ggml.token_type", types).Strings("tokenizer.ggml.tokens", tiny.tokens);
  TryMutants(TemporaryFolder(), "tiny.gguf", writer.Finish(), kMutants);
}

TEST(TokenizerHostile, LlamaGguf) {
  TryMutants(TemporaryFolder(), "t.gguf", ReadAll(GoldenPath("stories260k.gguf")), kMutants);
}

// A file of the shared folder.
void TryShared(const std::string& name, int num_mutants) {
  const std::string path = SharedPath(name);
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here";
  TryMutants(TemporaryFolder(), "tokenizer", ReadAll(path), num_mutants);
}

TEST(TokenizerHostile, Llama2c) { TryShared("models/stories260K/tok512.bin", kMutants); }
TEST(TokenizerHostile, SentencePieceBpe) { TryShared("models/babyllama_tok105/tok105.model", kMutants); }
TEST(TokenizerHostile, SentencePieceUnigram) { TryShared("tokenizers/spm_test/test_model.model", kMutants); }

TEST(TokenizerHostile, EveryTruncationIsRefused) {
  for (const char* name : {"models/babyllama_tok105/tok105.model", "models/babyllama_tok105/tok105.bin"}) {
    if (!std::filesystem::exists(SharedPath(name))) GTEST_SKIP() << SharedPath(name) << " is not here";
    const std::string content = ReadAll(SharedPath(name));
    const TemporaryFolder folder;
    int num_loaded = 0;
    for (size_t size = 0; size < content.size(); ++size)
      num_loaded += LoadTokenizer(folder.Write("t", content.substr(0, size))).ok();
    // A file may end behind any whole entry and be a smaller vocabulary: neither format says how many there are.
    EXPECT_LE(num_loaded, 110) << name;
  }
}

}  // namespace
}  // namespace gfn::test
