#include "llm/metrics/tokens.h"

namespace gfn {
namespace {

// ASCII only, whatever the locale; other bytes belong to words.
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsPunctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}
bool IsWordByte(char c) { return !IsSpace(c) && !IsPunctuation(c); }
bool IsJoiner(char c) { return c == '\'' || c == '-' || c == '.' || c == ','; }

}  // namespace

std::vector<std::string> SplitWords(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool joins = IsJoiner(c) && !word.empty() && i + 1 < text.size() && IsWordByte(text[i + 1]);
    if (IsSpace(c)) {
      finish();
    } else if (IsWordByte(c) || joins) {
      word += c;
    } else {
      finish();
      words.emplace_back(1, c);
    }
  }
  finish();
  return words;
}

TokenSequence WordNumbering::Number(const std::vector<std::string>& words) {
  TokenSequence numbered;
  numbered.reserve(words.size());
  for (const std::string& word : words) {
    numbered.push_back(numbers_.emplace(word, static_cast<int64_t>(numbers_.size())).first->second);
  }
  return numbered;
}

}  // namespace gfn
