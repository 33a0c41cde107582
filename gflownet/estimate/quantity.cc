#include "gflownet/estimate/quantity.h"

#include <algorithm>
#include <cmath>

#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

constexpr int64_t kFewObjects = 10;  // below this, weights that do not vary prove nothing
constexpr double kNoSpread = 1e-3;   // half of an interval, in nats
constexpr double kFewEffective = 30;

double Tolerance(double value) { return std::max(1e-4, 1e-6 * std::abs(value)); }

// How far the exact value lies outside of what the samples claim; 0: inside.
double Outside(const Measured& measured) {
  const Interval& interval = measured.estimate;
  const double below = interval.low - *measured.exact, above = *measured.exact - interval.high;
  switch (measured.bound) {
    case Measured::Bound::kBelow:
      return std::max(0.0, below);
    case Measured::Bound::kAbove:
      return std::max(0.0, above);
    case Measured::Bound::kNone:
      return std::max({0.0, below, above});
  }
  return 0;
}

std::string Objects(int64_t count) { return std::to_string(count) + (count == 1 ? " distinct object" : " distinct objects"); }

void SayMiss(const Measured& measured, double outside, Quantity& quantity) {
  const double half = (measured.estimate.high - measured.estimate.low) / 2;
  std::string text = "misses the exact value by " + FormatShort(std::abs(measured.estimate.mean - *measured.exact)) + ": " +
                     FormatShort(measured.estimate.mean) + ", exactly " + FormatShort(*measured.exact);
  if (half > 0 && outside < half) {
    text += " (by chance about 1 interval in " + FormatShort(std::round(1 / (1 - measured.confidence))) + " does)";
  }
  quantity.warnings.push_back(std::move(text));
}

// Into the range that the quantity has, and said.
void Clamp(const Measured& measured, Quantity& quantity) {
  Interval& interval = quantity.estimate;
  const Interval raw = interval;
  interval.mean = std::clamp(raw.mean, measured.low, measured.high);
  interval.low = std::clamp(raw.low, measured.low, measured.high);
  interval.high = std::clamp(raw.high, measured.low, measured.high);
  if (interval.mean == raw.mean) return;
  const bool beyond_chance = raw.low > measured.high || raw.high < measured.low;
  std::string text = "came out as " + FormatShort(raw.mean) + ", which it cannot be; shown as " + FormatShort(interval.mean);
  if (beyond_chance) {
    // The interval as it stood excludes every possible value, so nothing is left of it.
    text += ". The sampler does not cover the set that is asked for: take no number from it";
    interval.low = measured.low, interval.high = measured.high;
  }
  quantity.warnings.push_back(std::move(text));
}

}  // namespace

bool IsDegenerate(const Measured& measured) {
  return measured.distinct.has_value() && *measured.distinct < kFewObjects &&
         !(measured.num_objects.has_value() && *measured.distinct >= *measured.num_objects) &&
         measured.estimate.high - measured.estimate.low < 2 * kNoSpread;
}

Quantity Judge(const Measured& measured) {
  Quantity quantity{.name = measured.name,
                    .estimate = measured.estimate,
                    .exact = measured.exact,
                    .ess = measured.ess,
                    .distinct = measured.distinct,
                    .of_target = measured.of_target};
  if (measured.exact.has_value()) {
    const double outside = Outside(measured);
    quantity.misses_exact = !(outside <= Tolerance(*measured.exact));
    if (quantity.misses_exact) SayMiss(measured, outside, quantity);
  }
  if (measured.of_target.has_value() &&
      std::abs((measured.exact ? *measured.exact : measured.estimate.mean) - *measured.of_target) >
          std::max(Tolerance(*measured.of_target), measured.exact ? 0 : (measured.estimate.high - measured.estimate.low) / 2)) {
    quantity.warnings.push_back("is of the sampler; of its target it is exactly " + FormatShort(*measured.of_target));
  }
  if (IsDegenerate(measured)) {
    quantity.estimate.low = -std::numeric_limits<double>::infinity();
    quantity.estimate.high = std::numeric_limits<double>::infinity();
    quantity.ess.reset();
    quantity.warnings.push_back("has no interval: the " + std::to_string(measured.estimate.num_values) + " samples are " +
                                Objects(*measured.distinct) + ", whose spread says nothing of what the sampler does not draw");
  } else if (measured.ess.has_value() &&
             *measured.ess < std::min(kFewEffective, static_cast<double>(measured.estimate.num_values))) {
    quantity.warnings.push_back("rests on few samples: their weights are worth " + FormatShort(*measured.ess) + " of " +
                                std::to_string(measured.estimate.num_values) + ", and an interval of so few is too narrow");
  }
  Clamp(measured, quantity);
  return quantity;
}

}  // namespace gfn
