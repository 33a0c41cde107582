#include "gflownet/base/interval.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gfn {
namespace {

using ::testing::ElementsAre;

constexpr RngKey kKey = {.seed = 5, .purpose = RngPurpose::kBootstrap, .step = 0};

TEST(IntervalTest, MeanAndVariance) {
  const std::vector<double> values = {1, 2, 3, 4};
  EXPECT_EQ(Mean(values), 2.5);
  EXPECT_DOUBLE_EQ(SampleVariance(values), 5.0 / 3);
  EXPECT_DOUBLE_EQ(StandardError(values), std::sqrt(5.0 / 12));
  // A large offset costs nothing, because the mean is taken away first.
  const std::vector<double> shifted = {1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4};
  EXPECT_DOUBLE_EQ(SampleVariance(shifted), 5.0 / 3);
}

TEST(IntervalTest, QuantileAsNumPy) {
  const std::vector<double> values = {3, 1, 4, 1, 5};
  EXPECT_EQ(Quantile(values, 0), 1);
  EXPECT_EQ(Quantile(values, 0.5), 3);
  EXPECT_EQ(Quantile(values, 1), 5);
  EXPECT_DOUBLE_EQ(Quantile(values, 0.9), 4.6);
  EXPECT_DOUBLE_EQ(Quantile(values, 0.1), 1);
  EXPECT_EQ(Quantile(std::vector<double>{7}, 0.3), 7);
}

TEST(IntervalTest, StudentTQuantile) {
  // Closed forms: 1 degree is Cauchy's distribution, 2 degrees have an algebraic quantile.
  EXPECT_NEAR(StudentTQuantile(1, 0.975), std::tan(M_PI * 0.475), 1e-8);
  EXPECT_NEAR(StudentTQuantile(2, 0.975), 0.95 / std::sqrt(2 * 0.975 * 0.025), 1e-9);
  // Tables (NIST/SEMATECH e-Handbook, 1.3.6.7.2), and the normal limit.
  EXPECT_NEAR(StudentTQuantile(4, 0.975), 2.776, 5e-4);
  EXPECT_NEAR(StudentTQuantile(7, 0.95), 1.895, 5e-4);
  EXPECT_NEAR(StudentTQuantile(30, 0.995), 2.750, 5e-4);
  EXPECT_NEAR(StudentTQuantile(100, 0.975), 1.984, 5e-4);
  EXPECT_NEAR(StudentTQuantile(1e7, 0.975), 1.959964, 2e-6);
  EXPECT_EQ(StudentTQuantile(5, 0.5), 0);
  EXPECT_DOUBLE_EQ(StudentTQuantile(5, 0.1), -StudentTQuantile(5, 0.9));
  // 3 degrees have a distribution function in closed form.
  const double t = StudentTQuantile(3, 0.9), x = t / std::sqrt(3.0);
  EXPECT_NEAR(0.5 + (x / (1 + x * x) + std::atan(x)) / M_PI, 0.9, 1e-11);
}

// Against tables of the beta distribution; 0 of n ends at 1 - (alpha / 2)^(1/n).
TEST(IntervalTest, ShareInterval) {
  const Interval half = ShareInterval(5, 10);
  EXPECT_NEAR(half.low, 0.18709, 1e-5);
  EXPECT_NEAR(half.high, 0.81291, 1e-5);
  const Interval none = ShareInterval(0, 20), all = ShareInterval(20, 20);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 1 - std::pow(0.025, 1.0 / 20), 1e-9);
  EXPECT_NEAR(all.low, std::pow(0.025, 1.0 / 20), 1e-9);
  EXPECT_EQ(all.high, 1);
}

TEST(IntervalTest, TIntervalByHand) {
  const Interval interval = TInterval(std::vector<double>{1, 2, 3, 4, 5});
  EXPECT_EQ(interval.mean, 3);
  EXPECT_EQ(interval.num_values, 5);
  EXPECT_NEAR(interval.high - 3, 2.776445 * std::sqrt(2.5 / 5), 1e-6);
  EXPECT_DOUBLE_EQ(3 - interval.low, interval.high - 3);
  const Interval constant = TInterval(std::vector<double>{2, 2, 2});
  EXPECT_EQ(constant.low, 2);
  EXPECT_EQ(constant.high, 2);
}

TEST(IntervalTest, OneValueSaysNothingOfTheSpread) {
  for (const Interval& interval : {TInterval(std::vector<double>{4}), BootstrapInterval(std::vector<double>{4}, kKey)}) {
    EXPECT_EQ(interval.mean, 4);
    EXPECT_EQ(interval.low, -INFINITY);
    EXPECT_EQ(interval.high, INFINITY);
  }
}

TEST(IntervalTest, BootstrapIsAFunctionOfKeyAndValues) {
  std::vector<double> values;
  for (uint64_t i = 0; i < 40; ++i) values.push_back(Normal({1}, 0, i));
  const Interval a = BootstrapInterval(values, kKey), b = BootstrapInterval(values, kKey);
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
  EXPECT_NE(a.low, BootstrapInterval(values, {6, RngPurpose::kBootstrap, 0}).low);
  EXPECT_LT(a.low, a.mean);
  EXPECT_GT(a.high, a.mean);
  const Interval wider = BootstrapInterval(values, kKey, 0.99);
  EXPECT_LT(wider.low, a.low);
  EXPECT_GT(wider.high, a.high);
  // For many values both kinds of interval agree.
  const Interval t = TInterval(values);
  EXPECT_NEAR(a.low, t.low, 0.05);
  EXPECT_NEAR(a.high, t.high, 0.05);
}

// What an interval of 95 % is for: it misses the truth about once in twenty times.
TEST(IntervalTest, CoversTheTruth) {
  constexpr int kRepeats = 1000, kValues = 12;
  int t_covers = 0, bootstrap_covers = 0;
  for (uint64_t r = 0; r < kRepeats; ++r) {
    std::vector<double> values;
    for (uint64_t i = 0; i < kValues; ++i) values.push_back(3 + 2 * Normal({2}, r, i));
    const Interval t = TInterval(values);
    const Interval b = BootstrapInterval(values, {3, RngPurpose::kBootstrap, r}, 0.95, 400);
    t_covers += t.low < 3 && 3 < t.high;
    bootstrap_covers += b.low < 3 && 3 < b.high;
  }
  EXPECT_NEAR(t_covers, 950, 4 * std::sqrt(1000 * 0.95 * 0.05));
  // The percentile bootstrap of twelve values is known to be a little short.
  EXPECT_GT(bootstrap_covers, 880);
  EXPECT_LT(bootstrap_covers, 960);
}

TEST(IntervalTest, PairedDifferences) {
  EXPECT_THAT(PairedDifferences(std::vector<double>{3, 5}, std::vector<double>{1, 7}), ElementsAre(2, -2));
}

TEST(IntervalDeathTest, WrongSizes) {
  EXPECT_DEATH(Mean({}), "mean of no values");
  EXPECT_DEATH(SampleVariance(std::vector<double>{1}), "1 vs 2");
  EXPECT_DEATH(PairedDifferences(std::vector<double>{1}, {}), "1 vs 0");
}

}  // namespace
}  // namespace gfn
