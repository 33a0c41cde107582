// What a reward is made of: log R = sum of weight * term over the terms of `task.reward`. Configuration only.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"

namespace gfn {

struct RewardTermBase {
  std::string name;
  double weight = 1;

  template <class V>
  void VisitBase(V& v) {
    v("name", name, "its name in sampling lines and messages; empty: its kind");
    v("weight", weight, "what the term is multiplied with in log R");
  }
};

struct LikelihoodTerm : RewardTermBase {
  static constexpr std::string_view kKind = "likelihood";
  template <class V>
  void Visit(V& v) {
    VisitBase(v);
  }
};

struct LengthTerm : RewardTermBase {
  static constexpr std::string_view kKind = "length";
  template <class V>
  void Visit(V& v) {
    VisitBase(v);
  }
};

struct PatternTerm : RewardTermBase {
  static constexpr std::string_view kKind = "pattern";
  std::string pattern;
  double match = 0;
  double otherwise = -10;
  bool per_token = false;

  template <class V>
  void Visit(V& v) {
    VisitBase(v);
    v("pattern", pattern, "a regular expression (PCRE2, UTF-8), looked for in the hidden text as it stands, without its stop",
      Required{}, NonEmpty{});
    v("match", match, "the term where the pattern is found");
    v("otherwise", otherwise, "the term where it is not");
    v("per_token", per_token, "`otherwise` counts for each token of the hidden text, once for an empty one");
  }
  void Validate(ConfigErrors& errors) const;
};

struct IntegerTerm : RewardTermBase {
  static constexpr std::string_view kKind = "integer";
  int64_t low = 0;
  int64_t high = 100;
  double match = 8;
  double otherwise = -16;
  bool per_token = true;

  template <class V>
  void Visit(V& v) {
    VisitBase(v);
    v("low", low, "the smallest integer");
    v("high", high, "the largest integer");
    v("match", match, "the term where the hidden text is exactly one of them: digits, without leading zeros or anything else");
    v("otherwise", otherwise, "the term where it is not");
    v("per_token", per_token, "`otherwise` counts for each token of the hidden text, once for an empty one");
  }
  void Validate(ConfigErrors& errors) const {
    if (low > high) errors.Add("high", "is below low");
  }
};

struct CommandTerm : RewardTermBase {
  static constexpr std::string_view kKind = "command";
  std::vector<std::string> command;
  double timeout_s = 60;
  int64_t batch = 256;

  template <class V>
  void Visit(V& v) {
    VisitBase(v);
    v("command", command,
      "a program of yours and its arguments: started once, it reads JSON lines and writes one for each "
      "(docs/guides/reward.md)",
      Required{}, NonEmpty{});
    v("timeout_s", timeout_s, "longest wait for an answer, in seconds", Positive());
    v("batch", batch, "most texts in a line", AtLeast(1));
  }
};

using RewardTermConfig = std::variant<LikelihoodTerm, LengthTerm, PatternTerm, IntegerTerm, CommandTerm>;

// The name of a term, its kind where it has none of its own.
std::string RewardTermName(const RewardTermConfig& term);

}  // namespace gfn
