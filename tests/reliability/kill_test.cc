// The binary killed and resumed: what it leaves equals, byte for byte, what an undisturbed run leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "gflownet/base/file_util.h"
#include "gflownet/base/rng.h"
#include "gflownet/train/checkpoint.h"
#include "tests/reliability/gfn_process.h"
#include "tests/reliability/tiny_run.h"

namespace gfn {
namespace {

using testing::HasSubstr;

// Runs to the end of `max_steps` and answers for success.
void Finish(const TinyRun& tiny, const std::string& run, std::vector<std::string> keys, int64_t max_steps, bool resume) {
  keys.push_back("train.max_steps=" + std::to_string(max_steps));
  const GfnResult result = RunGfn(tiny.folder(), TinyRun::Train(run, keys, resume));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("finished after " + std::to_string(max_steps) + " steps"));
}

TEST(Kill, SixStepsStraightEqualThreeAndAKillAndThree) {
  const TinyRun tiny;
  Finish(tiny, "straight", {}, 6, false);
  {
    GfnProcess process(tiny.folder(), TinyRun::Train("killed", {"train.max_steps=1000000"}));
    ASSERT_TRUE(process.WaitFor([&] { return FolderExists(tiny.checkpoints("killed") + "/step_000003"); })) << process.Err();
    process.Signal(SIGKILL);
    ASSERT_EQ(process.Wait(), -SIGKILL);
  }
  // As if the kill had come at once: what it did after step 3 is gone.
  const auto names = ListFolder(tiny.checkpoints("killed")).value();
  for (const std::string& name : names) {
    if (name > "step_000003") {
      ASSERT_TRUE(RemoveAll(tiny.checkpoints("killed") + "/" + name).ok());
    }
  }
  ASSERT_NE(RunState(tiny / "killed", 6), RunState(tiny / "straight", 6));
  Finish(tiny, "killed", {}, 6, true);
  EXPECT_EQ(RunState(tiny / "killed", 6), RunState(tiny / "straight", 6));
}

TEST(Kill, TwentyKillsAtRandomMomentsChangeNothing) {
  const TinyRun tiny;
  const std::vector<std::string> keys = {"checkpoint.every_steps=1", "checkpoint.keep=2"};
  std::vector<std::string> endless = keys;
  endless.push_back("train.max_steps=1000000");
  int64_t last = -1;
  int in_the_middle_of_writing = 0;
  for (uint64_t life = 0; life < 20; ++life) {
    GfnProcess process(tiny.folder(), TinyRun::Train("killed", endless, life > 0));
    // Every other life is killed within its first steps, the others while they start, load, simulate or evaluate, too.
    if (life % 2 == 0) {
      const auto moved = [&] {
        const auto found = LatestValidCheckpoint(tiny.checkpoints("killed"));
        return found.ok() && found->manifest.step > last;
      };
      ASSERT_TRUE(process.WaitFor(moved)) << process.Err();
    }
    usleep(static_cast<useconds_t>(UniformInt({7, RngPurpose::kTest, life}, 0, 0, life % 2 == 0 ? 50000 : 700000)));
    process.Signal(SIGKILL);
    ASSERT_EQ(process.Wait(), -SIGKILL) << process.Err();
    const auto names = ListFolder(tiny.checkpoints("killed")).value();
    for (const std::string& name : names) {
      in_the_middle_of_writing += name.starts_with("unfinished_") ? 1 : 0;
    }
    const auto found = LatestValidCheckpoint(tiny.checkpoints("killed"));
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_TRUE(found->rejected.empty()) << found->rejected[0].reason;
    EXPECT_GE(found->manifest.step, last) << "nothing that was saved is ever lost";
    last = found->manifest.step;
  }
  std::printf("20 kills, %d in the middle of writing a checkpoint, %lld steps saved\n", in_the_middle_of_writing,
              static_cast<long long>(last));
  ASSERT_GT(last, 0);
  Finish(tiny, "killed", keys, last + 3, true);
  Finish(tiny, "straight", keys, last + 3, false);
  EXPECT_EQ(RunState(tiny / "killed", last + 3), RunState(tiny / "straight", last + 3));
}

TEST(Kill, ARunGoesOnInAnotherFolder) {
  const TinyRun tiny;
  Finish(tiny, "straight", {}, 6, false);
  Finish(tiny, "here", {}, 3, false);
  ASSERT_EQ(rename((tiny / "here").c_str(), (tiny / "there").c_str()), 0);
  Finish(tiny, "there", {}, 6, true);
  EXPECT_EQ(RunState(tiny / "there", 6), RunState(tiny / "straight", 6));
  const GfnResult described = RunGfn(tiny.folder(), {"describe", "there"});
  EXPECT_EQ(described.exit_code, 0) << described.err;
  EXPECT_THAT(described.out,
              testing::AllOf(HasSubstr("no process is at work in it"), HasSubstr("healthy"), HasSubstr("trained on, weights")));
}

TEST(Kill, TheSecondProcessIsRefusedAndTheLockOfADeadOneIsTakenOver) {
  const TinyRun tiny;
  GfnProcess first(tiny.folder(), TinyRun::Train("run", {"train.max_steps=1000000"}));
  ASSERT_TRUE(first.WaitFor([&] { return FolderExists(tiny.checkpoints("run") + "/step_000003"); })) << first.Err();
  const GfnResult second = RunGfn(tiny.folder(), TinyRun::Train("run", {"train.max_steps=1000000"}, true));
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr("run: in use by process " + std::to_string(first.pid())));
  ASSERT_TRUE(first.IsRunning()) << "the refused one must not disturb it";
  first.Signal(SIGKILL);
  ASSERT_EQ(first.Wait(), -SIGKILL);
  const int64_t step = LatestValidCheckpoint(tiny.checkpoints("run"))->manifest.step;
  const GfnResult third = RunGfn(tiny.folder(), TinyRun::Train("run", {"train.max_steps=" + std::to_string(step + 1)}, true));
  EXPECT_EQ(third.exit_code, 0) << third.err;
  EXPECT_THAT(third.err, HasSubstr("took over the run from process " + std::to_string(first.pid())));
}

}  // namespace
}  // namespace gfn
