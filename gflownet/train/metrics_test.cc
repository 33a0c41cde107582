#include "gflownet/train/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gflownet/base/file_util.h"

namespace gfn {
namespace {

using ::testing::HasSubstr;

std::string Path(const std::string& name) { return testing::TempDir() + "/" + name; }

MetricsWriter OpenWriter(const std::string& name, int64_t bytes) {
  auto writer = MetricsWriter::Open(Path(name), Path("timing_" + name), bytes);
  EXPECT_TRUE(writer.ok()) << writer.status();
  return *std::move(writer);
}

TEST(StepMetricsTest, SetReplacesMergePrefixes) {
  StepMetrics metrics = {{"loss", 2}, {"spread", 1}};
  metrics.Set("loss", 3);
  metrics.Merge({{"elbo", -4}}, "eval.");
  EXPECT_EQ(metrics, (StepMetrics{{"loss", 3}, {"spread", 1}, {"eval.elbo", -4}}));
  EXPECT_EQ(*metrics.Find("eval.elbo"), -4);
  EXPECT_EQ(metrics.Find("elbo"), nullptr);
}

TEST(StepMetricsDeathTest, TheKeysOfALineAreNotNames) { EXPECT_DEATH((StepMetrics{{"step", 1}}), "cannot be the name"); }

TEST(MetricsTest, LinesReadBackToTheSameValues) {
  MetricsWriter writer = OpenWriter("values.jsonl", 0);
  const StepMetrics metrics = {{"a", 0.1}, {"b", std::nextafter(1.0, 2.0)}, {"c", -1e-300}, {"inf", HUGE_VAL}};
  ASSERT_TRUE(writer.Append(7, "train", metrics).ok());
  ASSERT_TRUE(writer.Append(7, "eval", {{"score", -HUGE_VAL}, {"x", std::nan("")}}).ok());
  ASSERT_TRUE(writer.Sync().ok());
  const auto lines = ReadMetrics(Path("values.jsonl"));
  ASSERT_TRUE(lines.ok()) << lines.status();
  ASSERT_EQ(lines->size(), 2u);
  EXPECT_EQ((*lines)[0].step, 7);
  EXPECT_EQ((*lines)[0].metrics, metrics);
  EXPECT_EQ((*lines)[1].kind, "eval");
  EXPECT_EQ(*(*lines)[1].metrics.Find("score"), -HUGE_VAL);
  EXPECT_TRUE(std::isnan(*(*lines)[1].metrics.Find("x")));
}

TEST(MetricsTest, AResumeCutsTheFileAndWritesTheSameBytes) {
  std::string whole;
  {
    MetricsWriter writer = OpenWriter("cut.jsonl", 0);
    ASSERT_TRUE(writer.Append(1, "train", {{"loss", 0.3}}).ok());
    const int64_t bytes = writer.metrics_bytes();
    ASSERT_TRUE(writer.Append(2, "train", {{"loss", 0.2}}).ok());
    whole = ReadFile(Path("cut.jsonl")).value();
    MetricsWriter resumed = OpenWriter("cut.jsonl", bytes);
    ASSERT_TRUE(resumed.Append(2, "train", {{"loss", 0.2}}).ok());
  }
  EXPECT_EQ(ReadFile(Path("cut.jsonl")).value(), whole);
  const auto shorter = MetricsWriter::Open(Path("cut.jsonl"), Path("t.jsonl"), 1000);
  EXPECT_EQ(shorter.status().code(), absl::StatusCode::kDataLoss);
}

TEST(MetricsTest, TimingHoldsThePhases) {
  PhaseTimes times;
  times.At("rollout").seconds = 1.5;
  times.At("rollout").work["tokens"] = 64;
  MetricsWriter writer = OpenWriter("phases.jsonl", 0);
  ASSERT_TRUE(writer.AppendTiming(3, "train", 2.0, times).ok());
  EXPECT_THAT(ReadFile(Path("timing_phases.jsonl")).value(), HasSubstr(R"("rollout":{"calls":0,"seconds":1.5,"tokens":64.0})"));
}

TEST(MetricsTest, LinesOfAnotherKindOfFileAreRefusedWithTheirPlace) {
  ASSERT_TRUE(WriteFileAtomic(Path("bad.jsonl"), "{\"step\":1,\"kind\":\"train\"}\n{\"step\":\"x\"}\n").ok());
  EXPECT_THAT(Message(ReadMetrics(Path("bad.jsonl")).status()), HasSubstr("bad.jsonl:2: expected the keys"));
  ASSERT_TRUE(WriteFileAtomic(Path("bad.jsonl"), "{\"step\":1,\"kind\":\"train\",\"loss\":\"low\"}\n").ok());
  EXPECT_THAT(Message(ReadMetrics(Path("bad.jsonl")).status()), HasSubstr("\"loss\" is \"low\", expected a number"));
}

}  // namespace
}  // namespace gfn
