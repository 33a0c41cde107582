#include "gflownet/estimate/importance.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// w / max w, so that nothing overflows.
std::vector<double> Scaled(std::span<const double> log_w, double* log_scale) {
  GFN_CHECK(!log_w.empty()) << "weights of no samples";
  *log_scale = *std::max_element(log_w.begin(), log_w.end());
  GFN_CHECK(std::isfinite(*log_scale)) << "the largest log weight is " << *log_scale;
  std::vector<double> w(log_w.size());
  for (size_t i = 0; i < w.size(); ++i) w[i] = std::exp(log_w[i] - *log_scale);
  return w;
}

}  // namespace

double EffectiveSampleSize(std::span<const double> log_w) {
  double log_scale = 0, sum = 0, squares = 0;
  for (const double w : Scaled(log_w, &log_scale)) {
    sum += w;
    squares += w * w;
  }
  return sum * sum / squares;
}

Interval LogMeanWeight(std::span<const double> log_w, double confidence) {
  double log_scale = 0;
  const std::vector<double> w = Scaled(log_w, &log_scale);
  const double mean = Mean(w), log_mean = log_scale + std::log(mean);
  if (w.size() == 1) return {.mean = log_mean, .low = -kInfinity, .high = kInfinity, .num_values = 1};
  const double half = StudentTQuantile(static_cast<double>(w.size() - 1), 0.5 + confidence / 2) * StandardError(w) / mean;
  return {.mean = log_mean, .low = log_mean - half, .high = log_mean + half, .num_values = static_cast<int64_t>(w.size())};
}

Interval WeightedMean(std::span<const double> values, std::span<const double> log_w, double confidence) {
  GFN_CHECK_EQ(values.size(), log_w.size());
  double log_scale = 0, sum = 0, weighted = 0, squares = 0;
  const std::vector<double> w = Scaled(log_w, &log_scale);
  for (size_t i = 0; i < w.size(); ++i) {
    sum += w[i];
    if (w[i] > 0) weighted += w[i] * values[i];  // 0 * infinity is 0 here: the value never occurs
  }
  const double mean = weighted / sum;
  if (w.size() == 1) return {.mean = mean, .low = -kInfinity, .high = kInfinity, .num_values = 1};
  for (size_t i = 0; i < w.size(); ++i) {
    if (w[i] > 0) squares += w[i] * w[i] * (values[i] - mean) * (values[i] - mean);
  }
  const double half = StudentTQuantile(static_cast<double>(w.size() - 1), 0.5 + confidence / 2) * std::sqrt(squares) / sum;
  return {.mean = mean, .low = mean - half, .high = mean + half, .num_values = static_cast<int64_t>(w.size())};
}

LogZEstimate EstimateLogZ(std::span<const double> log_w, double confidence) {
  LogZEstimate estimate;
  estimate.elbo = TInterval(log_w, confidence);
  estimate.log_z = LogMeanWeight(log_w, confidence);
  estimate.snis = WeightedMean(log_w, log_w, confidence);
  estimate.ess = EffectiveSampleSize(log_w);
  return estimate;
}

}  // namespace gfn
