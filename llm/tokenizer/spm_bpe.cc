#include "llm/tokenizer/spm_bpe.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "gflownet/base/text_util.h"
#include "llm/tokenizer/bpe_merge.h"
#include "llm/tokenizer/utf8.h"

namespace gfn {
namespace {

constexpr std::string_view kSpaceMark = "\u2581";
// A character without a piece of its own is the symbol kCharSymbol + its code point until all merges are done.
constexpr int32_t kCharSymbol = 0x40000000;

std::string MarksToSpaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    const size_t mark = std::min(text.find(kSpaceMark, pos), text.size());
    out.append(text, pos, mark - pos);
    if (mark < text.size()) out.push_back(' ');
    pos = mark + kSpaceMark.size();
  }
  return out;
}

// Which symbols a text starts from and what its pieces are; what both ways of merging share.
struct Pieces {
  static StatusOr<Pieces> Make(const Vocabulary& vocabulary, const std::string& where);
  int32_t CharSymbol(std::string_view bytes) const {
    const int32_t id = by_text.Find(bytes);
    if (id >= 0) return id;
    size_t pos = 0;
    return kCharSymbol + static_cast<int32_t>(NextUtf8Char(bytes, &pos));
  }
  // The symbol of a piece or a single character, or -1.
  int32_t Symbol(std::string_view text) const {
    const int32_t id = by_text.Find(text);
    return id < 0 && Utf8CharLength(text) == text.size() && !text.empty() ? CharSymbol(text) : id;
  }

  TokenTable by_text{0};           // kNormal pieces; the strings belong to the vocabulary
  std::array<int32_t, 256> bytes;  // kByte tokens, all or none
  int32_t unknown = -1;
  bool has_bytes = false;
  // No piece has a space behind a letter, so that merges never cross the front of a run of spaces.
  bool words_are_apart = true;
};

StatusOr<Pieces> Pieces::Make(const Vocabulary& vocabulary, const std::string& where) {
  Pieces pieces;
  pieces.by_text = TokenTable(vocabulary.tokens.size());
  pieces.bytes.fill(-1);
  int num_bytes = 0;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const Token& token = vocabulary.tokens[i];
    const int32_t id = static_cast<int32_t>(i);
    if (token.kind == TokenKind::kNormal) {
      pieces.by_text.Insert(token.text, id);
      for (size_t p = 1; p < token.text.size(); ++p)
        pieces.words_are_apart &= !(token.text[p] == ' ' && token.text[p - 1] != ' ');
    } else if (token.kind == TokenKind::kByte) {
      int32_t& slot = pieces.bytes[static_cast<unsigned char>(token.text[0])];
      num_bytes += slot < 0;
      slot = id;
    } else if (token.kind == TokenKind::kUnknown) {
      if (pieces.unknown >= 0)
        return DataLoss(where + ": tokens " + std::to_string(pieces.unknown) + " and " + std::to_string(id) +
                        " are both the unknown token");
      pieces.unknown = id;
    }
  }
  if (num_bytes != 0 && num_bytes != 256) {
    return DataLoss(where + ": " + std::to_string(num_bytes) + " of 256 byte tokens; expected all or none");
  }
  pieces.has_bytes = num_bytes == 256;
  if (!pieces.has_bytes && pieces.unknown < 0) return DataLoss(where + ": neither byte tokens nor an unknown token");
  return pieces;
}

class SpmBpe : public VocabularyTokenizer {
 public:
  SpmBpe(Vocabulary vocabulary, const SpmBpeSpec& spec, Pieces pieces, MergeTable merges, const Digest& rules);

 protected:
  void EncodeText(std::string_view text, Place place, std::vector<int32_t>* ids) const override;
  void EncodeInvalid(std::string_view bytes, std::vector<int32_t>* ids) const override;
  Normalized Normalize(std::string_view text, Place place) const override;

 private:
  // `fusing` is true while the last id is an unknown token that the next one would join.
  void EncodeWord(std::string_view word, std::vector<int32_t>* symbols, bool* fusing, std::vector<int32_t>* ids) const;
  void Merge(std::string_view word, std::vector<int32_t>* symbols) const;
  void FallBack(std::string_view bytes, bool* fusing, std::vector<int32_t>* ids) const;
  bool MayPrefix(Place place) const {
    return place == Place::kFront || (place == Place::kBehindToken && spec_.prefix_behind_tokens);
  }

  SpmBpeSpec spec_;
  Pieces pieces_;
  MergeTable merges_;
  std::array<int32_t, 128> ascii_symbol_;
  std::vector<bool> is_whole_word_;  // per token: a word of this text is this token (see byte_bpe.cc)
};

SpmBpe::SpmBpe(Vocabulary vocabulary, const SpmBpeSpec& spec, Pieces pieces, MergeTable merges, const Digest& rules)
    : VocabularyTokenizer(std::move(vocabulary), rules),
      spec_(spec),
      pieces_(std::move(pieces)),
      merges_(std::move(merges)),
      is_whole_word_(vocab_size(), false) {
  for (int c = 0; c < 128; ++c) {
    const char byte = static_cast<char>(c);
    ascii_symbol_[c] = pieces_.CharSymbol({&byte, 1});
  }
  std::vector<int32_t> symbols;
  for (int32_t id = 0; id < vocab_size(); ++id) {
    if (token(id).kind != TokenKind::kNormal) continue;
    Merge(token(id).text, &symbols);
    is_whole_word_[id] = symbols.size() == 1 && symbols[0] == id;
  }
  AddNormalizedTokens();
}

void SpmBpe::Merge(std::string_view word, std::vector<int32_t>* symbols) const {
  symbols->clear();
  for (size_t pos = 0; pos < word.size();) {
    const unsigned char lead = static_cast<unsigned char>(word[pos]);
    const size_t length = lead < 0x80 ? 1 : Utf8CharLength(word.substr(pos));
    symbols->push_back(lead < 0x80 ? ascii_symbol_[lead] : pieces_.CharSymbol(word.substr(pos, length)));
    pos += length;
  }
  MergeSymbols(merges_, symbols);
}

void SpmBpe::FallBack(std::string_view bytes, bool* fusing, std::vector<int32_t>* ids) const {
  if (pieces_.has_bytes) {
    for (const char byte : bytes) ids->push_back(pieces_.bytes[static_cast<unsigned char>(byte)]);
  } else if (!*fusing) {
    ids->push_back(pieces_.unknown);
    *fusing = spec_.fuses_unknown;
  }
}

void SpmBpe::EncodeWord(std::string_view word, std::vector<int32_t>* symbols, bool* fusing, std::vector<int32_t>* ids) const {
  const int32_t whole = pieces_.by_text.Find(word);
  if (whole >= 0 && is_whole_word_[whole]) {
    ids->push_back(whole);
    *fusing = false;
    return;
  }
  Merge(word, symbols);
  for (const int32_t symbol : *symbols) {
    if (symbol < kCharSymbol) {
      ids->push_back(symbol);
      *fusing = false;
      continue;
    }
    std::string bytes;
    AppendUtf8(static_cast<char32_t>(symbol - kCharSymbol), &bytes);
    FallBack(bytes, fusing, ids);
  }
}

void SpmBpe::EncodeText(std::string_view text, Place place, std::vector<int32_t>* ids) const {
  std::string spaced;
  if (spec_.mark_is_space && text.find(kSpaceMark) != std::string_view::npos) {
    spaced = MarksToSpaces(text);
    text = spaced;
  }
  using enum SpmBpeSpec::SpacePrefix;
  if (MayPrefix(place) && (spec_.space_prefix == kAlways || (spec_.space_prefix == kUnlessSpace && text[0] != ' '))) {
    spaced = " " + std::string(text);
    text = spaced;
  }
  std::vector<int32_t> symbols;
  bool fusing = false;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.size();
    if (pieces_.words_are_apart) {
      end = begin;
      while (end < text.size() && text[end] == ' ') ++end;
      end = std::min(text.find(' ', end), text.size());
    }
    EncodeWord(text.substr(begin, end - begin), &symbols, &fusing, ids);
    begin = end;
  }
}

// Prepend and Replace of llama's tokenizer.json: marks are spaces here, and the space before a text belongs to the normalised
// one.
VocabularyTokenizer::Normalized SpmBpe::Normalize(std::string_view text, Place place) const {
  Normalized normalized;
  normalized.handles_prefix = true;
  if (spec_.space_prefix == SpmBpeSpec::SpacePrefix::kAlways && MayPrefix(place)) {
    normalized.text = " ";
    normalized.sources.push_back({0, 0});
  }
  for (size_t pos = 0; pos < text.size();) {
    const bool is_mark = spec_.mark_is_space && text.substr(pos).starts_with(kSpaceMark);
    const size_t end = pos + (is_mark ? kSpaceMark.size() : 1);
    normalized.text.push_back(is_mark ? ' ' : text[pos]);
    normalized.sources.push_back({pos, end});
    pos = end;
  }
  return normalized;
}

void SpmBpe::EncodeInvalid(std::string_view bytes, std::vector<int32_t>* ids) const {
  bool fusing = false;
  FallBack(bytes, &fusing, ids);
}

Digest RulesOf(std::string_view kind, const SpmBpeSpec& spec) {
  Digest rules;
  rules.String(kind).Int(static_cast<int>(spec.space_prefix)).Bool(spec.prefix_behind_tokens);
  rules.Bool(spec.fuses_unknown).Bool(spec.mark_is_space);
  return rules;
}

}  // namespace

StatusOr<Token> SpmToken(std::string written, TokenKind kind, int64_t id, std::string_view where) {
  const auto refuse = [&](const char* why) { return DataLoss(std::string(where) + ": token " + std::to_string(id) + " " + why); };
  if (kind == TokenKind::kByte) {
    const std::optional<uint8_t> byte = ParseByteToken(written);
    if (!byte) return refuse("is marked as a byte but is not written <0xNN>");
    return Token{std::string(1, static_cast<char>(*byte)), kind};
  }
  if (kind != TokenKind::kNormal) return Token{std::move(written), kind};
  if (written.empty()) return refuse("is empty");
  if (FindInvalidUtf8(written)) return refuse("is not valid UTF-8");
  return Token{MarksToSpaces(written), kind};
}

StatusOr<std::unique_ptr<Tokenizer>> MakeSpmBpeByScores(Vocabulary vocabulary, const SpmBpeSpec& spec,
                                                        std::span<const float> scores, const std::string& where) {
  ASSIGN_OR_RETURN(Pieces pieces, Pieces::Make(vocabulary, where));
  if (scores.size() != vocabulary.tokens.size()) {
    return DataLoss(where + ": " + std::to_string(scores.size()) + " scores for " + std::to_string(vocabulary.tokens.size()) +
                    " tokens");
  }
  Digest rules = RulesOf("SentencePiece BPE by scores", spec);
  std::vector<float> order;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) return DataLoss(where + ": the score of token " + std::to_string(i) + " is not finite");
    rules.Real(scores[i]);
    order.push_back(scores[i]);
  }
  // Equal scores have equal rank: then the leftmost pair merges first.
  std::sort(order.begin(), order.end(), std::greater<float>());
  order.erase(std::unique(order.begin(), order.end()), order.end());
  MergeTable table(vocabulary.tokens.size() * 4);
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const Token& token = vocabulary.tokens[i];
    const int32_t id = static_cast<int32_t>(i);
    if (token.kind != TokenKind::kNormal || pieces.by_text.Find(token.text) != id) continue;
    const auto place = std::lower_bound(order.begin(), order.end(), scores[i], std::greater<float>());
    const std::string_view text = token.text;
    for (size_t cut = Utf8CharLength(text); cut < text.size(); cut += Utf8CharLength(text.substr(cut))) {
      const int32_t left = pieces.Symbol(text.substr(0, cut)), right = pieces.Symbol(text.substr(cut));
      if (left >= 0 && right >= 0) table.Insert(left, right, {static_cast<int32_t>(place - order.begin()), id});
    }
  }
  return std::make_unique<SpmBpe>(std::move(vocabulary), spec, std::move(pieces), std::move(table), rules);
}

StatusOr<std::unique_ptr<Tokenizer>> MakeSpmBpeByMerges(Vocabulary vocabulary, const SpmBpeSpec& spec,
                                                        std::span<const std::pair<std::string, std::string>> merges,
                                                        const std::string& where) {
  ASSIGN_OR_RETURN(Pieces pieces, Pieces::Make(vocabulary, where));
  Digest rules = RulesOf("SentencePiece BPE by merges", spec);
  MergeTable table(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const std::string left = MarksToSpaces(merges[i].first), right = MarksToSpaces(merges[i].second);
    const int32_t a = pieces.by_text.Find(left), b = pieces.by_text.Find(right), merged = pieces.by_text.Find(left + right);
    if (a < 0 || b < 0 || merged < 0) {
      return DataLoss(where + ": merge " + std::to_string(i) + " '" + merges[i].first.substr(0, 80) + " " +
                      merges[i].second.substr(0, 80) + "': a part or the whole is not in the vocabulary");
    }
    table.Insert(a, b, {static_cast<int32_t>(i), merged});
    rules.String(left).String(right);
  }
  return std::make_unique<SpmBpe>(std::move(vocabulary), spec, std::move(pieces), std::move(table), rules);
}

}  // namespace gfn
