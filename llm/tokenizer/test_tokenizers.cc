#include "llm/tokenizer/test_tokenizers.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "gtest/gtest.h"
#include "llm/tokenizer/byte_alphabet.h"

namespace gfn::test {
namespace {

using nlohmann::json;

json SplitBy(const std::string& pattern) {
  const json split = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  return {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}};
}

std::string LlamaPattern(const std::string& digits) {
  return R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)" + digits +
         R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
}

const std::map<std::string, std::string>& FilesOfTokenizers() {
  static const auto* const files = new std::map<std::string, std::string>{
      {"gpt2", Gpt2().merges},
      {"gpt2_llama_bpe", Gpt2().merges},
      {"gpt2_qwen2", Gpt2().merges},
      {"smollm2", SmolLm2Path()},
      {"llama2", SharedPath("tokenizers/llama2/tokenizer.model")},
      {"tinystories4096", SharedPath("tokenizers/tinystories4096/tok4096.model")},
      {"spm_test", SharedPath("tokenizers/spm_test/test_model.model")},
      {"spm_test_ja", SharedPath("tokenizers/spm_test/test_ja_model.model")},
      {"tok105_model", SharedPath("models/babyllama_tok105/tok105.model")},
      {"tok105_bin", SharedPath("models/babyllama_tok105/tok105.bin")},
      {"tok361_bin", SharedPath("models/babyllama_tok361/tok361.bin")},
      {"tok512_bin", SharedPath("models/stories260K/tok512.bin")},
      {"stories260k_json", GoldenPath("stories260k_tokenizer.json")},
      {"stories260k_metaspace", GoldenPath("stories260k_tokenizer.json")},
      {"small_byte_bpe", SmallByteBpe().merges},
      {"small_llama_bpe", SmallByteBpe().merges},
      {"small_qwen2", SmallByteBpe().merges},
      {"small_model", SmallPath("llama/tokenizer.model")},
      {"small_bin", SmallPath("tok512.bin")},
      {"small_unigram", SmallPath("unigram.model")},
  };
  return *files;
}

}  // namespace

std::string GoldenPath(const std::string& name) { return std::string(GFN_SOURCE_DIR "/tests/golden/tokenizer/") + name; }
std::string SmallPath(const std::string& name) { return std::string(GFN_SOURCE_DIR "/tests/golden/small/") + name; }
std::string SharedPath(const std::string& name) { return std::string(GFN_SHARED_DIR "/data/") + name; }
std::string SmolLm2Path() { return GFN_SOURCE_DIR "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf"; }

TemporaryFolder::TemporaryFolder() {
  static std::atomic<int> count = 0;
  const std::string name = "gfn_tokenizer_" + std::to_string(getpid()) + "_" + std::to_string(count++);
  path_ = (std::filesystem::temp_directory_path() / name).string();
  std::filesystem::create_directories(path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::Write(const std::string& name, std::string_view content) const {
  std::string path = path_ + "/" + name;
  std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
  return path;
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

json ReadJson(const std::string& path) { return json::parse(ReadAll(path)); }

std::vector<std::string> GoldenTokenizers() {
  std::vector<std::string> names;
  for (const auto& [name, file] : FilesOfTokenizers()) {
    if (std::filesystem::exists(file)) names.push_back(name);
  }
  return names;
}

std::vector<std::string> AbsentTokenizers() {
  std::set<std::string> absent;
  for (const auto& [name, file] : FilesOfTokenizers()) {
    if (!std::filesystem::exists(file)) absent.insert(file);
  }
  return {absent.begin(), absent.end()};
}

ByteBpeFiles SmallByteBpe() { return {SmallPath("byte_bpe/vocab.json"), SmallPath("byte_bpe/merges.txt"), 0}; }
ByteBpeFiles Gpt2() { return {SharedPath("tokenizers/gpt2/encoder.json"), SharedPath("tokenizers/gpt2/vocab.bpe"), 50256}; }

json ByteBpeFiles::TokenizerJson(const json& pre_tokenizer, const json& normalizer) const {
  json pairs = json::array();
  const std::string text = ReadAll(merges);
  for (size_t pos = text.find('\n') + 1; pos < text.size();) {  // the first line is the version
    const size_t line_end = std::min(text.find('\n', pos), text.size());
    const std::string line = text.substr(pos, line_end - pos);
    const size_t space = line.find(' ');
    if (space != std::string::npos) pairs.push_back({line.substr(0, space), line.substr(space + 1)});
    pos = line_end + 1;
  }
  json root;
  root["normalizer"] = normalizer;
  root["pre_tokenizer"] = pre_tokenizer;
  root["decoder"] = {{"type", "ByteLevel"}};
  root["added_tokens"] = json::array({{{"id", end}, {"content", "<|endoftext|>"}, {"special", true}}});
  root["model"] = {{"type", "BPE"}, {"vocab", ReadJson(vocab)}, {"merges", pairs}};
  return root;
}

json MetaspaceTokenizerJson() {
  json root = ReadJson(GoldenPath("stories260k_tokenizer.json"));
  root["normalizer"] = nullptr;
  root["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "first"}, {"split", false}};
  return root;
}

std::unique_ptr<Tokenizer> LoadGolden(const std::string& name) {
  std::string path = FilesOfTokenizers().at(name);
  const TemporaryFolder folder;
  const auto write = [&](const json& root) { path = folder.Write("tokenizer.json", root.dump()); };
  const ByteBpeFiles byte_bpe = name.starts_with("gpt2") ? Gpt2() : SmallByteBpe();
  if (name.ends_with("_llama_bpe")) write(byte_bpe.TokenizerJson(SplitBy(LlamaPattern(R"(\p{N}{1,3})")), nullptr));
  if (name.ends_with("_qwen2")) write(byte_bpe.TokenizerJson(SplitBy(LlamaPattern(R"(\p{N})")), {{"type", "NFC"}}));
  if (name == "stories260k_metaspace") write(MetaspaceTokenizerJson());
  StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(path);
  EXPECT_TRUE(tokenizer.ok()) << Message(tokenizer.status());
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

TinyByteLevel::TinyByteLevel() {
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    tokens.push_back(AlphabetOfBytes({&byte, 1}));
  }
  using Pair = std::pair<std::string, std::string>;
  for (const auto& [left, right] :
       {Pair("\u0120", "t"), Pair("h", "e"), Pair("\u0120t", "he"), Pair("i", "n"), Pair("o", "n"), Pair("c", "a")}) {
    merges.push_back(left + " " + right);
    tokens.push_back(left + right);
  }
  tokens.push_back("<|endoftext|>");
}

json TinyByteLevel::Vocab() const {
  json vocab;
  for (size_t i = 0; i < tokens.size(); ++i) vocab[tokens[i]] = i;
  return vocab;
}

json TinyByteLevel::TokenizerJson() const {
  json root;
  root["added_tokens"] = json::array({{{"id", tokens.size() - 1}, {"content", tokens.back()}, {"special", true}}});
  root["pre_tokenizer"] = ByteLevelStep();
  root["decoder"] = {{"type", "ByteLevel"}};
  root["model"] = {{"type", "BPE"}, {"vocab", Vocab()}, {"merges", merges}};
  return root;
}

json ByteLevelStep() { return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}; }

std::vector<std::string> EdgeCases() {
  std::vector<std::string> texts;
  for (const json& hex : ReadJson(GoldenPath("edge_cases.json"))) {
    std::string& text = texts.emplace_back();
    const std::string digits = hex.get<std::string>();
    for (size_t i = 0; i < digits.size(); i += 2) text.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return texts;
}

}  // namespace gfn::test
