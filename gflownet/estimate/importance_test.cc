// Bounds and intervals of weighted samples against sums that are known.
#include "gflownet/estimate/importance.h"

#include <gtest/gtest.h>

#include <cmath>

namespace gfn {
namespace {

// Draws from q = (1/2, 1/4, 1/4) of the target f = (3, 2, 1): log Z = log 6.
struct Draws {
  std::vector<double> log_w, values;
};
Draws Draw(int64_t num, uint64_t stream) {
  const double f[] = {3, 2, 1}, q[] = {0.5, 0.25, 0.25};
  Draws draws;
  for (int64_t i = 0; i < num; ++i) {
    const double u = Uniform({7, RngPurpose::kTest, 0}, stream, static_cast<uint64_t>(i));
    const int x = u < 0.5 ? 0 : u < 0.75 ? 1 : 2;
    draws.log_w.push_back(std::log(f[x] / q[x]));
    draws.values.push_back(x);
  }
  return draws;
}

TEST(Importance, KnownNumbers) {
  const std::vector<double> log_w = {std::log(1.0), std::log(3.0)};
  EXPECT_NEAR(EffectiveSampleSize(log_w), 16.0 / 10, 1e-12);
  EXPECT_NEAR(LogMeanWeight(log_w).mean, std::log(2.0), 1e-12);
  const std::vector<double> values = {0, 1};
  EXPECT_NEAR(WeightedMean(values, log_w).mean, 0.75, 1e-12);
  const std::vector<double> equal = {-900, -900, -900};  // far below what exp can represent
  EXPECT_NEAR(EffectiveSampleSize(equal), 3, 1e-12);
  EXPECT_NEAR(EstimateLogZ(equal).log_z.low, -900, 1e-9);
  EXPECT_NEAR(EstimateLogZ(equal).snis.high, -900, 1e-9);
}

TEST(Importance, AWeightOfZeroCountsAsASample) {
  const std::vector<double> log_w = {-INFINITY, std::log(4.0)};
  EXPECT_NEAR(EffectiveSampleSize(log_w), 1, 1e-12);
  EXPECT_NEAR(LogMeanWeight(log_w).mean, std::log(2.0), 1e-12);
  const std::vector<double> values = {INFINITY, 5};
  EXPECT_NEAR(WeightedMean(values, log_w).mean, 5, 1e-12);
}

TEST(Importance, OneSampleSaysNothingOfItsError) {
  const std::vector<double> one = {2};
  EXPECT_TRUE(std::isinf(LogMeanWeight(one).high));
  EXPECT_TRUE(std::isinf(WeightedMean(one, one).low));
}

TEST(Importance, TheBoundBelowAndTheSelfNormalisedMean) {
  const Draws draws = Draw(4000, 0);
  const LogZEstimate z = EstimateLogZ(draws.log_w);
  EXPECT_LT(z.elbo.mean, z.log_z.mean);
  EXPECT_LT(z.log_z.mean, z.snis.mean);
  // elbo = sum q log f/q; the evidence upper bound sum p log f/q, which the self-normalised mean estimates
  const double elbo = 0.5 * std::log(6.0) + 0.25 * std::log(8.0) + 0.25 * std::log(4.0);
  const double eubo = (3 * std::log(6.0) + 2 * std::log(8.0) + std::log(4.0)) / 6;
  EXPECT_NEAR(z.elbo.mean, elbo, 0.02);
  EXPECT_NEAR(z.snis.mean, eubo, 0.02);
  EXPECT_NEAR(z.log_z.mean, std::log(6.0), 0.02);
}

// Of 300 intervals of 95 % about 15 miss; between 3 and 33 is beyond three standard deviations on either side.
TEST(Importance, IntervalsCoverTheTruth) {
  int missed_z = 0, missed_mean = 0, missed_snis = 0;
  const double mean = (2 + 2) / 6.0;  // of the value under the target
  const double eubo = (3 * std::log(6.0) + 2 * std::log(8.0) + std::log(4.0)) / 6;
  for (uint64_t stream = 1; stream <= 300; ++stream) {
    const Draws draws = Draw(200, stream);
    const LogZEstimate z = EstimateLogZ(draws.log_w);
    const Interval value = WeightedMean(draws.values, draws.log_w);
    missed_z += z.log_z.low > std::log(6.0) || z.log_z.high < std::log(6.0);
    missed_snis += z.snis.low > eubo || z.snis.high < eubo;
    missed_mean += value.low > mean || value.high < mean;
  }
  for (const int missed : {missed_z, missed_snis, missed_mean}) {
    EXPECT_GE(missed, 3);
    EXPECT_LE(missed, 33);
  }
}

}  // namespace
}  // namespace gfn
