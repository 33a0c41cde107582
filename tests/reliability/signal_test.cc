// Ctrl-C, a scheduler's SIGTERM and a terminal that goes away: noticed in whatever phase the run is in, and nothing is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "gflownet/base/file_util.h"
#include "gflownet/train/checkpoint.h"
#include "gflownet/train/metrics.h"
#include "tests/reliability/gfn_process.h"
#include "tests/reliability/tiny_run.h"

namespace gfn {
namespace {

using testing::HasSubstr;

constexpr char kEndless[] = "train.max_steps=1000000";

// Resumes `run` for so many steps in all; the state must be that of an undisturbed run.
void ExpectNothingLost(const TinyRun& tiny, const std::string& run, int64_t steps, std::vector<std::string> keys = {}) {
  keys.push_back("train.max_steps=" + std::to_string(steps));
  const GfnResult resumed = RunGfn(tiny.folder(), TinyRun::Train(run, keys, true));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  const GfnResult straight = RunGfn(tiny.folder(), TinyRun::Train("straight_" + run, keys));
  ASSERT_EQ(straight.exit_code, 0) << straight.err;
  EXPECT_EQ(RunState(tiny / run, steps), RunState(tiny / ("straight_" + run), steps));
}

class SignalTest : public testing::TestWithParam<int> {};

TEST_P(SignalTest, FinishesTheStepAndSaves) {
  const TinyRun tiny;
  GfnProcess process(tiny.folder(), TinyRun::Train("run", {kEndless}));
  ASSERT_TRUE(process.WaitFor([&] { return FolderExists(tiny.checkpoints("run") + "/step_000003"); })) << process.Err();
  process.Signal(GetParam());
  EXPECT_EQ(process.Wait(), 0) << process.Err();
  EXPECT_THAT(process.Err(), HasSubstr("stopped by a signal after step"));
  EXPECT_THAT(tiny.Read("run/history.jsonl"), HasSubstr(R"("reason":"signal")"));
  const auto found = LatestValidCheckpoint(tiny.checkpoints("run"));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(ReadMetrics(tiny / "run/metrics.jsonl")->back().step, found->manifest.step) << "every step that was taken is saved";
  EXPECT_EQ(found->manifest.metrics_bytes, FileSize(tiny / "run/metrics.jsonl").value());
  ExpectNothingLost(tiny, "run", found->manifest.step + 2);
}

INSTANTIATE_TEST_SUITE_P(All, SignalTest, testing::Values(SIGINT, SIGTERM, SIGHUP), [](const auto& info) {
  return info.param == SIGINT ? "Interrupt" : info.param == SIGTERM ? "Terminate" : "HangUp";
});

TEST(Signal, TheFirstIsAnsweredAtOnceAndTheSecondCtrlCSaysWhatItLeaves) {
  const TinyRun tiny;
  // A step that takes hours: each update of it is a part.
  GfnProcess process(tiny.folder(),
                     TinyRun::Train("run", {kEndless, "train.updates_per_batch=1000000000", "task.simulation.attempts=0",
                                            "train.warm_start_steps=0", "validation.every_steps=0"}));
  ASSERT_TRUE(process.WaitFor([&] { return tiny.Read("run/history.jsonl").find("\"started\"") != std::string::npos; }))
      << process.Err();
  const auto has_said = [&](const std::string& text) { return process.Err().find(text) != std::string::npos; };
  process.Signal(SIGINT);
  ASSERT_TRUE(process.WaitFor([&] { return has_said("gfn: Ctrl-C: "); })) << process.Err();
  EXPECT_TRUE(process.WaitFor([&] { return has_said("; Ctrl-C again leaves at once, without saving\n"); })) << process.Err();
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 130);
  EXPECT_THAT(process.Err(), testing::EndsWith("what was done since the last checkpoint is not saved\n"));
}

TEST(Signal, HowToGoOnNamesEverySetting) {
  const TinyRun tiny;
  GfnProcess process(tiny.folder(), TinyRun::Train("run", {kEndless, "task.prompt={Y} it's {X}"}));
  ASSERT_TRUE(process.WaitFor([&] { return FolderExists(tiny.checkpoints("run") + "/step_000003"); })) << process.Err();
  process.Signal(SIGTERM);
  ASSERT_EQ(process.Wait(), 0) << process.Err();
  EXPECT_THAT(process.Err(), HasSubstr("gfn train tiny.yaml --set train.max_steps=1000000 --set "
                                       R"('task.prompt={Y} it'\''s {X}' --out run --resume)"));
}

TEST(Signal, IsNoticedWhileStoriesAreSimulatedAndWhatWasSimulatedIsKept) {
  const TinyRun tiny;
  // Hours of simulation; each part of it is on the disk when it is done.
  GfnProcess process(tiny.folder(), TinyRun::Train("run", {"task.simulation.attempts=100000000"}));
  ASSERT_TRUE(process.WaitFor([&] { return FileSize(tiny / "run/simulated.jsonl").value_or(0) > 0; })) << process.Err();
  process.Signal(SIGTERM);
  EXPECT_EQ(process.Wait(), 0) << process.Err();
  EXPECT_THAT(process.Err(),
              testing::AllOf(HasSubstr("stopped by a signal while stories were simulated"), HasSubstr("--resume")));
}

TEST(Signal, ASimulationThatIsKilledGoesOnWhereItWas) {
  const TinyRun tiny;
  const std::vector<std::string> keys = {"task.simulation.attempts=4800", "train.max_steps=2"};
  {
    GfnProcess process(tiny.folder(), TinyRun::Train("run", keys));
    ASSERT_TRUE(process.WaitFor([&] { return FileSize(tiny / "run/simulated.jsonl").value_or(0) > 0; })) << process.Err();
    process.Signal(SIGKILL);
    process.Wait();
  }
  ExpectNothingLost(tiny, "run", 2, keys);
  EXPECT_EQ(tiny.Read("run/simulated.jsonl"), tiny.Read("straight_run/simulated.jsonl"));
}

TEST(Signal, IsNoticedWhileAnEvaluationRuns) {
  const TinyRun tiny;
  // The first evaluation, before the first step, would take hours.
  GfnProcess process(tiny.folder(), TinyRun::Train("run", {kEndless, "evaluation.samples=100000000"}));
  ASSERT_TRUE(process.WaitFor([&] { return FileExists(tiny / "run/metrics.jsonl"); })) << process.Err();
  process.Signal(SIGTERM);
  EXPECT_EQ(process.Wait(), 0) << process.Err();
  EXPECT_THAT(process.Err(), HasSubstr("stopped by a signal after step 0"));
  EXPECT_EQ(ReadMetrics(tiny / "run/metrics.jsonl")->size(), 0u) << "half an evaluation is none";
}

TEST(TimeLimit, StopsWithACheckpointAndTheRunGoesOn) {
  const TinyRun tiny;
  const GfnResult stopped = RunGfn(tiny.folder(), TinyRun::Train("run", {kEndless, "train.max_minutes=0.005"}));
  ASSERT_EQ(stopped.exit_code, 0) << stopped.err;
  EXPECT_THAT(tiny.Read("run/history.jsonl"), HasSubstr(R"("reason":"max_minutes")"));
  const auto found = LatestValidCheckpoint(tiny.checkpoints("run"));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(ReadMetrics(tiny / "run/metrics.jsonl")->back().step, found->manifest.step);
  ExpectNothingLost(tiny, "run", found->manifest.step + 2);
}

}  // namespace
}  // namespace gfn
