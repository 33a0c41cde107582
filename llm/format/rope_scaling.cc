#include "llm/format/rope_scaling.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

double Llama3Frequency(double frequency, const RopeScaling& s) {
  const double rotations = static_cast<double>(s.original_positions) * frequency / (2 * std::numbers::pi);
  if (rotations < s.low_freq_factor) return frequency / s.factor;
  if (rotations > s.high_freq_factor) return frequency;
  const double smooth = (rotations - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  return (1 - smooth) * frequency / s.factor + smooth * frequency;
}

void ScaleYarn(double theta, int64_t rotary_dim, const RopeScaling& s, std::vector<double>& frequencies) {
  // The dimension whose wave makes this many rotations within the original context.
  const double dims = static_cast<double>(rotary_dim);
  const auto dimension = [&](double rotations) {
    return dims * std::log(static_cast<double>(s.original_positions) / (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(theta));
  };
  double low = dimension(s.beta_fast), high = dimension(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dims - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / s.factor * ramp + frequencies[i] * (1 - ramp);
  }
}

}  // namespace

std::vector<double> RopeFrequencies(double theta, int64_t rotary_dim, const RopeScaling& s) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < rotary_dim; i += 2) {
    frequencies.push_back(std::pow(theta, static_cast<double>(i) * (-1.0 / static_cast<double>(rotary_dim))));
  }
  switch (s.kind) {
    case RopeScalingKind::kNone:
      break;
    case RopeScalingKind::kLinear:
      for (double& frequency : frequencies) frequency /= s.factor;
      break;
    case RopeScalingKind::kLlama3:
      for (double& frequency : frequencies) frequency = Llama3Frequency(frequency, s);
      break;
    case RopeScalingKind::kYarn:
      ScaleYarn(theta, rotary_dim, s, frequencies);
      break;
    case RopeScalingKind::kPerFrequency:
      for (size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= s.divisors.at(i);
      break;
  }
  return frequencies;
}

double YarnMagnitude(double factor, double mscale) { return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0; }

RopeScaling ScalingOfDivisors(double theta, int64_t rotary_dim, std::vector<double> divisors) {
  constexpr int64_t kLlama3Positions = 8192;
  // Divisors are stored in fp32.
  constexpr double kRounding = 1e-5;
  RopeScaling per_frequency{.kind = RopeScalingKind::kPerFrequency, .divisors = std::move(divisors)};
  const RopeScaling llama3{.kind = RopeScalingKind::kLlama3,
                           .factor = std::round(*std::ranges::max_element(per_frequency.divisors)),
                           .original_positions = kLlama3Positions,
                           .divisors = {}};
  if (llama3.factor <= 1) return per_frequency;
  const std::vector<double> plain = RopeFrequencies(theta, rotary_dim, {}), scaled = RopeFrequencies(theta, rotary_dim, llama3);
  for (size_t i = 0; i < plain.size(); ++i) {
    if (std::abs(plain[i] / scaled[i] / per_frequency.divisors[i] - 1) > kRounding) return per_frequency;
  }
  return llama3;
}

std::string RopeScalingText(const RopeScaling& s) {
  if (s.kind == RopeScalingKind::kNone) return "";
  std::string text(EnumName(s.kind));
  if (s.kind != RopeScalingKind::kPerFrequency) text += ", factor " + FormatReal(s.factor);
  if (s.original_positions > 0) text += ", first trained on " + std::to_string(s.original_positions) + " positions";
  if (s.attention_factor != 1) text += ", attention factor " + FormatReal(s.attention_factor);
  return text;
}

}  // namespace gfn
