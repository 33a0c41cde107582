#include "llm/tokenizer/vocabulary.h"

#include <algorithm>
#include <utility>

#include "gflownet/base/check.h"
#include "llm/tokenizer/utf8.h"

namespace gfn {
namespace {

bool IsLookedFor(TokenKind kind) {
  return kind == TokenKind::kControl || kind == TokenKind::kUserDefined || kind == TokenKind::kUnknown;
}

int HexValue(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

StatusOr<TokenKind> TokenKindOfNumber(int64_t number, std::string_view where) {
  constexpr TokenKind kKinds[] = {TokenKind::kNormal,      TokenKind::kUnknown, TokenKind::kControl,
                                  TokenKind::kUserDefined, TokenKind::kUnused,  TokenKind::kByte};
  if (number >= 1 && number <= static_cast<int64_t>(std::size(kKinds))) return kKinds[number - 1];
  return DataLoss(std::string(where) + " has type " + std::to_string(number) + ", expected 1 to 6");
}

bool IsTokenId(int64_t id, const Vocabulary& vocabulary) {
  return id >= 0 && id < static_cast<int64_t>(vocabulary.tokens.size());
}

StatusOr<int32_t> CheckedTokenId(int64_t id, const Vocabulary& vocabulary, std::string_view what) {
  const int64_t size = static_cast<int64_t>(vocabulary.tokens.size());
  if (IsTokenId(id, vocabulary)) return static_cast<int32_t>(id);
  return DataLoss(std::string(what) + " is " + std::to_string(id) + ", outside the vocabulary of " + std::to_string(size) +
                  " tokens");
}

std::optional<uint8_t> ParseByteToken(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return std::nullopt;
  const int high = HexValue(piece[3]), low = HexValue(piece[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high * 16 + low);
}

VocabularyTokenizer::VocabularyTokenizer(Vocabulary vocabulary, const Digest& rules)
    : vocabulary_(std::move(vocabulary)), by_name_(vocabulary_.tokens.size()), raw_(vocabulary_.order) {
  Digest digest = rules;
  digest.Bool(vocabulary_.drops_first_space).String(vocabulary_.unknown_surface);
  for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
    const Token& token = vocabulary_.tokens[i];
    const int32_t id = static_cast<int32_t>(i);
    by_name_.Insert(token.text, id);
    digest.String(token.text).Int(static_cast<int>(token.kind)).Bool(token.strips_left).Bool(token.strips_right);
    if (!IsLookedFor(token.kind)) continue;
    const bool normalized = token.normalized && vocabulary_.normalizes;
    // Only what differs from the common case, so that tokenizers without these flags keep the digests that they had.
    if (token.single_word || normalized) digest.String("added").Bool(token.single_word).Bool(normalized);
    has_user_defined_ |= token.kind == TokenKind::kUserDefined;
    if (!token.normalized) raw_.Add({id, token.text, token.single_word, token.strips_left, token.strips_right});
  }
  digest_ = digest.value();
}

void VocabularyTokenizer::AddNormalizedTokens() {
  for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
    const Token& t = vocabulary_.tokens[i];
    if (!IsLookedFor(t.kind) || !t.normalized) continue;
    const Normalized pattern = vocabulary_.normalizes ? Normalize(t.text, Place::kFront) : Unchanged(t.text);
    if (normalized_.empty()) normalized_ = AddedTokens(vocabulary_.order, /*space_is_mark=*/pattern.handles_prefix);
    normalized_.Add({static_cast<int32_t>(i), pattern.text, t.single_word, t.strips_left, t.strips_right});
  }
}

VocabularyTokenizer::Normalized VocabularyTokenizer::Unchanged(std::string_view text) {
  Normalized same{std::string(text), {}, false};
  for (size_t i = 0; i < text.size(); ++i) same.sources.push_back({i, i + 1});
  return same;
}

const Token& VocabularyTokenizer::token(int32_t id) const {
  GFN_CHECK(id >= 0 && id < vocab_size()) << "token id " << id << " of a vocabulary of " << vocab_size();
  return vocabulary_.tokens[id];
}

std::string_view VocabularyTokenizer::TokenBytes(int32_t id) const {
  const Token& t = token(id);
  if (t.kind == TokenKind::kUnknown) return vocabulary_.unknown_surface;
  return IsSpecial(id) ? std::string_view() : std::string_view(t.text);
}

bool VocabularyTokenizer::IsSpecial(int32_t id) const {
  const TokenKind kind = token(id).kind;
  return kind == TokenKind::kControl || kind == TokenKind::kUnknown || kind == TokenKind::kUnused;
}

std::string_view VocabularyTokenizer::TokenName(int32_t id) const { return token(id).text; }

std::optional<int32_t> VocabularyTokenizer::FindToken(std::string_view name) const {
  const int32_t id = by_name_.Find(name);
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}

bool VocabularyTokenizer::MayTake(int32_t id, size_t begin, size_t end, const EncodeOptions& options) const {
  if (vocabulary_.tokens[id].kind == TokenKind::kUserDefined) return true;
  return options.parse_special &&
         std::ranges::none_of(options.plain, [&](const TextRange& plain) { return begin < plain.end && plain.begin < end; });
}

std::vector<int32_t> VocabularyTokenizer::Encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 4 + 8);
  Place place = options.continuation ? Place::kMiddle : Place::kFront;
  if (!options.parse_special && !has_user_defined_) {
    EncodePlain(text, place, &ids);
    return ids;
  }
  const auto may_take = [&](int32_t id, size_t begin, size_t end) { return MayTake(id, begin, end, options); };
  for (const AddedTokens::Part& part : raw_.Cut(text, may_take)) {
    if (part.id >= 0) {
      ids.push_back(part.id);
    } else {
      EncodeSegment(text.substr(part.begin, part.end - part.begin), part.begin, place, options, &ids);
    }
    place = Place::kBehindToken;
  }
  return ids;
}

void VocabularyTokenizer::EncodeSegment(std::string_view text, size_t offset, Place place, const EncodeOptions& options,
                                        std::vector<int32_t>* ids) const {
  if (normalized_.empty()) return EncodePlain(text, place, ids);
  const Normalized normalized = vocabulary_.normalizes ? Normalize(text, place) : Unchanged(text);
  const auto may_take = [&](int32_t id, size_t begin, size_t end) {
    // The space that a normalised name begins with is no part of the name: it may come from elsewhere.
    const size_t first = normalized.text[begin] == ' ' ? std::min(begin + 1, end - 1) : begin;
    return MayTake(id, offset + normalized.sources[first].begin, offset + normalized.sources[end - 1].end, options);
  };
  if (normalized.handles_prefix) place = Place::kMiddle;
  for (const AddedTokens::Part& part : normalized_.Cut(normalized.text, may_take)) {
    if (part.id >= 0) {
      ids->push_back(part.id);
    } else {
      EncodePlain(std::string_view(normalized.text).substr(part.begin, part.end - part.begin), place, ids);
    }
    if (!normalized.handles_prefix) place = Place::kBehindToken;
  }
}

void VocabularyTokenizer::EncodePlain(std::string_view text, Place place, std::vector<int32_t>* ids) const {
  for (size_t pos = 0; pos < text.size(); place = Place::kMiddle) {
    const Utf8Run run = NextUtf8Run(text, &pos);
    if (run.well_formed) {
      EncodeText(run.bytes, place, ids);
    } else {
      EncodeInvalid(run.bytes, ids);
    }
  }
}

std::string VocabularyTokenizer::Decode(std::span<const int32_t> ids, const DecodeOptions& options) const {
  std::string text;
  bool drop_space = vocabulary_.drops_first_space && !options.continuation;
  for (const int32_t id : ids) {
    const Token& t = token(id);
    std::string_view bytes = TokenBytes(id);
    if (bytes.empty()) {  // a special token
      if (options.show_special) text += t.text;
      continue;
    }
    // A byte token is never the space that Encode put there.
    if (drop_space && t.kind != TokenKind::kByte && t.kind != TokenKind::kUnknown && bytes.starts_with(' '))
      bytes.remove_prefix(1);
    drop_space = false;
    text += bytes;
  }
  return text;
}

}  // namespace gfn
