#include "report/ticks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "gflownet/base/check.h"
#include "report/table.h"

namespace gfn::report {
namespace {

constexpr double kSlack = 1e-9;  // of a step: a tick at the very end of the scale survives rounding

// mantissa x 10^exponent, mantissa in {1, 2, 5}.
struct Step {
  int mantissa;
  int exponent;
  // i steps, rounded once.
  double Times(double i) const {
    const double power = std::pow(10.0, std::abs(exponent));
    return exponent < 0 ? i * mantissa / power : i * mantissa * power;
  }
};

Step StepAtLeast(double step) {
  int exponent = static_cast<int>(std::floor(std::log10(step)));
  for (const int mantissa : {1, 2, 5}) {
    if (Step{mantissa, exponent}.Times(1) >= step * (1 - kSlack)) return {mantissa, exponent};
  }
  return {1, exponent + 1};
}

// Thousands apart, on an axis whose largest number has five digits or more (a lone 2000 needs no comma).
std::string WithCommas(std::string text, double largest) {
  const size_t point = std::min(text.find('.'), text.size());
  const size_t begin = text[0] == '-' ? 1 : 0;
  if (largest < 1e4) return text;
  for (size_t i = point; i > begin + 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

void PlaceLinearTicks(const Step& step, const ScaleOptions& options, Scale* scale) {
  Range& range = scale->range;
  if (options.round_ends) {
    range.low = step.Times(std::floor(range.low / step.Times(1) + kSlack));
    range.high = step.Times(std::ceil(range.high / step.Times(1) - kSlack));
  }
  const double first = std::ceil(range.low / step.Times(1) - kSlack);
  const double last = std::floor(range.high / step.Times(1) + kSlack);
  const double largest = std::max(std::abs(step.Times(first)), std::abs(step.Times(last)));
  if (!options.percent && !scale->log_scale && (largest >= 1e6 || (largest > 0 && largest < 1e-3))) {
    scale->exponent = static_cast<int>(std::floor(std::log10(largest) + kSlack));
  }
  const int decimals = std::max(0, scale->exponent - step.exponent - (options.percent ? 2 : 0));
  for (double i = first; i <= last; ++i) {
    const double value = std::clamp(step.Times(i), range.low, range.high);
    const double shown = scale->exponent == 0 ? step.Times(i) : step.Times(i) / std::pow(10.0, scale->exponent);
    const std::string number =
        WithCommas(FormatFixed(options.percent ? 100 * shown : shown, decimals), scale->exponent == 0 ? largest : 1);
    scale->ticks.push_back({value, options.percent ? number + "%" : number});
  }
}

// 1, 2, 5 of every decade, or every decade, or every 2nd, 5th, 10th, ... decade: the densest that is not too dense.
std::vector<std::pair<int, int>> LogTicks(const Range& range, int max_ticks) {
  const int first = static_cast<int>(std::floor(std::log10(range.low) - kSlack));
  const int last = static_cast<int>(std::ceil(std::log10(range.high) + kSlack));
  const auto collect = [&](bool with_2_and_5, int every) {
    std::vector<std::pair<int, int>> ticks;  // (mantissa, exponent)
    for (int e = first; e <= last; ++e) {
      if (e % every != 0) continue;
      for (const int mantissa : {1, 2, 5}) {
        const double value = mantissa * std::pow(10.0, e);
        if (mantissa > 1 && !with_2_and_5) break;
        if (value >= range.low * (1 - kSlack) && value <= range.high * (1 + kSlack)) ticks.emplace_back(mantissa, e);
      }
    }
    return ticks;
  };
  const size_t limit = static_cast<size_t>(std::max(2, max_ticks));
  const bool few_decades = collect(false, 1).size() < 3;  // then 1, 2 and 5 are needed, even a little dense
  if (auto ticks = collect(true, 1); ticks.size() <= limit * (few_decades ? 2 : 1)) return ticks;
  for (int every = 1;; every = static_cast<int>(RoundStep(every + 1))) {
    if (auto ticks = collect(false, every); ticks.size() <= limit) return ticks;
  }
}

void PlaceLogTicks(const ScaleOptions& options, Scale* scale) {
  const auto ticks = LogTicks(scale->range, options.max_ticks);
  if (ticks.size() < 3 && scale->range.high < 10 * scale->range.low) {  // less than a decade: 1, 2, 5 are too few
    ScaleOptions inside = options;
    inside.round_ends = false;  // a rounded end may be 0
    PlaceLinearTicks(StepAtLeast((scale->range.high - scale->range.low) / std::max(1, options.max_ticks)), inside, scale);
    return;
  }
  const bool plain = scale->range.low > 0.9e-3 && scale->range.high < 1.1e5;
  for (const auto& [mantissa, exponent] : ticks) {
    const double value = mantissa * std::pow(10.0, exponent);
    std::string label = WithCommas(FormatFixed(value, std::max(0, -exponent)), scale->range.high);
    if (!plain) label = mantissa == 1 ? PowerOfTen(exponent) : std::to_string(mantissa) + "\xC3\x97" + PowerOfTen(exponent);
    scale->ticks.push_back({std::clamp(value, scale->range.low, scale->range.high), label});
  }
}

// A scale needs an extent that its numbers can resolve.
Range Widened(Range range, bool log_scale) {
  if (log_scale) {
    if (range.high < range.low * (1 + 1e-6)) return {std::max(range.low / 2, 1e-300), std::min(range.high * 2, kLargestDrawable)};
    return range;
  }
  const double magnitude = std::max(std::abs(range.low), std::abs(range.high));
  constexpr double kSmallest = 1e-290;  // below, a power of ten of the step would overflow
  if (magnitude > kSmallest && range.high - range.low > 1e-9 * magnitude) return range;
  const double extent = magnitude > kSmallest ? 0.1 * magnitude : 1;
  return {range.low - extent, range.high + extent};
}

Range Padded(const Range& range, double padding, bool log_scale) {
  if (!log_scale) {
    const double extra = padding * (range.high - range.low);
    return {range.low - extra, range.high + extra};
  }
  const double factor = std::exp(padding * (std::log(range.high) - std::log(range.low)));
  return {std::max(range.low / factor, 1e-300), std::min(range.high * factor, kLargestDrawable)};
}

}  // namespace

bool IsDrawable(double value, bool log_scale) {
  return std::isfinite(value) && std::abs(value) <= kLargestDrawable && (!log_scale || value >= 1e-300);
}

double Scale::Fraction(double value) const {
  if (log_scale) return (std::log(value) - std::log(range.low)) / (std::log(range.high) - std::log(range.low));
  return (value - range.low) / (range.high - range.low);
}

Scale MakeScale(Range data, const ScaleOptions& options) {
  // A little more than the data may have is fine: the bins of a histogram end beyond it.
  const double limit = 10 * kLargestDrawable;
  GFN_CHECK(data.low >= (options.log_scale ? 1e-300 : -limit) && data.high <= limit && data.low <= data.high)
      << data.low << " to " << data.high;
  Scale scale;
  scale.log_scale = options.log_scale;
  scale.range = Padded(Widened(data, options.log_scale), options.padding, options.log_scale);
  if (options.log_scale) {
    PlaceLogTicks(options, &scale);
    return scale;
  }
  const Range range = scale.range;
  // One tick says nothing about a scale: a coarse step that leaves fewer than two gives way to a finer one.
  for (int num_steps = std::max(1, options.max_ticks); num_steps <= std::max(5, options.max_ticks); ++num_steps) {
    const double step = (range.high - range.low) / num_steps;
    scale.range = range;
    scale.exponent = 0;
    scale.ticks.clear();
    PlaceLinearTicks(StepAtLeast(options.integer ? std::max(1.0, step) : step), options, &scale);
    if (scale.ticks.size() >= 2) break;
  }
  return scale;
}

double RoundStep(double step) { return StepAtLeast(step).Times(1); }

std::string PowerOfTen(int exponent) {
  constexpr std::array<std::string_view, 10> kDigits = {"\xE2\x81\xB0", "\xC2\xB9",     "\xC2\xB2",     "\xC2\xB3",
                                                        "\xE2\x81\xB4", "\xE2\x81\xB5", "\xE2\x81\xB6", "\xE2\x81\xB7",
                                                        "\xE2\x81\xB8", "\xE2\x81\xB9"};
  std::string text = "10";
  for (const char c : std::to_string(exponent)) text += c == '-' ? "\xE2\x81\xBB" : kDigits[static_cast<size_t>(c - '0')];
  return text;
}

}  // namespace gfn::report
