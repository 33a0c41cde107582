#include "gflownet/base/progress.h"

#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gfn {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

ProgressState Example() {
  return {.label = "train",
          .step = 41,
          .total = 100,
          .numbers = {{"loss", 3.21}, {"spread", 2.9}},
          .tokens_per_second = 512,
          .seconds = 40,
          .seconds_left = 58};
}

TEST(RenderProgressTest, TakesTheWidthItHas) {
  EXPECT_EQ(RenderProgress(Example(), 100),
            "train  [============>                 ]  41/100  loss 3.21  spread 2.9  512 tok/s  58.0 s left");
  const std::string narrow = RenderProgress(Example(), 72);
  EXPECT_LE(narrow.size(), 72u);
  EXPECT_THAT(narrow, HasSubstr("spread 2.9  512 tok/s  58.0 s left"));
  EXPECT_THAT(narrow, HasSubstr("["));
  EXPECT_EQ(RenderProgress(Example(), 40), "train  [====>     ]  41/100  58.0 s left");
  for (int width = 1; width < 120; ++width) EXPECT_LE(RenderProgress(Example(), width).size(), static_cast<size_t>(width));
}

TEST(RenderProgressTest, WithoutWidthNoBar) {
  EXPECT_EQ(RenderProgress(Example(), 0), "train  41/100  loss 3.21  spread 2.9  512 tok/s  58.0 s left");
}

TEST(RenderProgressTest, WithoutTotalNoBarAndTheTimeSpent) {
  EXPECT_EQ(RenderProgress({.label = "read", .step = 7, .numbers = {}, .seconds = 75}, 80), "read  7  1:15");
}

TEST(RenderProgressTest, BeyondTheTotalTheBarIsFull) {
  ProgressState state = Example();
  state.step = 120;
  EXPECT_THAT(RenderProgress(state, 100), HasSubstr("[==============================]"));
}

// A progress that writes into a text and whose clock is set by hand.
struct Screen {
  std::ostringstream text;
  double now = 1000;
  ProgressOptions Options(int columns) {
    return {.out = &text, .terminal_columns = columns, .redraw_seconds = 0.5, .line_seconds = 10, .now = [this] { return now; }};
  }
  std::string Take() {
    std::string taken = text.str();
    text.str("");
    return taken;
  }
};

TEST(ProgressTest, AStepThatWasTakenBeforeTheStartCounts) {
  Screen screen;
  ProgressOptions options = screen.Options(0);
  options.seconds_before = 2;
  Progress progress("train", 100, 6, options);
  progress.Update(7, {}, 100);
  EXPECT_EQ(screen.Take(), "train  7/100  50 tok/s  3:06 left\n");
}

TEST(ProgressTest, PlainLinesAtIntervals) {
  Screen screen;
  Progress progress("train", 100, 0, screen.Options(0));
  EXPECT_EQ(screen.Take(), "");
  screen.now += 1;
  progress.Update(1, {{"loss", 5}}, 100);
  EXPECT_EQ(screen.Take(), "train  1/100  loss 5  100 tok/s  1:39 left\n");  // the first at once
  for (int step = 2; step <= 10; ++step) {
    screen.now += 1;
    progress.Update(step, {{"loss", 5}}, 100);
  }
  EXPECT_EQ(screen.Take(), "");
  screen.now += 1;
  progress.Update(11, {{"loss", 4}}, 100);
  EXPECT_EQ(screen.Take(), "train  11/100  loss 4  100 tok/s  1:29 left\n");
  progress.Print("saved a checkpoint");
  EXPECT_EQ(screen.Take(), "saved a checkpoint\n");
  screen.now += 1;
  progress.Update(12, {{"loss", 3}}, 100);
  progress.Finish();
  EXPECT_EQ(screen.Take(), "train  12/100  loss 3  100 tok/s  1:28 left\n");
  progress.Finish();
  progress.Update(13);
  EXPECT_EQ(screen.Take(), "");
}

TEST(ProgressTest, OneLineRedrawnOnATerminal) {
  Screen screen;
  Progress progress("train", 100, 0, screen.Options(80));
  screen.now += 0.1;
  progress.Update(1);
  EXPECT_THAT(screen.Take(), StartsWith("\r\033[Ktrain  [>"));
  screen.now += 0.1;
  progress.Update(2);
  EXPECT_EQ(screen.Take(), "");
  screen.now += 0.5;
  progress.Update(3);
  const std::string drawn = screen.Take();
  EXPECT_THAT(drawn, HasSubstr("3/100"));
  EXPECT_THAT(drawn, Not(HasSubstr("\n")));
  progress.Print("a message");
  const std::string printed = screen.Take();
  EXPECT_THAT(printed, StartsWith("\r\033[Ka message\n\r\033[Ktrain"));
  progress.Finish();
  EXPECT_THAT(screen.Take(), EndsWith("\n"));
}

TEST(ProgressTest, AResumedRunEstimatesFromItsOwnSteps) {
  Screen screen;
  Progress progress("train", 100, /*first_step=*/90, screen.Options(0));
  screen.now += 10;
  progress.Update(95);
  EXPECT_EQ(screen.Take(), "train  95/100  10.0 s left\n");
}

TEST(ProgressTest, NothingDoneNothingShown) {
  Screen screen;
  { Progress progress("train", 100, 0, screen.Options(80)); }
  EXPECT_EQ(screen.Take(), "");
}

TEST(ProgressTest, TheDestructorFinishes) {
  Screen screen;
  {
    Progress progress("train", 10, 0, screen.Options(80));
    progress.Update(10);
  }
  EXPECT_THAT(screen.Take(), EndsWith("\n"));
}

}  // namespace
}  // namespace gfn
