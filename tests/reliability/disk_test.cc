// A disk that is full and a folder that cannot be written: a clear error, and the last checkpoint stands. Both need a mount of
// their own in a namespace of this process; where the system refuses it the tests say so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>

#include "gflownet/base/file_util.h"
#include "gflownet/train/checkpoint.h"
#include "tests/reliability/gfn_process.h"
#include "tests/reliability/tiny_run.h"

namespace gfn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// From here on mounts of this process are seen by it and its children alone. The reason where that is refused.
std::string OwnMounts() {
  if (unshare(CLONE_NEWNS) != 0) return std::string("a mount namespace is refused: ") + std::strerror(errno);
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return std::string("private mounts are refused: ") + std::strerror(errno);
  return "";
}

class Mount {
 public:
  ~Mount() {
    if (mounted_) umount2(place_.c_str(), MNT_DETACH);
  }
  std::string Tmpfs(const std::string& place, const std::string& options) {
    return Done(place, mount("tmpfs", place.c_str(), "tmpfs", 0, options.c_str()) == 0);
  }
  std::string ReadOnly(const std::string& place) {
    return Done(place, mount(place.c_str(), place.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
                           mount(nullptr, place.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0);
  }

 private:
  std::string Done(const std::string& place, bool ok) {
    const std::string reason = ok ? "" : std::string("a mount is refused: ") + std::strerror(errno);
    place_ = place;
    mounted_ = ok;
    return reason;
  }
  std::string place_;
  bool mounted_ = false;
};

TEST(Disk, AFullOneEndsTheRunWithAClearErrorAndTheLastCheckpointIntact) {
  if (const std::string reason = OwnMounts(); !reason.empty()) GTEST_SKIP() << reason;
  const TinyRun tiny;
  ASSERT_TRUE(MakeFolders(tiny / "small").ok());
  Mount small;
  if (const std::string reason = small.Tmpfs(tiny / "small", "size=1m"); !reason.empty()) GTEST_SKIP() << reason;

  // Every checkpoint is kept until none fits any more.
  const std::vector<std::string> keys = {"checkpoint.every_steps=1", "checkpoint.keep=1000000"};
  std::vector<std::string> endless = keys;
  endless.push_back("train.max_steps=1000000");
  const GfnResult full = RunGfn(tiny.folder(), TinyRun::Train("small/run", endless));
  EXPECT_EQ(full.exit_code, 1) << full.err;
  EXPECT_THAT(full.err,
              AllOf(HasSubstr("No space left on device"), HasSubstr("the last checkpoint is small/run/checkpoints/step_")));
  const auto found = LatestValidCheckpoint(tiny.checkpoints("small/run"));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->rejected.empty()) << found->rejected[0].reason;
  const int64_t last = found->manifest.step;
  EXPECT_GT(last, 1);
  const auto checkpoints = ListCheckpoints(tiny.checkpoints("small/run")).value();
  for (const CheckpointHealth& health : checkpoints) EXPECT_TRUE(health.status.ok()) << health.status;
  const auto names = ListFolder(tiny.checkpoints("small/run")).value();
  for (const std::string& name : names) EXPECT_THAT(name, testing::StartsWith("step_"));

  // With room made the run goes on, and its result is that of a run that always had room.
  for (int64_t step = 0; step < last - 1; ++step) {
    ASSERT_TRUE(RemoveAll(tiny.checkpoints("small/run") + "/" + CheckpointName(step)).ok());
  }
  std::vector<std::string> to_end = {"checkpoint.every_steps=1", "checkpoint.keep=2",
                                     "train.max_steps=" + std::to_string(last + 2)};
  const GfnResult resumed = RunGfn(tiny.folder(), TinyRun::Train("small/run", to_end, true));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  const GfnResult straight = RunGfn(tiny.folder(), TinyRun::Train("straight", to_end));
  ASSERT_EQ(straight.exit_code, 0) << straight.err;
  EXPECT_EQ(RunState(tiny / "small/run", last + 2), RunState(tiny / "straight", last + 2));
}

TEST(Disk, AFullOneAtTheStartIsAClearErrorToo) {
  if (const std::string reason = OwnMounts(); !reason.empty()) GTEST_SKIP() << reason;
  const TinyRun tiny;
  ASSERT_TRUE(MakeFolders(tiny / "small").ok());
  Mount small;
  if (const std::string reason = small.Tmpfs(tiny / "small", "size=4k"); !reason.empty()) GTEST_SKIP() << reason;
  const GfnResult result = RunGfn(tiny.folder(), TinyRun::Train("small/run"));
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("No space left on device"));
}

TEST(Disk, AReadOnlyFolderIsRefusedAndItsRunStaysReadable) {
  if (const std::string reason = OwnMounts(); !reason.empty()) GTEST_SKIP() << reason;
  const TinyRun tiny;
  ASSERT_EQ(RunGfn(tiny.folder(), TinyRun::Train("run", {"train.max_steps=3"})).exit_code, 0);
  const std::string before = RunState(tiny / "run", 3);
  ASSERT_TRUE(MakeFolders(tiny / "empty").ok());
  Mount run, empty;
  for (const std::string& reason : {run.ReadOnly(tiny / "run"), empty.ReadOnly(tiny / "empty")}) {
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
  const GfnResult resumed = RunGfn(tiny.folder(), TinyRun::Train("run", {"train.max_steps=6"}, true));
  EXPECT_EQ(resumed.exit_code, 1);
  EXPECT_THAT(resumed.err, AllOf(HasSubstr("run/"), HasSubstr("Read-only file system")));
  const GfnResult fresh = RunGfn(tiny.folder(), TinyRun::Train("empty/run"));
  EXPECT_EQ(fresh.exit_code, 1);
  EXPECT_THAT(fresh.err, AllOf(HasSubstr("empty/run"), HasSubstr("Read-only file system")));
  EXPECT_EQ(RunState(tiny / "run", 3), before);
  EXPECT_EQ(RunGfn(tiny.folder(), {"describe", "run"}).exit_code, 0);
  EXPECT_EQ(RunGfn(tiny.folder(), {"sample", "run", "--input", "stories.jsonl", "--num", "2"}).exit_code, 0);
}

}  // namespace
}  // namespace gfn
