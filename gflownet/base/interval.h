// Means with their uncertainty. Comparisons are paired: give the differences, one per condition.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gflownet/base/rng.h"

namespace gfn {

struct Interval {
  double mean = 0;
  double low = 0;
  double high = 0;
  int64_t num_values = 0;
};

double Mean(std::span<const double> values);  // at least 1 value
// Sample variance with n - 1 in the denominator (two passes); at least 2 values.
double SampleVariance(std::span<const double> values);
// sqrt(variance / n); at least 2 values.
double StandardError(std::span<const double> values);

// Quantile with linear interpolation between order statistics (type 7 of Hyndman and Fan, as NumPy's default).
double Quantile(std::span<const double> values, double probability);

// Quantile of Student's t with `degrees` of freedom, to 1e-9 relative.
double StudentTQuantile(double degrees, double probability);

// Mean with Student's interval. One value: low and high are infinite, because nothing is known of the spread.
Interval TInterval(std::span<const double> values, double confidence = 0.95);

// The share of `hits` among `num` independent draws with the interval of Clopper and Pearson (1934): never narrower than a
// share's interval may be, so that 0 of num or num of num are not certain.
Interval ShareInterval(int64_t hits, int64_t num, double confidence = 0.95);

// Mean with the percentile bootstrap (Efron): quantiles of the means of `num_resamples` resamplings. Depends on the key and the
// values alone. One value: infinite, as above.
Interval BootstrapInterval(std::span<const double> values, const RngKey& key, double confidence = 0.95,
                           int64_t num_resamples = 10000);

// a[i] - b[i] of equally many values.
std::vector<double> PairedDifferences(std::span<const double> a, std::span<const double> b);

}  // namespace gfn
