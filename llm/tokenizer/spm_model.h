// A serialised SentencePiece ModelProto (sentencepiece_model.proto of google/sentencepiece), read by our own hand: what we
// need of it, and the proof that libsentencepiece may be given it. The library checks its input with assertions that end the
// process, and walks the normaliser's trie without bounds; so whatever could trip it is refused here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"
#include "llm/tokenizer/vocabulary.h"

namespace gfn {

struct SpmPiece {
  std::string piece;  // with the mark U+2581 for a space
  float score = 0;
  TokenKind kind = TokenKind::kNormal;
};

struct SpmModel {
  enum class Algorithm { kUnigram = 1, kBpe = 2 };

  std::vector<SpmPiece> pieces;
  Algorithm algorithm = Algorithm::kUnigram;
  bool byte_fallback = false;
  std::string unknown_surface = " \u2047 ";
  std::string bos_piece = "<s>", eos_piece = "</s>";
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool treat_whitespace_as_suffix = false;
  std::string_view normalizer_charsmap;  // inside the bytes given to Parse
  std::string_view denormalizer_charsmap;

  // DataLoss for a damaged file; Unimplemented for word and character models, white space as suffix, denormalisers.
  static StatusOr<SpmModel> Parse(std::string_view bytes, const std::string& path);
};

}  // namespace gfn
