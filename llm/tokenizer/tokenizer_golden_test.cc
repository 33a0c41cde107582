// Ids equal to those of PyPI tokenizers and sentencepiece: tests/golden/tokenizer/regenerate.py.
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <set>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "llm/tokenizer/test_tokenizers.h"

namespace gfn::test {
namespace {

using nlohmann::json;

// FNV-1a with an id for a byte, and ffffffff behind each line.
class IdHash {
 public:
  void Add(const std::vector<int32_t>& ids) {
    for (const int32_t id : ids) Mix(static_cast<uint32_t>(id));
    Mix(0xFFFFFFFFu);
  }
  std::string Hex() const {
    char text[17];
    std::snprintf(text, sizeof(text), "%016" PRIx64, hash_);
    return text;
  }

 private:
  void Mix(uint64_t value) { hash_ = (hash_ ^ value) * 0x100000001B3u; }
  uint64_t hash_ = 0xCBF29CE484222325u;
};

std::string HashOf(const std::vector<int32_t>& ids) {
  IdHash hash;
  hash.Add(ids);
  return hash.Hex();
}

const json& Golden() {
  static const json* const golden = new json(ReadJson(GoldenPath("ids.json")));
  return *golden;
}

// The lines of all files of a group, one behind the other: texts of this project, or others' beside it.
std::vector<std::string> LinesOf(const std::string& group, const std::string& folder) {
  std::vector<std::string> lines;
  for (const json& corpus : Golden()["corpora"][group]) {
    const std::string text = ReadAll(folder + corpus["file"].get<std::string>());
    size_t pos = 0;
    for (int64_t i = 0; i < corpus["lines"].get<int64_t>(); ++i) {
      const size_t end = std::min(text.find('\n', pos), text.size());
      lines.push_back(text.substr(pos, end - pos));
      pos = end + 1;
    }
  }
  return lines;
}
const std::vector<std::string>& OwnLines() {
  static const auto* const lines = new auto(LinesOf("own", GFN_SOURCE_DIR "/"));
  return *lines;
}
const std::vector<std::string>& OthersLines() {
  static const auto* const lines = new auto(LinesOf("others", SharedPath("")));
  return *lines;
}

std::string Describe(const std::string& text, const std::vector<int32_t>& ids) {
  std::ostringstream out;
  out << json(text).dump(-1, ' ', true, json::error_handler_t::replace) << " gave";
  for (const int32_t id : ids) out << ' ' << id;
  return out.str();
}

class TokenizerGolden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_NE(tokenizer_, nullptr); }

  // The lines against a string of 16 digits a chunk.
  void CompareLines(const std::vector<std::string>& lines, const std::string& group) const {
    const size_t chunk = Golden()["chunk_lines"].get<size_t>();
    const auto skipped = Golden()["skipped_lines"][GetParam()][group].get<std::set<size_t>>();
    EXPECT_LT(skipped.size() * 50, lines.size());
    const std::string expected = Golden()["corpus_hashes"][GetParam()][group];
    ASSERT_EQ(expected.size(), (lines.size() + chunk - 1) / chunk * 16);
    for (size_t begin = 0; begin < lines.size(); begin += chunk) {
      const size_t end = std::min(begin + chunk, lines.size());
      IdHash hash;
      for (size_t i = begin; i < end; ++i) {
        if (!skipped.contains(i)) hash.Add(tokenizer_->Encode(lines[i]));
      }
      EXPECT_EQ(hash.Hex(), expected.substr(begin / chunk * 16, 16)) << group << ": lines " << begin << " to " << end;
    }
  }
  // Edge cases against a string of 8 digits a case, with dashes where there is no reference.
  void CompareEdgeCases(const std::string& hashes, const EncodeOptions& options) const {
    const std::vector<std::string> cases = EdgeCases();
    ASSERT_EQ(hashes.size(), cases.size() * 8);
    for (size_t i = 0; i < cases.size(); ++i) {
      const std::string expected = hashes.substr(i * 8, 8);
      if (expected == "--------") continue;
      const std::vector<int32_t> ids = tokenizer_->Encode(cases[i], options);
      EXPECT_EQ(HashOf(ids).substr(8), expected) << "case " << i << ": " << Describe(cases[i], ids);
    }
  }

  const std::unique_ptr<Tokenizer> tokenizer_ = LoadGolden(GetParam());
};

// Where they are, others' texts as well: OthersTokenizersAndTextsAreHere says where they are not.
TEST_P(TokenizerGolden, CorpusIds) {
  ASSERT_GE(OwnLines().size(), 1000u);
  CompareLines(OwnLines(), "own");
  if (!std::filesystem::exists(SharedPath("text"))) return;
  ASSERT_GE(OthersLines().size(), 10000u);
  CompareLines(OthersLines(), "others");
}

TEST_P(TokenizerGolden, EdgeCaseIds) { CompareEdgeCases(Golden()["edge_hashes"][GetParam()], {}); }

using TokenizerContinuation = TokenizerGolden;
TEST_P(TokenizerContinuation, EdgeCaseIds) {
  CompareEdgeCases(Golden()["continuation_hashes"][GetParam()], {.continuation = true});
}

using TokenizerSpecialTokens = TokenizerGolden;
TEST_P(TokenizerSpecialTokens, Ids) {
  const std::string hashes = Golden()["special_hashes"][GetParam()];
  const auto texts = Golden()["special_texts"].get<std::vector<std::string>>();
  ASSERT_EQ(hashes.size(), texts.size() * 16);
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<int32_t> ids = tokenizer_->Encode(texts[i], {.parse_special = true});
    EXPECT_EQ(HashOf(ids), hashes.substr(i * 16, 16)) << Describe(texts[i], ids);
  }
}

// The tokenizers of a section whose files are here.
std::vector<std::string> NamesIn(const char* section) {
  std::vector<std::string> names;
  for (const std::string& name : GoldenTokenizers()) {
    if (Golden()[section].contains(name)) names.push_back(name);
  }
  return names;
}

constexpr auto kByName = [](const testing::TestParamInfo<std::string>& info) { return info.param; };
INSTANTIATE_TEST_SUITE_P(All, TokenizerGolden, testing::ValuesIn(NamesIn("corpus_hashes")), kByName);
INSTANTIATE_TEST_SUITE_P(All, TokenizerContinuation, testing::ValuesIn(NamesIn("continuation_hashes")), kByName);
INSTANTIATE_TEST_SUITE_P(All, TokenizerSpecialTokens, testing::ValuesIn(NamesIn("special_hashes")), kByName);

TEST(TokenizerGoldenNames, OwnTokenizersOfEveryKindAreHere) {
  for (const char* name : {"small_byte_bpe", "small_llama_bpe", "small_qwen2", "small_model", "small_bin", "small_unigram",
                           "stories260k_json", "stories260k_metaspace"}) {
    EXPECT_THAT(NamesIn("corpus_hashes"), testing::Contains(name));
  }
}

TEST(TokenizerGoldenNames, OthersTokenizersAndTextsAreHere) {
  if (!AbsentTokenizers().empty()) GTEST_SKIP() << "not here, and not tested: " << testing::PrintToString(AbsentTokenizers());
  if (!std::filesystem::exists(SharedPath("text"))) GTEST_SKIP() << "not here, and not tested: " << SharedPath("text");
  EXPECT_EQ(GoldenTokenizers().size(), Golden()["corpus_hashes"].size());
}

}  // namespace
}  // namespace gfn::test
