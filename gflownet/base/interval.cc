#include "gflownet/base/interval.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>
#include <limits>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

Interval Unknown(double mean) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return {.mean = mean, .low = -kInfinity, .high = kInfinity, .num_values = 1};
}

}  // namespace

double Mean(std::span<const double> values) {
  GFN_CHECK(!values.empty()) << "mean of no values";
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double SampleVariance(std::span<const double> values) {
  GFN_CHECK_GE(values.size(), 2u);
  const double mean = Mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum / static_cast<double>(values.size() - 1);
}

double StandardError(std::span<const double> values) {
  return std::sqrt(SampleVariance(values) / static_cast<double>(values.size()));
}

double Quantile(std::span<const double> values, double probability) {
  GFN_CHECK(!values.empty()) << "quantile of no values";
  GFN_CHECK(probability >= 0 && probability <= 1) << probability;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double place = probability * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

double StudentTQuantile(double degrees, double probability) {
  GFN_CHECK(degrees > 0) << degrees;
  GFN_CHECK(probability > 0 && probability < 1) << probability;
  return boost::math::quantile(boost::math::students_t(degrees), probability);
}

Interval TInterval(std::span<const double> values, double confidence) {
  const double mean = Mean(values);
  if (values.size() == 1) return Unknown(mean);
  const double half = StudentTQuantile(static_cast<double>(values.size() - 1), 0.5 + confidence / 2) * StandardError(values);
  return {.mean = mean, .low = mean - half, .high = mean + half, .num_values = static_cast<int64_t>(values.size())};
}

Interval ShareInterval(int64_t hits, int64_t num, double confidence) {
  GFN_CHECK(num >= 1 && hits >= 0 && hits <= num) << hits << " of " << num;
  const double k = static_cast<double>(hits), n = static_cast<double>(num), tail = (1 - confidence) / 2;
  return {.mean = k / n,
          .low = hits == 0 ? 0 : boost::math::ibeta_inv(k, n - k + 1, tail),
          .high = hits == num ? 1 : boost::math::ibeta_inv(k + 1, n - k, 1 - tail),
          .num_values = num};
}

Interval BootstrapInterval(std::span<const double> values, const RngKey& key, double confidence, int64_t num_resamples) {
  const double mean = Mean(values);
  if (values.size() == 1) return Unknown(mean);
  const int64_t n = static_cast<int64_t>(values.size());
  std::vector<double> means(num_resamples);
  for (int64_t r = 0; r < num_resamples; ++r) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += values[UniformInt(key, static_cast<uint64_t>(r), static_cast<uint64_t>(i), n)];
    means[r] = sum / static_cast<double>(n);
  }
  return {
      .mean = mean, .low = Quantile(means, 0.5 - confidence / 2), .high = Quantile(means, 0.5 + confidence / 2), .num_values = n};
}

std::vector<double> PairedDifferences(std::span<const double> a, std::span<const double> b) {
  GFN_CHECK_EQ(a.size(), b.size());
  std::vector<double> differences(a.size());
  for (size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  return differences;
}

}  // namespace gfn
