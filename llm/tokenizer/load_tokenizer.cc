#include <array>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/mapped_file.h"
#include "llm/format/gguf_file.h"
#include "llm/tokenizer/loaders.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

// In a folder, the first of these that is there.
constexpr std::array<const char*, 5> kFolderNames = {"tokenizer.json", "tokenizer.model", "vocab.json", "encoder.json",
                                                     "tokenizer.bin"};
constexpr std::array<const char*, 2> kVocabNames = {"vocab.json", "encoder.json"};
constexpr std::array<const char*, 2> kMergesNames = {"merges.txt", "vocab.bpe"};

template <size_t n>
StatusOr<std::string> FirstOf(const std::array<const char*, n>& names, const std::string& folder, std::string_view what) {
  std::string list;
  for (const char* name : names) {
    std::string path = JoinPath(folder, name);
    if (FileExists(path)) return path;
    list.append(list.empty() ? "" : ", ").append(name);
  }
  return NotFound(folder + ": no " + std::string(what) + " here; expected one of " + list);
}

bool BeginsLikeJson(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

StatusOr<std::unique_ptr<Tokenizer>> LoadPair(const std::string& vocab_path, const std::string& merges_path) {
  ASSIGN_OR_RETURN(const nlohmann::json vocab, ReadJsonFile(vocab_path));
  ASSIGN_OR_RETURN(const MappedFile merges, MappedFile::Open(merges_path));
  return LoadVocabAndMerges(vocab, vocab_path, merges.text(), merges_path);
}

StatusOr<std::unique_ptr<Tokenizer>> LoadJson(std::string_view text, const std::string& path) {
  ASSIGN_OR_RETURN(const nlohmann::json root, ParseJson(text, path));
  // A vocabulary may well hold the word "model", but with a number.
  if (root.contains("model") && !root["model"].is_number()) return LoadHfTokenizer(root, path);
  if (root.empty() || !root.front().is_number_integer()) {
    return DataLoss(path + ": neither a tokenizer.json (no 'model') nor a vocabulary (token -> id)");
  }
  ASSIGN_OR_RETURN(const std::string merges_path, FirstOf(kMergesNames, ParentFolder(path), "merges for " + BaseName(path)));
  ASSIGN_OR_RETURN(const MappedFile merges, MappedFile::Open(merges_path));
  return LoadVocabAndMerges(root, path, merges.text(), merges_path);
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& path) {
  if (FolderExists(path)) {
    ASSIGN_OR_RETURN(const std::string inside, FirstOf(kFolderNames, path, "tokenizer"));
    return LoadTokenizer(inside);
  }
  ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const std::string_view text = file.text();
  if (GgufFile::HasMagic(file.bytes())) {
    ASSIGN_OR_RETURN(const GgufFile gguf, GgufFile::Open(path));
    return LoadGgufTokenizer(gguf);
  }
  if (BeginsLikeJson(text)) return LoadJson(text, path);
  if (text.starts_with("#version")) {
    ASSIGN_OR_RETURN(const std::string vocab_path, FirstOf(kVocabNames, ParentFolder(path), "vocabulary for " + BaseName(path)));
    return LoadPair(vocab_path, path);
  }
  if (LooksLikeLlama2c(text)) return LoadLlama2c(text, path);
  if (text.starts_with('\n')) return LoadSentencePiece(text, path);  // field 1, a message: the first piece
  return DataLoss(path +
                  ": not a tokenizer; expected GGUF, tokenizer.json, a vocabulary with merges, a SentencePiece model, or " +
                  "llama2.c's tokenizer.bin");
}

}  // namespace gfn
