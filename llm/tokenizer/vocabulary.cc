#include "llm/tokenizer/vocabulary.h"

#include <algorithm>
#include <utility>

#include "gflownet/base/check.h"
#include "llm/tokenizer/utf8.h"

namespace gfn {
namespace {

bool IsAdded(TokenKind kind) {
  return kind == TokenKind::kControl || kind == TokenKind::kUserDefined || kind == TokenKind::kUnknown;
}

// The end of `text` without white space there. `text` may hold any bytes.
size_t WithoutSpaceAtEnd(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t begin = end - 1;
    while (begin > 0 && end - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    const std::string_view last = text.substr(begin, end - begin);
    size_t pos = 0;
    if (Utf8CharLength(last) != last.size() || !IsUnicodeSpace(NextUtf8Char(last, &pos))) break;
    end = begin;
  }
  return end;
}

// The first position from `pos` on that is no white space.
size_t BehindSpace(std::string_view text, size_t pos) {
  while (pos < text.size() && Utf8CharLength(text.substr(pos)) > 0) {
    size_t next = pos;
    if (!IsUnicodeSpace(NextUtf8Char(text, &next))) break;
    pos = next;
  }
  return pos;
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

StatusOr<int32_t> CheckedTokenId(int64_t id, const Vocabulary& vocabulary, std::string_view what) {
  const int64_t size = static_cast<int64_t>(vocabulary.tokens.size());
  if (id >= 0 && id < size) return static_cast<int32_t>(id);
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
    : vocabulary_(std::move(vocabulary)), by_name_(vocabulary_.tokens.size()) {
  Digest digest = rules;
  digest.Bool(vocabulary_.drops_first_space).String(vocabulary_.unknown_surface);
  for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
    const Token& token = vocabulary_.tokens[i];
    by_name_.Insert(token.text, static_cast<int32_t>(i));
    digest.String(token.text).Int(static_cast<int>(token.kind)).Bool(token.strips_left).Bool(token.strips_right);
    if (!IsAdded(token.kind) || token.text.empty()) continue;
    added_tokens_[static_cast<unsigned char>(token.text[0])].push_back(static_cast<int32_t>(i));
    has_user_defined_ |= token.kind == TokenKind::kUserDefined;
  }
  for (std::vector<int32_t>& ids : added_tokens_) {
    std::stable_sort(ids.begin(), ids.end(),
                     [this](int32_t a, int32_t b) { return token(a).text.size() > token(b).text.size(); });
  }
  digest_ = digest.value();
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

std::optional<VocabularyTokenizer::Match> VocabularyTokenizer::NextAddedToken(std::string_view text, size_t pos,
                                                                              const EncodeOptions& options) const {
  if (!options.parse_special && !has_user_defined_) return std::nullopt;
  const auto may_be_special = [&options](size_t begin, size_t end) {
    return options.parse_special &&
           std::ranges::none_of(options.plain, [&](const TextRange& plain) { return begin < plain.end && plain.begin < end; });
  };
  for (; pos < text.size(); ++pos) {
    for (const int32_t id : added_tokens_[static_cast<unsigned char>(text[pos])]) {
      const Token& t = vocabulary_.tokens[id];
      const size_t end = pos + t.text.size();
      if (!text.substr(pos).starts_with(t.text)) continue;
      if (t.kind == TokenKind::kUserDefined || may_be_special(pos, end)) return Match{pos, end, id};
    }
  }
  return std::nullopt;
}

std::vector<int32_t> VocabularyTokenizer::Encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 4 + 8);
  Place place = options.continuation ? Place::kMiddle : Place::kFront;
  size_t pos = 0;
  while (const std::optional<Match> match = NextAddedToken(text, pos, options)) {
    const Token& added = vocabulary_.tokens[match->id];
    std::string_view before = text.substr(pos, match->begin - pos);
    if (added.strips_left) before = before.substr(0, WithoutSpaceAtEnd(before));
    EncodePlain(before, place, &ids);
    ids.push_back(match->id);
    pos = added.strips_right ? BehindSpace(text, match->end) : match->end;
    place = Place::kBehindToken;
  }
  EncodePlain(text.substr(pos), place, &ids);
  return ids;
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
