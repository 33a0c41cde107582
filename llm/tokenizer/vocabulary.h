// The tokens of a vocabulary, as read from a file, and the tokenizer that all formats share: special and added tokens,
// look-ups, decoding. What differs, cutting plain text into tokens, is left to the classes that derive from it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/digest.h"
#include "gflownet/base/status.h"
#include "llm/tokenizer/added_tokens.h"
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
  // Of an added token, as Hugging Face has them. White space before or behind it belongs to it (lstrip, rstrip); it is not found
  // inside a word (single_word); it is looked for in what the others leave, in the normalised text, and is normalised itself
  // (normalized).
  bool strips_left = false;
  bool strips_right = false;
  bool single_word = false;
  bool normalized = false;
};

struct Vocabulary {
  std::vector<Token> tokens;
  std::optional<int32_t> bos, eos;
  std::vector<int32_t> leading, trailing;  // Tokenizer::leading_ids, trailing_ids
  AddedTokens::Order order = AddedTokens::Order::kLeftmost;
  bool normalizes = false;  // a normaliser stands before the pre-tokeniser
  std::vector<std::string> remarks;
  std::string unknown_surface = " \u2047 ";  // what a kUnknown token contributes to a text
  // A space is put before a text, so that Decode takes one off the first token.
  bool drops_first_space = false;
};

// True if the id is one of the vocabulary's.
bool IsTokenId(int64_t id, const Vocabulary& vocabulary);
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
  bool IsAdded(int32_t id) const override { return IsSpecial(id) || token(id).kind == TokenKind::kUserDefined; }
  std::string_view TokenName(int32_t id) const override;
  std::optional<int32_t> FindToken(std::string_view name) const override;
  int32_t vocab_size() const override { return static_cast<int32_t>(vocabulary_.tokens.size()); }
  std::optional<int32_t> bos_id() const override { return vocabulary_.bos; }
  std::optional<int32_t> eos_id() const override { return vocabulary_.eos; }
  std::span<const int32_t> leading_ids() const override { return vocabulary_.leading; }
  std::span<const int32_t> trailing_ids() const override { return vocabulary_.trailing; }
  const std::vector<std::string>& remarks() const override { return vocabulary_.remarks; }
  uint64_t digest() const override { return digest_; }

 protected:
  // Where a piece of plain text stands: at the very front of the input, behind an added token, or in the middle of a text.
  enum class Place { kFront, kBehindToken, kMiddle };

  // Text as its normaliser leaves it, and for each of its bytes the part of the text that it comes from.
  struct Normalized {
    std::string text;
    std::vector<TextRange> sources;
    bool handles_prefix = false;  // the space before a text, if there is to be one, is already there
  };

  // `rules` holds all that decides the ids beside the tokens themselves.
  VocabularyTokenizer(Vocabulary vocabulary, const Digest& rules);

  // Must be called at the end of the constructor of a class whose files may ask for tokens in normalised text.
  void AddNormalizedTokens();
  // Of well-formed text or any other bytes; asked only if Vocabulary::normalizes is set.
  virtual Normalized Normalize(std::string_view text, Place) const { return Unchanged(text); }
  static Normalized Unchanged(std::string_view text);

  // Appends the ids of well-formed text without added tokens.
  virtual void EncodeText(std::string_view text, Place place, std::vector<int32_t>* ids) const = 0;
  // Appends the ids of a run of bytes that is not UTF-8.
  virtual void EncodeInvalid(std::string_view bytes, std::vector<int32_t>* ids) const = 0;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  const Token& token(int32_t id) const;
  const TokenTable& by_name() const { return by_name_; }

 private:
  void EncodeSegment(std::string_view text, size_t offset, Place place, const EncodeOptions& options,
                     std::vector<int32_t>* ids) const;
  void EncodePlain(std::string_view text, Place place, std::vector<int32_t>* ids) const;
  bool MayTake(int32_t id, size_t begin, size_t end, const EncodeOptions& options) const;

  Vocabulary vocabulary_;
  TokenTable by_name_;      // the lowest id of each name
  AddedTokens raw_;         // found in the text as it is, before any merging
  AddedTokens normalized_;  // found afterwards, in what the normaliser makes of the rest
  bool has_user_defined_ = false;
  uint64_t digest_;
};

}  // namespace gfn
