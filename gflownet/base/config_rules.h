// What a field of a config struct may demand of its value, given after the help text in Visit.
#pragma once

#include <limits>
#include <string>

namespace gfn {

struct ConfigRules {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_open = false;  // the limit itself is not allowed
  bool max_open = false;
  bool required = false;
  bool non_empty = false;
  bool may_change = false;
  bool one_for_list = false;

  bool Contains(double value) const { return (min_open ? value > min : value >= min) && (max_open ? value < max : value <= max); }
  // "> 0", ">= 0", "in [0, 1)"; "" without limits.
  std::string RangeText() const;
};

// Of a number, or of every number in a list or optional.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_open = false;
  bool max_open = false;

  void ApplyTo(ConfigRules& rules) const {
    rules.min = min;
    rules.max = max;
    rules.min_open = min_open;
    rules.max_open = max_open;
  }
};

constexpr Range AtLeast(double min) { return {.min = min}; }
constexpr Range Between(double min, double max) { return {.min = min, .max = max}; }
constexpr Range Positive() { return {.min = 0, .min_open = true}; }
constexpr Range NonNegative() { return {.min = 0}; }

// The key must be given; there is no useful default.
struct Required {
  void ApplyTo(ConfigRules& rules) const { rules.required = true; }
};

// A text or list with something in it; of a list of texts also every text.
struct NonEmpty {
  void ApplyTo(ConfigRules& rules) const { rules.non_empty = true; }
};

// A list that may be given as one value, which stands for the list of it alone.
struct OneForList {
  void ApplyTo(ConfigRules& rules) const { rules.one_for_list = true; }
};

// A run that is resumed may have another value than it was started with: how long, how often, with what resources. For keys, also
// for all of theirs.
struct MayChange {
  void ApplyTo(ConfigRules& rules) const { rules.may_change = true; }
};

}  // namespace gfn
