// The rules by which byte-level BPE cuts a text into words before merging: one regular expression a rule, run by PCRE2.
//
// | name      | what it does                                                                     | also called in files  |
// | gpt2      | GPT-2's pattern                                                                  | gpt-2, phi-2          |
// | smollm    | every digit by itself, then GPT-2's pattern on what is between                   | starcoder, refact, .. |
// | llama-bpe | Llama 3's pattern (contractions in any case, digits in threes)                   | llama3, dbrx, ..      |
// | qwen2     | the same with digits one by one                                                  | deepseek-r1-qwen, ..  |
//
// \p{L} and \p{N} are those of the Unicode version in PCRE2 (14 in 10.42); letters that Unicode gained since then may be
// cut differently by libraries that are newer or older. White space is Unicode's White_Space everywhere.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"

namespace gfn {

enum class PreTokenizerKind { kGpt2, kSmollm, kLlamaBpe, kQwen2 };

// "gpt2, smollm, llama-bpe, qwen2"
std::string KnownPreTokenizers();
std::string_view PreTokenizerName(PreTokenizerKind kind);

// The kind for a GGUF file's tokenizer.ggml.pre; Unimplemented with the known names, and `where`, for any other.
StatusOr<PreTokenizerKind> PreTokenizerFromGgufName(std::string_view name, std::string_view where);

// Is this a GGUF name of Llama 3's whole way, by which llama.cpp takes a word that is a token for that token whatever the merges
// say, and puts bos before a text where the file has no add_bos_token? dbrx and smaug-bpe have its pattern alone.
bool IsLlama3Name(std::string_view name);

// The kind whose pattern in a Hugging Face tokenizer.json is exactly this.
std::optional<PreTokenizerKind> PreTokenizerFromPattern(std::string_view pattern);

// That pattern; "" for a rule that is not one pattern there (gpt2's is the default of ByteLevel, smollm's two steps).
std::string_view PreTokenizerPattern(PreTokenizerKind kind);

// Is this one character a letter, a mark, a decimal digit or a connector such as the underscore (Unicode's \w, Technical Standard
// 18)? False for "".
bool IsWordCharacter(std::string_view character);

class PreTokenizer {
 public:
  explicit PreTokenizer(PreTokenizerKind kind);
  ~PreTokenizer();

  PreTokenizerKind kind() const { return kind_; }

  // Cuts well-formed UTF-8 into words; together they are the text. Replaces what was in *words.
  void Split(std::string_view text, std::vector<std::string_view>* words) const;

 private:
  friend bool IsWordCharacter(std::string_view character);
  struct Regex;
  PreTokenizerKind kind_;
  std::unique_ptr<const Regex> regex_;
};

}  // namespace gfn
