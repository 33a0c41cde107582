// A number with what can honestly be said of it: whether its interval misses what is known exactly, how many distinct objects
// stand behind it, and in words why it is not to be trusted.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "gflownet/base/interval.h"

namespace gfn {

struct Quantity {
  std::string name;
  // Within the range of what it is an estimate of (a probability: 0 .. 1). low and high are infinite, or the ends of the range,
  // where the samples say nothing of the error.
  Interval estimate;
  std::optional<double> exact{};      // without sampling
  std::optional<double> ess{};        // effective sample size, where samples are weighted
  std::optional<int64_t> distinct{};  // distinct objects among the samples
  std::optional<double> of_target{};  // exact, where the quantity is of the sampler and its target has one too
  bool misses_exact = false;          // exact lies outside of the interval as the samples gave it; of a bound: on the wrong side
  std::vector<std::string> warnings{};
};

// What an estimate is made of.
struct Measured {
  enum class Bound { kNone, kBelow, kAbove };

  std::string name;
  Interval estimate;  // as the samples give it
  std::optional<double> exact{};
  std::optional<double> ess{};
  std::optional<int64_t> distinct{};
  std::optional<int64_t> num_objects{};  // how many objects there are to draw
  std::optional<double> of_target{};
  Bound bound = Bound::kNone;  // in expectation, of the exact value
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();  // what it can be
  double confidence = 0.95;
};

// An interval misses by more than rounding (1e-4, or 1e-6 of the value). Samples of few distinct objects whose weights do not
// vary give no interval unless they are all objects that there are.
Quantity Judge(const Measured& measured);

// Whether the samples support an interval at all (as above).
bool IsDegenerate(const Measured& measured);

}  // namespace gfn
