// Byte-level byte pair encoding (GPT-2 and its descendants): words from a pre-tokeniser, each begun as single bytes.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "llm/tokenizer/pre_tokenizer.h"
#include "llm/tokenizer/vocabulary.h"

namespace gfn {

struct ByteBpeSpec {
  PreTokenizerKind pre_tokenizer = PreTokenizerKind::kGpt2;
  bool normalizes_nfc = false;  // Unicode NFC before anything else (Qwen2's tokenizer.json)
  // A space before a text that does not begin with one, and before a text behind an added token; where a pattern cuts the text
  // before the bytes are looked at (llama-bpe, qwen2), before every word of it.
  bool adds_prefix_space = false;
  bool ignores_merges = false;  // a word that is a token is that token, whatever the merges say (Llama 3)
};

// The vocabulary's kNormal tokens already hold their bytes; `merges` are pairs in the alphabet of byte_alphabet.h, the first
// of equal pairs counts. DataLoss, naming the merge and `where`, if a merge or what it makes is not in the vocabulary.
StatusOr<std::unique_ptr<Tokenizer>> MakeByteBpe(Vocabulary vocabulary, const ByteBpeSpec& spec,
                                                 std::span<const std::pair<std::string, std::string>> merges,
                                                 const std::string& where);

// "Ġt he" as a pair; DataLoss unless there is exactly one space.
StatusOr<std::pair<std::string, std::string>> ParseMerge(std::string_view line, std::string_view where);

// The token of a file's written form ("Ġthe"): kNormal tokens become their bytes, others stay as they are. DataLoss, naming the
// id and `where`, if a kNormal token is not in the alphabet.
StatusOr<Token> ByteBpeToken(std::string written, TokenKind kind, int64_t id, std::string_view where);

}  // namespace gfn
