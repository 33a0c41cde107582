#include "report/ticks.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "gflownet/base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gfn::report {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Labels(const Scale& scale) {
  std::vector<std::string> labels;
  for (const Tick& tick : scale.ticks) labels.push_back(tick.label);
  return labels;
}

TEST(Ticks, RoundNumbers) {
  EXPECT_THAT(Labels(MakeScale({0, 1}, {.max_ticks = 5})), ElementsAre("0.0", "0.2", "0.4", "0.6", "0.8", "1.0"));
  EXPECT_THAT(Labels(MakeScale({-58.3, -51.2}, {.max_ticks = 4})), ElementsAre("-58", "-56", "-54", "-52"));
  EXPECT_THAT(Labels(MakeScale({0, 35000}, {.max_ticks = 4})), ElementsAre("0", "10,000", "20,000", "30,000"));
  EXPECT_THAT(Labels(MakeScale({0, 4000}, {.max_ticks = 4})), ElementsAre("0", "1000", "2000", "3000", "4000"));
  EXPECT_THAT(Labels(MakeScale({0, 0.4}, {.percent = true, .max_ticks = 4})), ElementsAre("0%", "10%", "20%", "30%", "40%"));
  EXPECT_THAT(Labels(MakeScale({0.1, 0.7}, {.max_ticks = 6})), ElementsAre("0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7"));
}

TEST(Ticks, RoundEndsContainTheData) {
  const Scale scale = MakeScale({-58.3, -51.2}, {.round_ends = true, .max_ticks = 4});
  EXPECT_EQ(scale.range.low, -60);
  EXPECT_EQ(scale.range.high, -50);
  EXPECT_THAT(Labels(scale), ElementsAre("-60", "-58", "-56", "-54", "-52", "-50"));
  EXPECT_EQ(scale.Fraction(-60), 0);
  EXPECT_EQ(scale.Fraction(-50), 1);
}

TEST(Ticks, WholeNumbersHaveNoTicksBetween) {
  EXPECT_THAT(Labels(MakeScale({0, 3}, {.integer = true, .max_ticks = 8})), ElementsAre("0", "1", "2", "3"));
}

TEST(Ticks, CommonPowerOfTenIsTakenOut) {
  const Scale large = MakeScale({0, 4e8}, {.max_ticks = 4});
  EXPECT_EQ(large.exponent, 8);
  EXPECT_THAT(Labels(large), ElementsAre("0", "1", "2", "3", "4"));
  const Scale small = MakeScale({0, 3e-5}, {.max_ticks = 3});
  EXPECT_EQ(small.exponent, -5);
  EXPECT_THAT(Labels(small), ElementsAre("0", "1", "2", "3"));
  EXPECT_EQ(PowerOfTen(-13), "10\xE2\x81\xBB\xC2\xB9\xC2\xB3");
}

TEST(Ticks, Logarithmic) {
  EXPECT_THAT(Labels(MakeScale({1, 1000}, {.log_scale = true, .max_ticks = 5})), ElementsAre("1", "10", "100", "1000"));
  EXPECT_THAT(Labels(MakeScale({0.5, 20}, {.log_scale = true, .max_ticks = 6})), ElementsAre("0.5", "1", "2", "5", "10", "20"));
  EXPECT_THAT(Labels(MakeScale({1e-9, 1}, {.log_scale = true, .max_ticks = 5})),
              ElementsAre("10\xE2\x81\xBB\xE2\x81\xB8", "10\xE2\x81\xBB\xE2\x81\xB6", "10\xE2\x81\xBB\xE2\x81\xB4",
                          "10\xE2\x81\xBB\xC2\xB2", "10\xE2\x81\xB0"));
  // Less than a decade without enough of 1, 2, 5: evenly spaced numbers.
  EXPECT_THAT(Labels(MakeScale({2.1, 4.9}, {.log_scale = true, .max_ticks = 6})), ElementsAre("2.5", "3.0", "3.5", "4.0", "4.5"));
}

TEST(Ticks, DegenerateRangesGetAnExtent) {
  for (const double value : {0.0, 3.0, -1e-250, 1e9, -1e299, 5e-310}) {
    const Scale scale = MakeScale({value, value}, {.round_ends = true});
    EXPECT_LT(scale.range.low, scale.range.high) << value;
    EXPECT_GE(scale.Fraction(value), 0) << value;
    EXPECT_LE(scale.Fraction(value), 1) << value;
    EXPECT_GE(scale.ticks.size(), 2u) << value;
  }
  const Scale log_scale = MakeScale({7, 7}, {.log_scale = true});
  EXPECT_LT(log_scale.range.low, 7);
  EXPECT_GT(log_scale.range.high, 7);
  // A billion and a little: the difference is what the axis shows.
  const Scale fine = MakeScale({1e9, 1e9 + 10}, {.max_ticks = 5});
  EXPECT_LE(fine.range.high - fine.range.low, 11);
}

TEST(Ticks, HugeRanges) {
  const Scale linear = MakeScale({-1e300, 1e300}, {.round_ends = true, .padding = 0.05});
  EXPECT_TRUE(std::isfinite(linear.range.low) && std::isfinite(linear.range.high));
  EXPECT_NEAR(linear.Fraction(0), 0.5, 1e-12);
  EXPECT_EQ(linear.exponent, 300);
  const Scale log_scale = MakeScale({1e-300, 1e300}, {.log_scale = true, .padding = 0.05});
  EXPECT_LE(log_scale.ticks.size(), 8u);
  EXPECT_GE(log_scale.ticks.size(), 2u);
}

TEST(Ticks, DrawableValues) {
  EXPECT_TRUE(IsDrawable(0, false));
  EXPECT_FALSE(IsDrawable(0, true));
  EXPECT_FALSE(IsDrawable(-1, true));
  EXPECT_FALSE(IsDrawable(std::nan(""), false));
  EXPECT_FALSE(IsDrawable(INFINITY, false));
  EXPECT_FALSE(IsDrawable(2e300, false));
}

// Over many random ranges: ticks ascend by one step, stay inside, are not too many, and their labels are the values.
TEST(Ticks, HoldOverRandomRanges) {
  const RngKey key{.seed = 3};
  for (uint64_t i = 0; i < 3000; ++i) {
    const double scale_of = std::pow(10.0, 60 * Uniform(key, i, 0) - 30);
    const double low = scale_of * (Uniform(key, i, 1) - 0.5);
    const double high = low + scale_of * std::pow(10.0, -8 * Uniform(key, i, 2));
    const int max_ticks = 2 + static_cast<int>(UniformInt(key, i, 3, 9));
    const Scale scale = MakeScale({low, high}, {.round_ends = i % 2 == 0, .max_ticks = max_ticks});
    ASSERT_LE(scale.ticks.size(), static_cast<size_t>(std::max(max_ticks, 5)) + 3) << low << " " << high;
    ASSERT_GE(scale.ticks.size(), 2u) << low << " " << high;
    for (size_t t = 0; t < scale.ticks.size(); ++t) {
      const Tick& tick = scale.ticks[t];
      EXPECT_GE(tick.value, scale.range.low);
      EXPECT_LE(tick.value, scale.range.high);
      EXPECT_TRUE(t == 0 || tick.value > scale.ticks[t - 1].value) << tick.label;
      std::string digits;
      for (const char c : tick.label) {
        if (c != ',') digits += c;
      }
      const double shown = std::stod(digits) * std::pow(10.0, scale.exponent);
      EXPECT_NEAR(shown, tick.value, 1e-6 * (scale.range.high - scale.range.low))
          << tick.label << " of " << low << " .. " << high;
    }
  }
}

}  // namespace
}  // namespace gfn::report
