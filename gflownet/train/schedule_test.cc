#include "gflownet/train/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/base/config_reader.h"

namespace gfn {
namespace {

TEST(ScheduleTest, GoesInAStraightLine) {
  const ScheduleConfig schedule{.start = 2, .end = 1, .steps = 4};
  EXPECT_EQ(schedule.At(0), 2);
  EXPECT_EQ(schedule.At(1), 1.75);
  EXPECT_EQ(schedule.At(4), 1);
  EXPECT_EQ(schedule.At(1000), 1);
  EXPECT_EQ((ScheduleConfig{.start = 2, .end = 3, .steps = 0}.At(0)), 3);
}

TEST(WarmupDecayTest, WarmsUpWithoutAStepOfRateZero) {
  const WarmupDecayConfig config{.warmup_steps = 4};
  EXPECT_EQ(config.FactorAt(0), 0.25);
  EXPECT_EQ(config.FactorAt(3), 1);
  EXPECT_EQ(config.FactorAt(4), 1);
  EXPECT_EQ(config.FactorAt(100000), 1);
}

TEST(WarmupDecayTest, LinearAndCosineEndAtTheFinalFraction) {
  for (const Decay decay : {Decay::kLinear, Decay::kCosine}) {
    const WarmupDecayConfig config{.warmup_steps = 2, .decay = decay, .decay_steps = 10, .final_fraction = 0.2};
    EXPECT_EQ(config.FactorAt(2), 1);
    EXPECT_NEAR(config.FactorAt(7), 0.6, 1e-12) << "half way both are half way";
    EXPECT_NEAR(config.FactorAt(12), 0.2, 1e-12);
    EXPECT_NEAR(config.FactorAt(999), 0.2, 1e-12);
    for (int64_t step = 2; step < 12; ++step) EXPECT_GT(config.FactorAt(step), config.FactorAt(step + 1));
  }
  const WarmupDecayConfig cosine{.decay = Decay::kCosine, .decay_steps = 4};
  EXPECT_NEAR(cosine.FactorAt(1), 0.5 * (1 + std::sqrt(0.5)), 1e-12);
}

TEST(WarmupDecayTest, ADecayNeedsALength) {
  const auto read = ReadConfigText<WarmupDecayConfig>("decay: cosine\n", "x.yaml");
  EXPECT_THAT(Message(read.status()), testing::HasSubstr("[decay_steps] is 0, but must be at least 1"));
  EXPECT_TRUE(ReadConfigText<WarmupDecayConfig>("{decay: cosine, decay_steps: 5}\n", "x.yaml").ok());
}

}  // namespace
}  // namespace gfn
