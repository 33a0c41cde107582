#include "gflownet/base/interval.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

// Continued fraction of the incomplete beta function (modified Lentz; Press et al., Numerical Recipes, 6.4).
double BetaFraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  constexpr double kPrecision = 1e-15;
  constexpr int kMaxTerms = 10000;
  const auto away_from_zero = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1;
  double d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
  double fraction = d;
  for (int m = 1; m <= kMaxTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double change = 1;
    for (const double term : {even, odd}) {
      d = 1 / away_from_zero(1 + term * d);
      c = away_from_zero(1 + term / c);
      change = d * c;
      fraction *= change;
    }
    if (std::abs(change - 1) < kPrecision) break;
  }
  return fraction;
}

// Regularised incomplete beta function I_x(a, b).
double IncompleteBeta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double log_front = std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x);
  // The fraction converges quickly on the side of the mean.
  if (x < (a + 1) / (a + b + 2)) return std::exp(log_front) * BetaFraction(a, b, x) / a;
  return 1 - std::exp(log_front) * BetaFraction(b, a, 1 - x) / b;
}

// P(T > t) for t >= 0.
double StudentTTail(double degrees, double t) { return 0.5 * IncompleteBeta(degrees / 2, 0.5, degrees / (degrees + t * t)); }

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
  if (probability == 0.5) return 0;
  if (probability < 0.5) return -StudentTQuantile(degrees, 1 - probability);
  // Bisection on the tail, which falls from 1/2 at 0.
  const double tail = 1 - probability;
  double low = 0, high = 1;
  while (StudentTTail(degrees, high) > tail) high *= 2;
  while (high - low > 1e-12 * high) {
    const double middle = 0.5 * (low + high);
    (StudentTTail(degrees, middle) > tail ? low : high) = middle;
  }
  return 0.5 * (low + high);
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
  // Where the incomplete beta function, which grows, has a value.
  auto quantile = [](double a, double b, double value) {
    double low = 0, high = 1;
    while (high - low > 1e-12) {
      const double middle = 0.5 * (low + high);
      (IncompleteBeta(a, b, middle) < value ? low : high) = middle;
    }
    return 0.5 * (low + high);
  };
  return {.mean = k / n,
          .low = hits == 0 ? 0 : quantile(k, n - k + 1, tail),
          .high = hits == num ? 1 : quantile(k + 1, n - k, 1 - tail),
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
