// The tokens of a vocabulary, as read from a file, and the tokenizer that all formats share: special and added tokens,
// look-ups, decoding. What differs, cutting plain text into tokens, is left to the classes that derive from it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/digest.h"
#include "gflownet/base/status.h"
#include "llm/tokenizer/token_table.h"
#include "llm/tokenizer/tokenizer.h"

namespace gfn {

enum class TokenKind : uint8_t {
  kNormal,       // made by merging
  kByte,         // one byte, for what no other token covers
  kUnknown,      // what cannot be encoded
  kControl,      // bos, eos, chat marks: never made from plain text
  kUserDefined,  // added by hand: found in any text before merging
  kUnused,       // a hole in the ids, or reserved
};

// The kind by its number in SentencePiece models (SentencePiece.Type) and GGUF files (llama_token_type), 1 to 6; DataLoss
// naming `where` for another.
StatusOr<TokenKind> TokenKindOfNumber(int64_t number, std::string_view where);

struct Token {
  std::string text;  // the bytes that it stands for; the name of a kUnknown, kControl or kUnused token
  TokenKind kind = TokenKind::kNormal;
  // White space before or after an added token belongs to it (Hugging Face's lstrip, rstrip).
  bool strips_left = false;
  bool strips_right = false;
};

struct Vocabulary {
  std::vector<Token> tokens;
  std::optional<int32_t> bos, eos;
  bool prepends_bos = false;
  std::string unknown_surface = " \u2047 ";  // what a kUnknown token contributes to a text
  // A space is put before a text, so that Decode takes one off the first token.
  bool drops_first_space = false;
};

// An id of a file as bos or eos: DataLoss naming `what` if it is outside the vocabulary.
StatusOr<int32_t> CheckedTokenId(int64_t id, const Vocabulary& vocabulary, std::string_view what);

// "<0x0A>" -> 10, the way SentencePiece vocabularies write byte tokens.
std::optional<uint8_t> ParseByteToken(std::string_view piece);

class VocabularyTokenizer : public Tokenizer {
 public:
  std::vector<int32_t> Encode(std::string_view text, const EncodeOptions& options) const override;
  std::string Decode(std::span<const int32_t> ids, const DecodeOptions& options) const override;
  std::string_view TokenBytes(int32_t id) const override;
  bool IsSpecial(int32_t id) const override;
  std::string_view TokenName(int32_t id) const override;
  std::optional<int32_t> FindToken(std::string_view name) const override;
  int32_t vocab_size() const override { return static_cast<int32_t>(vocabulary_.tokens.size()); }
  std::optional<int32_t> bos_id() const override { return vocabulary_.bos; }
  std::optional<int32_t> eos_id() const override { return vocabulary_.eos; }
  bool prepends_bos() const override { return vocabulary_.prepends_bos && vocabulary_.bos.has_value(); }
  uint64_t digest() const override { return digest_; }

 protected:
  // Where a piece of plain text stands: at the very front of the input, behind an added token, or in the middle of a text.
  enum class Place { kFront, kBehindToken, kMiddle };

  // `rules` holds all that decides the ids beside the tokens themselves.
  VocabularyTokenizer(Vocabulary vocabulary, const Digest& rules);

  // Appends the ids of well-formed text without added tokens.
  virtual void EncodeText(std::string_view text, Place place, std::vector<int32_t>* ids) const = 0;
  // Appends the ids of a run of bytes that is not UTF-8.
  virtual void EncodeInvalid(std::string_view bytes, std::vector<int32_t>* ids) const = 0;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  const Token& token(int32_t id) const;
  const TokenTable& by_name() const { return by_name_; }

 private:
  struct Match {
    size_t begin, end;
    int32_t id;
  };
  std::optional<Match> NextAddedToken(std::string_view text, size_t pos, const EncodeOptions& options) const;
  void EncodePlain(std::string_view text, Place place, std::vector<int32_t>* ids) const;

  Vocabulary vocabulary_;
  TokenTable by_name_;  // the lowest id of each name
  // Ids that are found in texts before merging, by their first byte, the longest first.
  std::array<std::vector<int32_t>, 256> added_tokens_;
  bool has_user_defined_ = false;
  uint64_t digest_;
};

}  // namespace gfn
