#include "llm/tokenizer/hf_tokenizer_writer.h"

#include <filesystem>
#include <string_view>
#include <vector>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/mapped_file.h"
#include "llm/format/gguf_file.h"
#include "llm/tokenizer/hf_tokenizer_json.h"

namespace gfn {
namespace {

using Names = std::vector<const char*>;

// What goes with any tokenizer of a folder.
const Names kBeside = {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                       "chat_template.jinja",   "chat_template.json",      "additional_chat_templates"};
const Names kVocabulary = {"vocab.json", "merges.txt", "encoder.json", "vocab.bpe"};
constexpr char kJson[] = "tokenizer.json", kSentencePiece[] = "tokenizer.model";

Status CopyPath(const std::string& from, const std::string& to) {
  std::error_code error;
  std::filesystem::copy(from, to, std::filesystem::copy_options::overwrite_existing | std::filesystem::copy_options::recursive,
                        error);
  return error ? FailedPrecondition(to + ": cannot copy " + from + ": " + error.message()) : OkStatus();
}

Status CopyPresent(const std::string& from, const Names& names, const std::string& folder) {
  for (const char* name : names) {
    const std::string path = JoinPath(from, name);
    if (FileExists(path) || FolderExists(path)) RETURN_IF_ERROR(CopyPath(path, JoinPath(folder, name)));
  }
  return OkStatus();
}

Status WriteFiles(const HfTokenizerFiles& files, const std::string& folder) {
  RETURN_IF_ERROR(WriteJsonFile(JoinPath(folder, kJson), files.tokenizer));
  return WriteJsonFile(JoinPath(folder, "tokenizer_config.json"), files.config);
}

}  // namespace

Status ExportTokenizer(const std::string& from, const std::string& folder) {
  RETURN_IF_ERROR(MakeFolders(folder));
  if (FolderExists(from)) {
    const bool only_llama2c = !FileExists(JoinPath(from, kJson)) && !FileExists(JoinPath(from, kSentencePiece)) &&
                              !FileExists(JoinPath(from, kVocabulary[0])) && !FileExists(JoinPath(from, kVocabulary[2]));
    const std::string llama2c = JoinPath(from, "tokenizer.bin");
    if (only_llama2c && FileExists(llama2c)) return ExportTokenizer(llama2c, folder);
    RETURN_IF_ERROR(CopyPresent(from, {kJson, kSentencePiece}, folder));
    RETURN_IF_ERROR(CopyPresent(from, kVocabulary, folder));
    return CopyPresent(from, kBeside, folder);
  }
  ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(from));
  const std::string_view text = file.text();
  if (GgufFile::HasMagic(file.bytes()) || LooksLikeLlama2c(text)) {
    ASSIGN_OR_RETURN(const auto tokenizer, LoadTokenizer(from));
    if (LooksLikeLlama2c(text) && !GgufFile::HasMagic(file.bytes())) {
      ASSIGN_OR_RETURN(const ScoredPieces pieces, ReadLlama2cPieces(text, from));
      ASSIGN_OR_RETURN(const HfTokenizerFiles files, HfFilesOfLlama2c(pieces, *tokenizer));
      return WriteFiles(files, folder);
    }
    ASSIGN_OR_RETURN(const GgufFile gguf, GgufFile::Open(from));
    ASSIGN_OR_RETURN(const HfTokenizerFiles files, HfFilesOfGguf(gguf, *tokenizer));
    return WriteFiles(files, folder);
  }
  // One file of a folder, which may hold others that would be read in its place.
  const std::string parent = ParentFolder(from);
  if (text.starts_with('\n')) {
    RETURN_IF_ERROR(CopyPath(from, JoinPath(folder, kSentencePiece)));
  } else if (text.starts_with("#version") || BaseName(from) == kVocabulary[0] || BaseName(from) == kVocabulary[2]) {
    RETURN_IF_ERROR(CopyPresent(parent, kVocabulary, folder));
  } else {
    RETURN_IF_ERROR(CopyPath(from, JoinPath(folder, kJson)));
  }
  return CopyPresent(parent, kBeside, folder);
}

}  // namespace gfn
