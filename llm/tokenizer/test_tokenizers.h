// What the tests of this folder share: the tokenizers by name, texts, and folders that disappear.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/tokenizer/tokenizer.h"
#include "nlohmann/json.hpp"

namespace gfn::test {

std::string GoldenPath(const std::string& name);  // tests/golden/tokenizer/name
std::string SmallPath(const std::string& name);   // tests/golden/small/name: the project's own tokenizers
std::string SharedPath(const std::string& name);  // ../shared/data/name: others', which may be absent
std::string SmolLm2Path();                        // the GGUF that tools/setup fetches

// A new folder, removed with everything in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  // Writes a file into it and returns its path.
  std::string Write(const std::string& name, std::string_view content) const;

 private:
  std::string path_;
};

std::string ReadAll(const std::string& path);
nlohmann::json ReadJson(const std::string& path);

// Of the tokenizers of tests/golden/tokenizer/ids.json those whose files are here: the own ones always are.
std::vector<std::string> GoldenTokenizers();
// The files of the others.
std::vector<std::string> AbsentTokenizers();
// Loads one by its name there.
std::unique_ptr<Tokenizer> LoadGolden(const std::string& name);

// The pre_tokenizer of GPT-2's tokenizer.json.
nlohmann::json ByteLevelStep();
// Vocabulary and merges of byte-level BPE, and the token that ends a text.
struct ByteBpeFiles {
  std::string vocab, merges;
  int32_t end = 0;

  // As a tokenizer.json with these steps around them.
  nlohmann::json TokenizerJson(const nlohmann::json& pre_tokenizer, const nlohmann::json& normalizer) const;
};
ByteBpeFiles SmallByteBpe();  // the project's own
ByteBpeFiles Gpt2();          // others'
// tests/golden/tokenizer/stories260k_tokenizer.json with Metaspace in place of its normaliser.
nlohmann::json MetaspaceTokenizerJson();

// A byte-level vocabulary of 256 bytes, a few merges and an end mark, in the alphabet of the files.
struct TinyByteLevel {
  TinyByteLevel();
  nlohmann::json Vocab() const;          // token -> id
  nlohmann::json TokenizerJson() const;  // with GPT-2's pre-tokeniser

  std::vector<std::string> tokens, merges;
};

// The texts of tests/golden/tokenizer/edge_cases.json; they hold any bytes.
std::vector<std::string> EdgeCases();

}  // namespace gfn::test
