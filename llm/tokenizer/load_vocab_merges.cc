#include <unordered_set>
#include <utility>
#include <vector>

#include "gflownet/base/file_util.h"
#include "llm/tokenizer/byte_alphabet.h"
#include "llm/tokenizer/byte_bpe.h"
#include "llm/tokenizer/hf_config.h"
#include "llm/tokenizer/loaders.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;

// GPT-2 begins and ends every text with the same token.
constexpr char kGpt2End[] = "<|endoftext|>";

StatusOr<std::vector<std::pair<std::string, std::string>>> ReadMergeLines(std::string_view text, const std::string& path) {
  std::vector<std::pair<std::string, std::string>> merges;
  int64_t number = 0;
  for (size_t pos = 0; pos < text.size();) {
    const size_t end = std::min(text.find('\n', pos), text.size());
    std::string_view line = text.substr(pos, end - pos);
    pos = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    ASSIGN_OR_RETURN(auto merge, ParseMerge(line, path + ":" + std::to_string(number)));
    merges.push_back(std::move(merge));
  }
  return merges;
}

// The files say nothing of the pre-tokeniser; it is GPT-2's unless the folder names another class.
StatusOr<PreTokenizerKind> PreTokenizerOfFolder(const HfFolder& folder, const std::string& path) {
  const std::string& name = folder.tokenizer_class;
  for (const char* known : {"", "GPT2Tokenizer", "CodeGenTokenizer"}) {
    if (name == known) return PreTokenizerKind::kGpt2;
  }
  return Unimplemented(path + ": vocabulary and merges of class " + name +
                       "; known: GPT2Tokenizer, CodeGenTokenizer; others need their tokenizer.json");
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> LoadVocabAndMerges(const json& vocab, const std::string& vocab_path,
                                                        std::string_view merges_text, const std::string& merges_path) {
  ASSIGN_OR_RETURN(const auto merges, ReadMergeLines(merges_text, merges_path));
  std::unordered_set<std::string> made;
  for (const auto& [left, right] : merges) made.insert(left + right);
  if (!vocab.is_object()) return DataLoss(vocab_path + ": expected an object token -> id");
  Vocabulary vocabulary;
  vocabulary.tokens.resize(vocab.size());
  std::vector<bool> is_named(vocab.size(), false);
  std::optional<int32_t> gpt2_end;
  for (const auto& [written, value] : vocab.items()) {
    const int64_t id = value.is_number_integer() ? value.get<int64_t>() : -1;
    const std::string where = vocab_path + ": '" + written.substr(0, 80) + "'";
    if (id < 0 || id >= static_cast<int64_t>(vocab.size())) {
      return DataLoss(where + " has id " + value.dump().substr(0, 40) + ", expected 0 .. " + std::to_string(vocab.size() - 1));
    }
    if (is_named[id]) return DataLoss(where + " has the id " + std::to_string(id) + " of another token");
    is_named[id] = true;
    const std::optional<std::string> bytes = BytesOfAlphabet(written);
    const bool is_byte = bytes && bytes->size() == 1;
    const TokenKind kind = is_byte || made.contains(written) ? TokenKind::kNormal : TokenKind::kControl;
    ASSIGN_OR_RETURN(vocabulary.tokens[id], ByteBpeToken(written, kind, id, vocab_path));
    if (written == kGpt2End) gpt2_end = static_cast<int32_t>(id);
  }
  const std::string path = ParentFolder(vocab_path);
  ASSIGN_OR_RETURN(const HfFolder folder, ReadHfFolder(path));
  HfVocabulary known;
  known.path = vocab_path;
  known.id_of = [&](const std::string& name) {
    const auto found = vocab.find(name);
    return found == vocab.end() ? -1 : found->get<int32_t>();
  };
  known.is_made = [&](int32_t id) { return vocabulary.tokens[id].kind == TokenKind::kNormal; };
  RETURN_IF_ERROR(AddTokensOfFolder(folder, known, &vocabulary));
  RETURN_IF_ERROR(SetEnds(folder, &vocabulary));
  if (!vocabulary.bos) vocabulary.bos = gpt2_end;
  if (!vocabulary.eos) vocabulary.eos = gpt2_end;
  RETURN_IF_ERROR(SetEndsAroundTexts(folder, /*adds_bos_by_default=*/false, vocab_path, &vocabulary));
  ByteBpeSpec spec;
  ASSIGN_OR_RETURN(spec.pre_tokenizer, PreTokenizerOfFolder(folder, path));
  spec.adds_prefix_space = folder.add_prefix_space.value_or(false);
  vocabulary.drops_first_space = spec.adds_prefix_space;
  return MakeByteBpe(std::move(vocabulary), spec, merges, vocab_path);
}

}  // namespace gfn
