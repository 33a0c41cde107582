// What a Hugging Face folder says beside the vocabulary: the class of the tokenizer, added and special tokens, which tokens begin
// and end a text. Sources, in this order: tokenizer_config.json; added_tokens.json and special_tokens_map.json, which older
// folders have in place of its added_tokens_decoder; config.json.
//
// What the class decides, as in transformers 5 (a class that is not listed decides nothing):
//   GPT2Tokenizer, CodeGenTokenizer, GPTNeoXTokenizer, Qwen2Tokenizer   add_prefix_space, whatever tokenizer.json says; absent:
//   false GPTNeoXTokenizer                          tokenizer.json's post_processor counts for nothing LlamaTokenizer,
//   CodeLlamaTokenizer        SentencePiece pieces, and no normaliser: a space before a text that begins with none
//                                             (not with add_prefix_space: false); behind an added token only with legacy: true,
//                                             and never with CodeLlamaTokenizer
// Everything else of the pre-tokeniser is tokenizer.json's, also where transformers 5 builds its own: its GPT2Tokenizer forgets
// that SmolLM2 cuts numbers into digits, which the model was trained with. A name with "Fast" behind it is the same class.
// Folders that name none have the class of their model_type: GPT2Tokenizer for gpt2 and gptj.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gflownet/base/status.h"
#include "llm/tokenizer/vocabulary.h"
#include "nlohmann/json_fwd.hpp"

namespace gfn {

struct HfAddedToken {
  int64_t id;
  Token token;  // kControl if it is special, else kUserDefined
};

struct HfFolder {
  std::string tokenizer_class;  // without "Fast"; "" if none is known
  std::optional<bool> add_bos, add_eos, add_prefix_space, legacy;
  std::vector<HfAddedToken> added;         // by id
  std::vector<std::string> special_names;  // bos_token, pad_token, ..., additional_special_tokens; each once
  std::string bos_name, eos_name;          // "" if not named
  std::optional<int64_t> bos_id, eos_id;   // of config.json
  std::string names_path, ids_path;        // the files of the names and of the ids, for messages

  // These decide whether a space stands before a text; nullopt: the class does not say.
  std::optional<bool> ByteLevelPrefixSpace() const;
  bool IsLlama() const { return tokenizer_class == "LlamaTokenizer" || tokenizer_class == "CodeLlamaTokenizer"; }
  bool PrefixesBehindTokens() const { return tokenizer_class == "LlamaTokenizer" && legacy.value_or(false); }
};

// Files that are not there are no error.
StatusOr<HfFolder> ReadHfFolder(const std::string& folder);

// "added_tokens" of tokenizer.json, or one value of added_tokens_decoder: content, special, lstrip, rstrip, single_word,
// normalized.
StatusOr<Token> ReadAddedToken(const nlohmann::json& item, const std::string& where);

// A vocabulary as AddTokensOfFolder needs it.
struct HfVocabulary {
  std::function<int32_t(const std::string& name)> id_of;  // of a token as the files write it; -1: none
  std::function<bool(int32_t id)> is_made;                // by merging, or as a single byte: plain text needs it
  bool by_name = false;                                   // see below
  std::string path;                                       // for messages
};

// Puts the folder's added and special tokens into the vocabulary. `by_name`: a token that the vocabulary knows by name keeps its
// id there, and a new one gets the next (tokenizer.json); otherwise the folder's id counts, and renames the token that has it.
// Special tokens that are named without an id and are not in the vocabulary come behind all others, as transformers does it,
// except bos and eos, which SetEnds refuses.
Status AddTokensOfFolder(const HfFolder& folder, const HfVocabulary& known, Vocabulary* vocabulary);

// Sets bos and eos: by name; or else they stay as they are; or else, where there are none, by config.json's ids, of which one
// outside the vocabulary is a remark.
Status SetEnds(const HfFolder& folder, Vocabulary* vocabulary);

// Sets leading and trailing by add_bos_token and add_eos_token, for vocabularies that come without tokenizer.json.
Status SetEndsAroundTexts(const HfFolder& folder, bool adds_bos_by_default, const std::string& path, Vocabulary* vocabulary);

// A hole in the ids grows the vocabulary on a file's word alone: so many are believed.
inline constexpr int64_t kMaxHoles = 4096;

}  // namespace gfn
