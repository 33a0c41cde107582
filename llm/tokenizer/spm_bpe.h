// SentencePiece's BPE by our own hand, for vocabularies that come without a SentencePiece model: GGUF (tokenizer.ggml.model =
// llama), llama2.c's tokenizer.bin, and Hugging Face's tokenizer.json of llama models. A text starts as its characters, white
// space is a character like any other, and a character without a piece falls back to its bytes or to the unknown token.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "llm/tokenizer/vocabulary.h"

namespace gfn {

struct SpmBpeSpec {
  enum class SpacePrefix {
    kNever,
    kAlways,       // a space before every text, also before one that begins with a space
    kUnlessSpace,  // not before one that begins with a space
  };
  SpacePrefix space_prefix = SpacePrefix::kAlways;
  bool prefix_behind_tokens = true;  // text behind an added token gets the space as well
  bool fuses_unknown = true;         // neighbouring unknown characters make one unknown token
  bool mark_is_space = true;         // U+2581 in a text is a space
};

// kNormal tokens hold their text with spaces for the mark U+2581, kByte tokens their byte.
//
// By scores (one a token): neighbours merge if their concatenation is a piece, the highest score first.
StatusOr<std::unique_ptr<Tokenizer>> MakeSpmBpeByScores(Vocabulary vocabulary, const SpmBpeSpec& spec,
                                                        std::span<const float> scores, const std::string& where);
// By merges: neighbours merge if they are in the list, the first line first.
StatusOr<std::unique_ptr<Tokenizer>> MakeSpmBpeByMerges(Vocabulary vocabulary, const SpmBpeSpec& spec,
                                                        std::span<const std::pair<std::string, std::string>> merges,
                                                        const std::string& where);

// A piece as files write it: "▁the" becomes " the", "<0x0A>" a newline if the kind is kByte; other kinds stay. DataLoss, naming
// the id and `where`, for a byte piece that is none or a piece that is not UTF-8.
StatusOr<Token> SpmToken(std::string written, TokenKind kind, int64_t id, std::string_view where);

}  // namespace gfn
