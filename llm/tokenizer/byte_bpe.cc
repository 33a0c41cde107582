#include "llm/tokenizer/byte_bpe.h"

#include <array>

#include "llm/tokenizer/bpe_merge.h"
#include "llm/tokenizer/byte_alphabet.h"
#include "llm/tokenizer/nfc.h"
#include "llm/tokenizer/utf8.h"

namespace gfn {
namespace {

class ByteBpe : public VocabularyTokenizer {
 public:
  ByteBpe(Vocabulary vocabulary, const ByteBpeSpec& spec, MergeTable merges, const Digest& rules);

 protected:
  void EncodeText(std::string_view text, Place place, std::vector<int32_t>* ids) const override;
  void EncodeInvalid(std::string_view bytes, std::vector<int32_t>* ids) const override;
  Normalized Normalize(std::string_view text, Place place) const override;

 private:
  void EncodeWord(std::string_view word, std::vector<int32_t>* symbols, std::vector<int32_t>* ids) const;
  void Merge(std::string_view word, std::vector<int32_t>* symbols) const;

  PreTokenizer pre_tokenizer_;
  bool normalizes_nfc_;
  bool adds_prefix_space_;
  MergeTable merges_;
  std::array<int32_t, 256> byte_symbol_;  // -1: no token for this byte
  // Per token: a word of these bytes is this token. Found once by merging every token's own bytes, this is the cache of
  // words: nearly every word of a text is answered by one look-up, and nothing is shared that a thread could write.
  std::vector<bool> is_whole_word_;
};

ByteBpe::ByteBpe(Vocabulary vocabulary, const ByteBpeSpec& spec, MergeTable merges, const Digest& rules)
    : VocabularyTokenizer(std::move(vocabulary), rules),
      pre_tokenizer_(spec.pre_tokenizer),
      normalizes_nfc_(spec.normalizes_nfc),
      adds_prefix_space_(spec.adds_prefix_space),
      merges_(std::move(merges)),
      is_whole_word_(vocab_size(), false) {
  byte_symbol_.fill(-1);
  for (int32_t id = vocab_size() - 1; id >= 0; --id) {  // downwards: the lowest id of equals stays
    const Token& t = token(id);
    // Whatever else a token of one byte is, text that holds the byte needs it.
    if (t.kind != TokenKind::kUnused && t.text.size() == 1) byte_symbol_[static_cast<unsigned char>(t.text[0])] = id;
  }
  std::vector<int32_t> symbols;
  for (int32_t id = 0; id < vocab_size(); ++id) {
    const Token& t = token(id);
    if (t.kind != TokenKind::kNormal || t.text.empty()) continue;
    Merge(t.text, &symbols);
    is_whole_word_[id] = spec.ignores_merges || (symbols.size() == 1 && symbols[0] == id);
  }
  AddNormalizedTokens();
}

void ByteBpe::Merge(std::string_view word, std::vector<int32_t>* symbols) const {
  symbols->clear();
  for (const char byte : word) {
    const int32_t symbol = byte_symbol_[static_cast<unsigned char>(byte)];
    if (symbol >= 0) symbols->push_back(symbol);
  }
  MergeSymbols(merges_, symbols);
}

void ByteBpe::EncodeWord(std::string_view word, std::vector<int32_t>* symbols, std::vector<int32_t>* ids) const {
  const int32_t whole = by_name().Find(word);
  if (whole >= 0 && is_whole_word_[whole]) {
    ids->push_back(whole);
    return;
  }
  Merge(word, symbols);
  ids->insert(ids->end(), symbols->begin(), symbols->end());
}

void ByteBpe::EncodeText(std::string_view text, Place place, std::vector<int32_t>* ids) const {
  std::string changed;
  if (normalizes_nfc_ && !IsSurelyNfc(text)) {
    changed = ToNfc(text);
    text = changed;
  }
  const bool adds_space = adds_prefix_space_ && place != Place::kMiddle;
  const bool is_one_piece = pre_tokenizer_.kind() == PreTokenizerKind::kGpt2;
  if (adds_space && is_one_piece && text[0] != ' ') {
    changed = " " + std::string(text);
    text = changed;
  }
  std::vector<std::string_view> words;
  pre_tokenizer_.Split(text, &words);
  std::vector<int32_t> symbols;
  for (const std::string_view word : words) {
    // A continuation gets no space before its first word only.
    const bool spaced = adds_prefix_space_ && !is_one_piece && word[0] != ' ' && (adds_space || word.data() != text.data());
    if (spaced) {
      EncodeWord(" " + std::string(word), &symbols, ids);
    } else {
      EncodeWord(word, &symbols, ids);
    }
  }
}

// NFC changes nothing across a character below U+0300, so that the text is composed from one such to the next, and what comes of
// it has these as its source.
VocabularyTokenizer::Normalized ByteBpe::Normalize(std::string_view text, Place) const {
  if (!normalizes_nfc_ || IsSurelyNfc(text)) return Unchanged(text);
  Normalized normalized;
  for (size_t pos = 0; pos < text.size();) {
    const size_t run_begin = pos;
    const Utf8Run run = NextUtf8Run(text, &pos);
    for (size_t begin = 0; begin < run.bytes.size();) {
      size_t end = begin;
      do {
        if (run.well_formed) {
          NextUtf8Char(run.bytes, &end);
        } else {
          ++end;
        }
      } while (end < run.bytes.size() && run.well_formed && !IsSurelyNfc(CharAt(run.bytes, end)));
      const std::string_view part = run.bytes.substr(begin, end - begin);
      normalized.text += run.well_formed ? ToNfc(part) : std::string(part);
      normalized.sources.resize(normalized.text.size(), {run_begin + begin, run_begin + end});
      begin = end;
    }
  }
  return normalized;
}

void ByteBpe::EncodeInvalid(std::string_view bytes, std::vector<int32_t>* ids) const {
  std::vector<int32_t> symbols;
  EncodeWord(bytes, &symbols, ids);
}

// What a symbol of the merges file is: the token that merging makes, so none of the special ones.
int32_t SymbolOf(const TokenTable& symbols, std::string_view written) {
  const std::optional<std::string> bytes = BytesOfAlphabet(written);
  return bytes ? symbols.Find(*bytes) : -1;
}

}  // namespace

StatusOr<std::pair<std::string, std::string>> ParseMerge(std::string_view line, std::string_view where) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0 || space + 1 == line.size() ||
      line.find(' ', space + 1) != std::string_view::npos) {
    return DataLoss(std::string(where) + ": expected a merge 'left right', found '" + std::string(line.substr(0, 80)) + "'");
  }
  return std::pair(std::string(line.substr(0, space)), std::string(line.substr(space + 1)));
}

StatusOr<Token> ByteBpeToken(std::string written, TokenKind kind, int64_t id, std::string_view where) {
  if (kind != TokenKind::kNormal) return Token{std::move(written), kind};
  std::optional<std::string> bytes = BytesOfAlphabet(written);
  if (!bytes || bytes->empty()) {
    return DataLoss(std::string(where) + ": token " + std::to_string(id) + " '" + written.substr(0, 80) +
                    "' is not written in the alphabet of byte-level BPE");
  }
  return Token{std::move(*bytes), kind};
}

StatusOr<std::unique_ptr<Tokenizer>> MakeByteBpe(Vocabulary vocabulary, const ByteBpeSpec& spec,
                                                 std::span<const std::pair<std::string, std::string>> merges,
                                                 const std::string& where) {
  TokenTable symbols(vocabulary.tokens.size());
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const Token& token = vocabulary.tokens[id];
    const bool can_merge = token.kind == TokenKind::kNormal || token.kind == TokenKind::kUserDefined;
    if (can_merge) symbols.Insert(token.text, static_cast<int32_t>(id));
  }
  Digest rules;
  rules.String("byte-level BPE").String(PreTokenizerName(spec.pre_tokenizer));
  rules.Bool(spec.normalizes_nfc).Bool(spec.ignores_merges);
  if (spec.adds_prefix_space) rules.String("prefix space");
  MergeTable table(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto& [left, right] = merges[i];
    const int32_t a = SymbolOf(symbols, left), b = SymbolOf(symbols, right), merged = SymbolOf(symbols, left + right);
    if (a < 0 || b < 0 || merged < 0) {
      return DataLoss(where + ": merge " + std::to_string(i) + " '" + left.substr(0, 80) + " " + right.substr(0, 80) +
                      "': the vocabulary has no token '" +
                      (a < 0   ? left
                       : b < 0 ? right
                               : left + right)
                          .substr(0, 80) +
                      "'");
    }
    table.Insert(a, b, {static_cast<int32_t>(i), merged});
    rules.String(left).String(right);
  }
  return std::make_unique<ByteBpe>(std::move(vocabulary), spec, std::move(table), rules);
}

}  // namespace gfn
