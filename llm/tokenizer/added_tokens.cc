#include "llm/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "llm/tokenizer/pre_tokenizer.h"
#include "llm/tokenizer/utf8.h"

namespace gfn {
namespace {

bool IsAlone(std::string_view text, size_t begin, size_t end) {
  return !IsWordCharacter(CharBefore(text, begin)) && !IsWordCharacter(CharAt(text, end));
}

}  // namespace

void AddedTokens::Add(AddedToken token) {
  if (token.pattern.empty()) return;
  std::vector<size_t>& list = by_first_byte_[static_cast<unsigned char>(token.pattern[0])];
  const size_t length = token.pattern.size();
  const auto place = std::upper_bound(list.begin(), list.end(), length,
                                      [this](size_t size, size_t index) { return size > tokens_[index].pattern.size(); });
  list.insert(place, tokens_.size());
  tokens_.push_back(std::move(token));
}

const AddedToken* AddedTokens::LongestAt(std::string_view text, size_t pos) const {
  for (const size_t index : by_first_byte_[static_cast<unsigned char>(text[pos])]) {
    if (text.substr(pos).starts_with(tokens_[index].pattern)) return &tokens_[index];
  }
  return nullptr;
}

size_t AddedTokens::SpaceBegin(std::string_view text, size_t first, size_t end) const {
  while (end > first) {
    const std::string_view last = CharBefore(text, end);
    size_t pos = 0;
    if (last.empty() || (space_is_mark_ && last == " ") || !IsUnicodeSpace(NextUtf8Char(last, &pos))) break;
    end -= last.size();
  }
  return std::max(end, first);
}

size_t AddedTokens::SpaceEnd(std::string_view text, size_t begin) const {
  while (begin < text.size()) {
    const std::string_view next = CharAt(text, begin);
    size_t pos = 0;
    if (next.empty() || (space_is_mark_ && next == " ") || !IsUnicodeSpace(NextUtf8Char(next, &pos))) break;
    begin += next.size();
  }
  return begin;
}

std::vector<AddedTokens::Part> AddedTokens::FindLeftmost(std::string_view text, const Filter& may_take) const {
  std::vector<Part> found;
  size_t behind = 0;  // the last token and the white space that is its
  for (size_t pos = 0; pos < text.size();) {
    const AddedToken* const token = LongestAt(text, pos);
    if (token == nullptr) {
      ++pos;
      continue;
    }
    const size_t begin = pos, end = pos + token->pattern.size();
    pos = end;
    if (!may_take(token->id, begin, end) || (token->single_word && !IsAlone(text, begin, end))) continue;
    Part part{begin, end, token->id};
    if (token->strips_left) part.begin = SpaceBegin(text, behind, begin);
    if (token->strips_right) part.end = SpaceEnd(text, end);
    behind = pos = part.end;
    found.push_back(part);
  }
  return found;
}

std::vector<AddedTokens::Part> AddedTokens::FindLongestFirst(std::string_view text, const Filter& may_take) const {
  std::vector<Part> candidates;
  for (size_t pos = 0; pos < text.size(); ++pos) {
    for (const size_t index : by_first_byte_[static_cast<unsigned char>(text[pos])]) {
      const AddedToken& token = tokens_[index];
      const size_t end = pos + token.pattern.size();
      if (text.substr(pos).starts_with(token.pattern) && may_take(token.id, pos, end)) candidates.push_back({pos, end, token.id});
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Part& a, const Part& b) { return a.end - a.begin > b.end - b.begin; });
  std::vector<bool> is_taken(text.size(), false);
  std::vector<Part> found;
  for (const Part& part : candidates) {
    // Longer ones were taken before it, so that one that overlaps covers its first or its last byte.
    if (is_taken[part.begin] || is_taken[part.end - 1]) continue;
    std::fill(is_taken.begin() + static_cast<int64_t>(part.begin), is_taken.begin() + static_cast<int64_t>(part.end), true);
    found.push_back(part);
  }
  std::sort(found.begin(), found.end(), [](const Part& a, const Part& b) { return a.begin < b.begin; });
  return found;
}

std::vector<AddedTokens::Part> AddedTokens::Cut(std::string_view text, const Filter& may_take) const {
  if (text.empty()) return {};
  if (tokens_.empty()) return {{0, text.size(), -1}};
  std::vector<Part> parts;
  size_t pos = 0;
  for (const Part& token : order_ == Order::kLeftmost ? FindLeftmost(text, may_take) : FindLongestFirst(text, may_take)) {
    if (token.begin > pos) parts.push_back({pos, token.begin, -1});
    parts.push_back(token);
    pos = token.end;
  }
  if (pos < text.size()) parts.push_back({pos, text.size(), -1});
  return parts;
}

}  // namespace gfn
