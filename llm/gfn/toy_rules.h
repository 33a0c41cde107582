// For tests: rules that force tokens. They depend on all tokens so far and on the condition.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "llm/gfn/token_rules.h"

namespace gfn {

// Mistakes of ToyRules, for rules that differ between sampling and scoring.
struct ToyMistakes {
  bool no_span = false;       // nothing is forced behind a
  bool no_result = false;     // nothing is forced behind =
  int64_t wrong_sum = 0;      // added to every result
  bool condition = false;     // x does not count
  bool no_room = false;       // a may be opened where its span has no room
  bool stops_inside = false;  // an object may end behind =
};

// "a" is always followed by "b c", and "=" by a digit: the sum of the digits so far and of the length of x, modulo 3. The first
// is a fixed span, the second a calculator. Neither is opened where max_len leaves it no room.
class ToyRules : public TokenRules {
 public:
  static constexpr int32_t kA = 5, kB = 20, kC = 33, kEquals = 9, kStop = 10, kOther = 50;
  static constexpr int32_t kDigits[3] = {6, 7, 8};
  using Mistakes = ToyMistakes;

  ToyRules(int64_t vocab_size, int64_t min_len, int64_t max_len, Mistakes mistakes = {})
      : TokenRules(Bounds(vocab_size, min_len, max_len),
                   {Tokens(vocab_size, {kA, kEquals}), Tokens(vocab_size, {kEquals}), Tokens(vocab_size, {})}),
        mistakes_(mistakes) {}

  bool DependsOnStepOnly() const override { return false; }

 private:
  static std::vector<bool> Tokens(int64_t vocab_size, std::vector<int32_t> openers) {
    std::vector<bool> members(vocab_size, false);
    for (const int32_t id : {kDigits[0], kDigits[1], kOther}) members[id] = true;
    for (const int32_t id : openers) members[id] = true;
    return members;
  }
  static SequenceSupport Bounds(int64_t vocab_size, int64_t min_len, int64_t max_len) {
    return {vocab_size, std::vector<bool>(vocab_size, true), {kStop}, min_len, max_len};
  }

  TokenChoice Decide(const SequenceCondition& condition, std::span<const int32_t> tokens) const override {
    const int64_t n = static_cast<int64_t>(tokens.size()), room = support().max_len - n;
    if (room > 0 && !mistakes_.no_span) {
      if (n >= 1 && tokens[n - 1] == kA) return TokenChoice::Forced(kB);
      if (n >= 2 && tokens[n - 2] == kA) return TokenChoice::Forced(kC);
    }
    if (room > 0 && n >= 1 && tokens[n - 1] == kEquals && !mistakes_.no_result && !mistakes_.stops_inside) {
      int64_t sum = mistakes_.wrong_sum + (mistakes_.condition ? 0 : static_cast<int64_t>(condition.x.size()));
      for (const int32_t token : tokens) {
        const auto digit = std::ranges::find(kDigits, token);
        if (digit != std::end(kDigits)) sum += digit - std::begin(kDigits);
      }
      return TokenChoice::Forced(kDigits[sum % 3]);
    }
    TokenChoice choice{.stop_legal = n >= support().min_len};
    if (room > 0) choice.token_class = room >= (mistakes_.no_room ? 2 : 3) ? 0 : room >= 2 ? 1 : 2;
    return choice;
  }

  Mistakes mistakes_;
};

// Every object reads "kOther", two tokens of its own, "kOther": what is forced depends on the step alone.
class FrameRules : public TokenRules {
 public:
  FrameRules(int64_t vocab_size, const std::vector<int64_t>& legal, int64_t stop)
      : TokenRules({vocab_size, Tokens(vocab_size, legal), {stop}, 4, 4}, {Tokens(vocab_size, legal)}) {}
  bool DependsOnStepOnly() const override { return true; }

 private:
  static std::vector<bool> Tokens(int64_t vocab_size, const std::vector<int64_t>& legal) {
    std::vector<bool> members(vocab_size, false);
    for (const int64_t id : legal) members[id] = true;
    return members;
  }
  TokenChoice Decide(const SequenceCondition&, std::span<const int32_t> tokens) const override {
    if (tokens.size() == 4) return {.stop_legal = true};
    return tokens.empty() || tokens.size() == 3 ? TokenChoice::Forced(ToyRules::kOther) : TokenChoice{.token_class = 0};
  }
};

}  // namespace gfn
