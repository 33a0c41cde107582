// Texts as sequences of numbers, so that every metric has one implementation for words and for a tokenizer's ids.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gfn {

using TokenSequence = std::vector<int64_t>;

// Words of a text: cut at ASCII white space, then every ASCII punctuation character is a word of its own, except ' - .
// , between two letters or digits ("don't", "well-known", "3.5" stay whole). Case is kept. Bytes above 127 are letters.
//   "He didn't run." -> He | didn't | run | .
std::vector<std::string> SplitWords(std::string_view text);

// Numbers words by first appearance. Sequences are comparable if they come from the same numbering.
class WordNumbering {
 public:
  TokenSequence Number(const std::vector<std::string>& words);
  TokenSequence Number(std::string_view text) { return Number(SplitWords(text)); }

 private:
  std::unordered_map<std::string, int64_t> numbers_;
};

}  // namespace gfn
