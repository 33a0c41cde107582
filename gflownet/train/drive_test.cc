#include "gflownet/train/drive.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>

#include "gflownet/base/file_util.h"
#include "gflownet/train/toy_loop.h"

namespace gfn {
namespace {

using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

DriveOptions Steps(int64_t max_steps) {
  DriveOptions options;
  options.limits.max_steps = max_steps;
  options.environment = {{"threads", "2"}};
  return options;
}

std::vector<std::string> Checkpoints(const RunFolder& run) { return ListFolder(run.paths().checkpoints()).value(); }

TEST(DriveTest, TakesItsStepsWritesMetricsAndEndsWithACheckpoint) {
  const RunFolder run = NewRun("run");
  ToyLoop loop;
  DriveOptions options = Steps(5);
  std::vector<int64_t> seen;
  options.on_step = [&](const StepReport& report) {
    seen.push_back(report.step);
    EXPECT_NE(report.metrics->Find("loss"), nullptr);
    EXPECT_NE(report.phases->Find("forward"), nullptr);
  };
  const auto result = Drive(loop, run, options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->reason, StopReason::kMaxSteps);
  EXPECT_EQ(result->steps_taken, 5);
  EXPECT_THAT(seen, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(BaseName(result->checkpoint), "step_000005");
  EXPECT_EQ(ReadMetrics(run.paths().metrics())->size(), 5u);
  EXPECT_THAT(ReadFile(run.paths().history()).value(), HasSubstr(R"("event":"stopped","reason":"max_steps","step":5)"));
}

TEST(DriveTest, SavesByStepsAndByTheClock) {
  const RunFolder run = NewRun("run");
  ToyLoop loop;
  DriveOptions options = Steps(10);
  double now = 0;
  options.now = [&] { return now; };
  std::vector<std::string> saved;
  options.on_step = [&](const StepReport&) {
    now += 25;  // seconds; every_minutes is 1, so every third step is past it
    for (const std::string& name : Checkpoints(run)) {
      if (saved.empty() || name > saved.back()) saved.push_back(name);
    }
  };
  ASSERT_TRUE(Drive(loop, run, options).ok());
  EXPECT_THAT(saved, ElementsAre("step_000003", "step_000006", "step_000009"));
  EXPECT_THAT(Checkpoints(run), ElementsAre("step_000009", "step_000010"));
}

TEST(DriveTest, TheTimeLimitStopsWithACheckpointAndTheRunGoesOn) {
  const RunFolder run = NewRun("run");
  DriveOptions options = Steps(10);
  options.limits.max_minutes = 2;
  double now = 1000;
  options.now = [&] { return now; };
  options.on_step = [&](const StepReport&) { now += 40; };
  ToyLoop loop;
  const auto result = Drive(loop, run, options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->reason, StopReason::kMaxMinutes);
  EXPECT_EQ(result->num_steps, 3);
  ToyLoop again;
  EXPECT_EQ(Drive(again, run, options)->num_steps, 6) << "the limit is per process";
}

TEST(DriveTest, ASignalFinishesTheStepAndSaves) {
  const RunFolder run = NewRun("run");
  ToyLoop loop;
  DriveOptions options = Steps(10);
  bool stop = false;
  loop.interrupt = [&](int64_t step) { stop = stop || step == 4; };
  options.stop_requested = [&] { return stop; };
  const auto result = Drive(loop, run, options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->reason, StopReason::kSignal);
  EXPECT_THAT(Checkpoints(run), ElementsAre("step_000004"));
}

// A scripted score after each evaluation.
DriveOptions WithScores(std::vector<double> scores, int64_t max_steps) {
  DriveOptions options = Steps(max_steps);
  options.validation.every_steps = 2;
  options.evaluate = [scores = std::move(scores)](int64_t step) -> StatusOr<Evaluation> {
    return Evaluation{scores.at(static_cast<size_t>(step / 2)), {{"elbo", static_cast<double>(step)}}};
  };
  return options;
}

TEST(DriveTest, KeepsTheBestCheckpoint) {
  const RunFolder run = NewRun("run");
  ToyLoop loop;
  DriveOptions options = WithScores({0, 3, 2, 1, 2.5, 3}, 10);
  options.checkpoint.every_steps = 1;
  const auto result = Drive(loop, run, options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->best->step, 2);
  EXPECT_EQ(result->best->score, 3);
  EXPECT_THAT(Checkpoints(run), ElementsAre("step_000002", "step_000009", "step_000010"));
  EXPECT_EQ(BestCheckpoint(run.paths().checkpoints())->manifest.step, 2);
  const auto lines = ReadMetrics(run.paths().metrics());
  EXPECT_EQ((*lines)[0].kind, "eval") << "before the first step";
  EXPECT_EQ(*(*lines)[0].metrics.Find("elbo"), 0);
  EXPECT_EQ(lines->size(), 10u + 6u);
}

TEST(DriveTest, WhatWasThereBeforeTheFirstStepIsNeverTheBest) {
  const RunFolder run = NewRun("run");
  ToyLoop loop;
  const auto worse = Drive(loop, run, WithScores({5, 3}, 2));
  ASSERT_TRUE(worse.ok()) << worse.status();
  EXPECT_EQ(worse->best->step, 2);
  const RunFolder stopped_run = NewRun("stopped");
  ToyLoop stopped;
  ASSERT_TRUE(Drive(stopped, stopped_run, WithScores({5}, 1)).ok());
  EXPECT_EQ(BestCheckpoint(stopped_run.paths().checkpoints())->manifest.step, 1) << "no evaluation behind a step: the last one";
}

TEST(DriveTest, StopsEarlyAndStaysStopped) {
  const RunFolder run = NewRun("run");
  DriveOptions options = WithScores({0, 3, 3.05, 2, 9, 9}, 10);
  options.validation.patience = 2;
  options.validation.min_gain = 0.1;
  ToyLoop loop;
  const auto result = Drive(loop, run, options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->reason, StopReason::kPatience);
  EXPECT_EQ(result->num_steps, 6);
  EXPECT_EQ(result->best->step, 2);
  ToyLoop again;
  const auto resumed = Drive(again, run, options);
  EXPECT_EQ(resumed->reason, StopReason::kPatience);
  EXPECT_EQ(resumed->steps_taken, 0);
}

TEST(DriveTest, AnEvaluationThatASignalSkippedIsMadeUpFor) {
  const RunFolder straight = NewRun("straight"), broken = NewRun("broken");
  const DriveOptions options = WithScores({0, 1, 2, 3}, 6);
  ToyLoop loop;
  ASSERT_TRUE(Drive(loop, straight, options).ok());

  ToyLoop first, second;
  bool stop = false;
  first.interrupt = [&](int64_t step) { stop = stop || step == 4; };
  DriveOptions stopped = options;
  stopped.stop_requested = [&] { return stop; };
  ASSERT_EQ(Drive(first, broken, stopped)->num_steps, 4);
  ASSERT_TRUE(Drive(second, broken, options).ok());
  EXPECT_EQ(FolderContent(straight.paths().root), FolderContent(broken.paths().root));
}

TEST(DriveTest, AnExceptionNamesTheStepThePhaseAndTheLastCheckpoint) {
  const RunFolder run = NewRun("run");
  DriveOptions options = Steps(10);
  options.checkpoint.every_steps = 2;
  ToyLoop loop;
  loop.interrupt = [](int64_t step) {
    if (step == 6) throw std::bad_alloc();
  };
  const auto result = Drive(loop, run, options);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(result.status()), ContainsRegex("step_000004: step 6: out of memory at [0-9.]+ .iB \\(in forward\\)"));
  EXPECT_THAT(ReadFile(run.paths().history()).value(), HasSubstr(R"("event":"failed")"));
  EXPECT_THAT(Checkpoints(run), ElementsAre("step_000002", "step_000004"));

  ToyLoop torch_error;
  torch_error.interrupt = [](int64_t) { at::zeros({2}).matmul(at::zeros({3})); };
  EXPECT_THAT(Message(Drive(torch_error, run, options).status()), HasSubstr("step 5: "));
}

TEST(DriveTest, WhatAStepRefusesIsNoMistakeOfUsage) {
  class Diverged : public ToyLoop {
    StatusOr<StepMetrics> Step() override { return InvalidArgument("a logit is NaN"); }
  };
  const RunFolder run = NewRun("run");
  Diverged loop;
  const Status status = Drive(loop, run, Steps(2)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(Message(status), HasSubstr("there is no checkpoint: step 1: a logit is NaN"));
}

TEST(DriveTest, ARunThatHasLostItsCheckpointsSaysThatItStartsAgain) {
  const RunFolder run = NewRun("run");
  ToyLoop loop, again;
  std::string log;
  DriveOptions options = Steps(2);
  options.log = [&](std::string_view line) { log += std::string(line) + "\n"; };
  ASSERT_TRUE(Drive(loop, run, options).ok());
  EXPECT_EQ(log, "");
  ASSERT_TRUE(RemoveAll(run.paths().checkpoints() + "/" + CheckpointName(2)).ok());
  ASSERT_TRUE(Drive(again, run, options).ok());
  EXPECT_THAT(log, HasSubstr("starts again at step 0"));
  EXPECT_EQ(ReadMetrics(run.paths().metrics())->size(), 2u);
}

TEST(DriveTest, AnEvaluationMustGiveANumber) {
  const RunFolder run = NewRun("run");
  ToyLoop loop;
  const auto result = Drive(loop, run, WithScores({std::nan("")}, 2));
  EXPECT_THAT(Message(result.status()), HasSubstr("evaluation after step 0: the score is nan"));
  DriveOptions nothing = Steps(2);
  nothing.validation.every_steps = 1;
  ToyLoop other;
  EXPECT_EQ(Drive(other, run, nothing).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(DriveTest, WithoutAScoreThereIsNoBestCheckpoint) {
  const RunFolder run = NewRun("run");
  ToyLoop loop;
  DriveOptions options = Steps(6);
  options.validation.every_steps = 2;
  options.evaluate = [](int64_t step) -> StatusOr<Evaluation> { return Evaluation{{}, {{"elbo", -static_cast<double>(step)}}}; };
  const auto result = Drive(loop, run, options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->best.has_value());
  EXPECT_EQ(BestCheckpoint(run.paths().checkpoints())->manifest.step, 6) << "the last one";
  EXPECT_THAT(ReadFile(run.paths().metrics()).value(), Not(HasSubstr("score")));
  options.validation.patience = 1;
  options.limits.max_steps = 8;
  ToyLoop again;
  EXPECT_THAT(Message(Drive(again, run, options).status()), HasSubstr("no score that validation.patience could count by"));
}

TEST(DriveTest, ARunOnAnotherModelIsRefused) {
  const RunFolder run = NewRun("run");
  ToyLoop loop, other, same;
  DriveOptions options = Steps(2);
  options.identity = {{"weights", "a"}};
  ASSERT_TRUE(Drive(loop, run, options).ok());
  options.limits.max_steps = 4;
  options.identity = {{"weights", "b"}};
  const auto refused = Drive(other, run, options);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(refused.status()), HasSubstr("was trained on something else than what is there now: weights: a -> b"));
  options.identity = {{"weights", "a"}};
  EXPECT_TRUE(Drive(same, run, options).ok());
}

TEST(DriveTest, ASignalInAnEvaluationLosesNothing) {
  const RunFolder straight = NewRun("straight"), broken = NewRun("broken");
  const DriveOptions options = WithScores({0, 1, 2, 3}, 6);
  ToyLoop loop;
  ASSERT_TRUE(Drive(loop, straight, options).ok());

  // The evaluation after the last step is given up by a signal: the run is not finished.
  ToyLoop first, second;
  bool stop = false;
  DriveOptions stopped = options;
  stopped.stop_requested = [&] { return stop; };
  stopped.evaluate = [&](int64_t step) -> StatusOr<Evaluation> {
    stop = step == 6;
    if (stop) return Cancelled("stopped");
    return options.evaluate(step);
  };
  const auto result = Drive(first, broken, stopped);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->reason, StopReason::kSignal);
  ASSERT_TRUE(Drive(second, broken, options).ok());
  EXPECT_EQ(FolderContent(straight.paths().root), FolderContent(broken.paths().root));
}

TEST(DriveTest, OtherConditionsAreSaidAndRecorded) {
  const RunFolder run = NewRun("run");
  ToyLoop loop, again;
  ASSERT_TRUE(Drive(loop, run, Steps(2)).ok());
  DriveOptions options = Steps(4);
  options.environment["threads"] = "4";
  std::string log;
  options.log = [&](std::string_view line) { log += std::string(line) + "\n"; };
  ASSERT_TRUE(Drive(again, run, options).ok());
  EXPECT_THAT(log, HasSubstr("threads: 2 -> 4"));
  EXPECT_THAT(ReadFile(run.paths().history()).value(), HasSubstr(R"("differences":["threads: 2 -> 4"])"));
}

}  // namespace
}  // namespace gfn
