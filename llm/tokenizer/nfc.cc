#include "llm/tokenizer/nfc.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "llm/tokenizer/utf8.h"

namespace gfn {
namespace {

struct Decomposition {
  char32_t whole;
  char32_t first;
  char32_t second;  // 0: a character that is always written as `first`
  bool composes;    // first + second is written as whole (not an excluded composition)
};

struct CombiningRange {
  char32_t first, last;
  uint8_t combining_class;
};

#include "llm/tokenizer/nfc_tables.inc"

// Hangul syllables are arithmetic: The Unicode Standard, section 3.12.
constexpr char32_t kSyllables = 0xAC00, kLeads = 0x1100, kVowels = 0x1161, kTails = 0x11A7;
constexpr char32_t kNumLeads = 19, kNumVowels = 21, kNumTails = 28, kNumSyllables = kNumLeads * kNumVowels * kNumTails;

uint8_t CombiningClass(char32_t c) {
  const auto* range = std::lower_bound(std::begin(kCombiningRanges), std::end(kCombiningRanges), c,
                                       [](const CombiningRange& r, char32_t code) { return r.last < code; });
  return range != std::end(kCombiningRanges) && range->first <= c ? range->combining_class : 0;
}

void Decompose(char32_t c, std::u32string* out) {
  if (c >= kSyllables && c < kSyllables + kNumSyllables) {
    const char32_t index = c - kSyllables;
    out->push_back(kLeads + index / (kNumVowels * kNumTails));
    out->push_back(kVowels + index % (kNumVowels * kNumTails) / kNumTails);
    if (index % kNumTails != 0) out->push_back(kTails + index % kNumTails);
    return;
  }
  const auto* entry = std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), c,
                                       [](const Decomposition& d, char32_t code) { return d.whole < code; });
  if (entry == std::end(kDecompositions) || entry->whole != c) {
    out->push_back(c);
    return;
  }
  Decompose(entry->first, out);  // a few levels at most: no character decomposes into itself
  if (entry->second != 0) Decompose(entry->second, out);
}

using Pair = std::pair<uint64_t, char32_t>;  // first << 32 | second, whole
uint64_t PairKey(char32_t first, char32_t second) { return static_cast<uint64_t>(first) << 32 | second; }

std::vector<Pair> SortedCompositions() {
  std::vector<Pair> pairs;
  for (const Decomposition& d : kDecompositions) {
    if (d.composes) pairs.emplace_back(PairKey(d.first, d.second), d.whole);
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

// The character that is written for first + second, or 0.
char32_t Compose(char32_t first, char32_t second) {
  if (first >= kLeads && first < kLeads + kNumLeads && second >= kVowels && second < kVowels + kNumVowels) {
    return kSyllables + ((first - kLeads) * kNumVowels + (second - kVowels)) * kNumTails;
  }
  if (first >= kSyllables && first < kSyllables + kNumSyllables && (first - kSyllables) % kNumTails == 0 && second > kTails &&
      second < kTails + kNumTails) {
    return first + (second - kTails);
  }
  static const std::vector<Pair> pairs = SortedCompositions();
  const auto entry = std::lower_bound(pairs.begin(), pairs.end(), Pair(PairKey(first, second), 0));
  return entry != pairs.end() && entry->first == PairKey(first, second) ? entry->second : 0;
}

// Marks between two starters in the order of their classes (canonical ordering).
void OrderMarks(std::u32string* text) {
  for (size_t begin = 0; begin < text->size();) {
    if (CombiningClass((*text)[begin]) == 0) {
      ++begin;
      continue;
    }
    size_t end = begin;
    while (end < text->size() && CombiningClass((*text)[end]) != 0) ++end;
    std::stable_sort(text->begin() + begin, text->begin() + end,
                     [](char32_t a, char32_t b) { return CombiningClass(a) < CombiningClass(b); });
    begin = end;
  }
}

}  // namespace

bool IsSurelyNfc(std::string_view text) {
  // U+0300 begins with byte CC; every byte of a smaller character is below it.
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0xCC; });
}

std::string ToNfc(std::string_view text) {
  std::u32string chars;
  for (size_t pos = 0; pos < text.size();) Decompose(NextUtf8Char(text, &pos), &chars);
  OrderMarks(&chars);
  // Each character joins the last starter unless something of its own class or a later one stands between (is "blocked").
  std::u32string composed;
  size_t starter = std::u32string::npos;
  uint8_t last_class = 0;
  for (const char32_t c : chars) {
    const uint8_t combining_class = CombiningClass(c);
    if (starter != std::u32string::npos && (starter + 1 == composed.size() || last_class < combining_class)) {
      if (const char32_t whole = Compose(composed[starter], c); whole != 0) {
        composed[starter] = whole;
        continue;
      }
    }
    if (combining_class == 0) starter = composed.size();
    last_class = combining_class;
    composed.push_back(c);
  }
  std::string out;
  for (const char32_t c : composed) AppendUtf8(c, &out);
  return out;
}

}  // namespace gfn
