#include "gflownet/train/lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gflownet/base/file_util.h"
#include "gflownet/train/toy_loop.h"

namespace gfn {
namespace {

using ::testing::HasSubstr;

std::string LockPath() {
  const std::string folder = NewFolder("run");
  EXPECT_TRUE(MakeFolders(folder).ok());
  return folder + "/lock";
}

// A child process that takes the lock and holds it until it is killed.
class Holder {
 public:
  explicit Holder(const std::string& path) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    pid_ = fork();
    if (pid_ == 0) {
      const auto lock = RunLock::Acquire(path);
      const char answer = lock.ok() ? 'y' : 'n';
      if (write(ready[1], &answer, 1) != 1) _exit(1);
      for (;;) pause();
    }
    char answer = 0;
    EXPECT_EQ(read(ready[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    close(ready[0]);
    close(ready[1]);
  }
  void Kill() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST(LockTest, TheSecondProcessIsRefusedWithTheHoldersNumber) {
  const std::string path = LockPath();
  Holder holder(path);
  const auto second = RunLock::Acquire(path);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(second.status()), HasSubstr("in use by process " + std::to_string(holder.pid()) + " on "));
  // Being refused took nothing away from the holder.
  EXPECT_THAT(Message(RunLock::Acquire(path).status()), HasSubstr(std::to_string(holder.pid())));
  holder.Kill();
}

TEST(LockTest, TheLockOfAKilledProcessIsTakenOver) {
  const std::string path = LockPath();
  Holder holder(path);
  holder.Kill();
  const auto lock = RunLock::Acquire(path);
  ASSERT_TRUE(lock.ok()) << lock.status();
  ASSERT_TRUE(lock->taken_over().has_value());
  EXPECT_EQ(lock->taken_over()->pid, holder.pid());
  EXPECT_FALSE(IsAlive(*lock->taken_over()));
}

TEST(LockTest, ReleasedInOrderThereIsNothingToTakeOver) {
  const std::string path = LockPath();
  { ASSERT_TRUE(RunLock::Acquire(path).ok()); }
  auto lock = RunLock::Acquire(path);
  ASSERT_TRUE(lock.ok());
  EXPECT_FALSE(lock->taken_over().has_value());
  const RunLock moved = std::move(*lock);
  EXPECT_THAT(Message(RunLock::Acquire(path).status()), HasSubstr("in use by process " + std::to_string(getpid())));
}

TEST(LockTest, AFileThatNamesNobodyIsNoObstacle) {
  const std::string path = LockPath();
  for (const char* content : {"", "garbage", "{}", R"({"pid": "x", "host": 3})", "[1, 2]"}) {
    ASSERT_TRUE(WriteFileAtomic(path, content).ok());
    const auto lock = RunLock::Acquire(path);
    ASSERT_TRUE(lock.ok()) << content << ": " << lock.status();
    EXPECT_FALSE(lock->taken_over().has_value());
  }
}

TEST(LockTest, AliveMeansThisHostThisNumberAndThisStart) {
  const LockHolder self = ThisProcess();
  EXPECT_GT(self.start_ticks, 0);
  EXPECT_TRUE(IsAlive(self));
  LockHolder recycled = self;
  recycled.start_ticks += 1;
  EXPECT_FALSE(IsAlive(recycled)) << "another process that got the same number";
  LockHolder elsewhere = self;
  elsewhere.host = "another-host";
  EXPECT_FALSE(IsAlive(elsewhere));
  EXPECT_FALSE(IsAlive({.pid = 0, .host = self.host, .start_ticks = 0, .since = ""}));
}

TEST(LockTest, AFolderThatIsNotThereIsAnError) {
  EXPECT_THAT(Message(RunLock::Acquire(LockPath() + "/no/lock").status()), HasSubstr("cannot open for locking"));
}

TEST(LockTest, ALinkIsNotFollowed) {
  const std::string path = LockPath(), precious = ParentFolder(path) + "/precious";
  ASSERT_TRUE(WriteFileAtomic(precious, "thesis").ok());
  ASSERT_EQ(symlink(precious.c_str(), path.c_str()), 0);
  EXPECT_THAT(Message(RunLock::Acquire(path).status()), HasSubstr("cannot open for locking"));
  EXPECT_EQ(ReadFile(precious).value(), "thesis");
  EXPECT_FALSE(CanBeLock(path));
}

TEST(LockTest, OnlyAnEmptyFileOrOneThatNamesAHolderCanBeALock) {
  const std::string path = LockPath();
  EXPECT_FALSE(CanBeLock(path)) << "there is none";
  ASSERT_TRUE(WriteFileAtomic(path, "").ok());
  EXPECT_TRUE(CanBeLock(path));
  ASSERT_TRUE(WriteFileAtomic(path, "combination: 4711\n").ok());
  EXPECT_FALSE(CanBeLock(path));
  ASSERT_TRUE(WriteFileAtomic(path, R"({"host":"h","pid":1,"since":"2025-01-31T12:00:00Z","start_ticks":4})").ok());
  EXPECT_TRUE(CanBeLock(path));
  EXPECT_FALSE(CanBeLock(ParentFolder(path)));
}

TEST(LockTest, RemoveTakesTheFileAway) {
  const std::string path = LockPath();
  {
    auto lock = RunLock::Acquire(path);
    ASSERT_TRUE(lock.ok()) << lock.status();
    EXPECT_TRUE(lock->is_new());
    lock->Remove();
    EXPECT_FALSE(FileExists(path));
  }
  ASSERT_TRUE(WriteFileAtomic(path, "").ok());
  EXPECT_FALSE(RunLock::Acquire(path)->is_new());
  EXPECT_TRUE(FileExists(path)) << "released, not removed";
}

}  // namespace
}  // namespace gfn
