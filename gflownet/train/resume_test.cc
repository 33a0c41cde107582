// A run that is killed, at any moment and in any way, ends with the same bytes as one that was not.
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "gflownet/base/file_util.h"
#include "gflownet/base/rng.h"
#include "gflownet/train/drive.h"
#include "gflownet/train/toy_loop.h"

namespace gfn {
namespace {

using ::testing::HasSubstr;

class ResumeTest : public testing::Test {
 protected:
  // One thread: a forked child has none of its parent's worker threads.
  void SetUp() override { at::set_num_threads(1); }
};

DriveOptions Options(const ToyLoop& loop, int64_t max_steps, int64_t every_steps) {
  DriveOptions options;
  options.limits.max_steps = max_steps;
  options.checkpoint.every_steps = every_steps;
  options.validation.every_steps = 4;
  options.evaluate = [&loop](int64_t) -> StatusOr<Evaluation> { return Evaluation{loop.Score(), {}}; };
  return options;
}

// Goes on with the run in this process, to its end.
void Finish(const std::string& path, int64_t max_steps, int64_t every_steps) {
  const auto run = RunFolder::Open(path);
  ASSERT_TRUE(run.ok()) << run.status();
  ToyLoop loop;
  DriveOptions options = Options(loop, max_steps, every_steps);
  options.log = [](std::string_view line) { EXPECT_THAT(std::string(line), testing::Not(HasSubstr("damaged"))); };
  const auto result = Drive(loop, *run, options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->num_steps, max_steps);
}

std::string StraightRun(int64_t max_steps, int64_t every_steps) {
  const std::string path = NewRun("straight").paths().root;
  Finish(path, max_steps, every_steps);
  return FolderContent(path);
}

using Prepare = std::function<void(ToyLoop&, DriveOptions&)>;

// Runs the driver in a child process that `prepare` may arm.
pid_t StartChild(const std::string& path, int64_t max_steps, int64_t every_steps, const Prepare& prepare) {
  const pid_t child = fork();
  if (child != 0) return child;
  const auto run = RunFolder::Open(path);
  ToyLoop loop;
  DriveOptions options = Options(loop, max_steps, every_steps);
  prepare(loop, options);
  _exit(run.ok() && Drive(loop, *run, options).ok() ? 0 : 1);
}

// The same, to its end; returns its wait status.
int DriveInChild(const std::string& path, int64_t max_steps, int64_t every_steps, const Prepare& prepare) {
  const pid_t child = StartChild(path, max_steps, every_steps, prepare);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

void KillSelf() {
  kill(getpid(), SIGKILL);
  pause();
}

TEST_F(ResumeTest, SixStepsStraightEqualThreeAndAKillAndThree) {
  const std::string straight = StraightRun(6, 3);
  const std::string path = NewRun("killed").paths().root;
  const int status = DriveInChild(path, 6, 3, [](ToyLoop&, DriveOptions& options) {
    options.on_step = [](const StepReport& report) {
      if (report.step == 5) KillSelf();
    };
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_NE(FolderContent(path), straight);
  Finish(path, 6, 3);
  EXPECT_EQ(FolderContent(path), straight);
}

TEST_F(ResumeTest, AKillInTheMiddleOfWritingCostsOnlyThatCheckpoint) {
  const std::string straight = StraightRun(9, 3);
  const std::string path = NewRun("killed").paths().root;
  const int status = DriveInChild(path, 9, 3, [](ToyLoop& loop, DriveOptions&) {
    loop.interrupt = [saves = 0](int64_t step) mutable {
      if (step == 0 && ++saves == 4) KillSelf();  // step 0 (evaluated), 3, 4 (evaluated), and then 6
    };
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(FolderExists(path + "/checkpoints/unfinished_step_000006"));
  EXPECT_EQ(LatestValidCheckpoint(path + "/checkpoints")->manifest.step, 4);
  Finish(path, 9, 3);
  EXPECT_EQ(FolderContent(path), straight);
}

// Lets a child take its first step, and kills it `wait` microseconds later. False if it was done before.
bool KillAfterFirstStep(const std::string& path, int64_t max_steps, useconds_t wait) {
  int ready[2];
  EXPECT_EQ(pipe(ready), 0);
  const pid_t child = StartChild(path, max_steps, 1, [&](ToyLoop&, DriveOptions& options) {
    options.on_step = [&ready](const StepReport&) { EXPECT_EQ(write(ready[1], "x", 1), 1); };
  });
  close(ready[1]);
  char answer = 0;
  EXPECT_EQ(read(ready[0], &answer, 1), 1);
  usleep(wait);
  kill(child, SIGKILL);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  close(ready[0]);
  return WIFSIGNALED(status);
}

TEST_F(ResumeTest, TwentyKillsAtRandomMomentsChangeNothing) {
  constexpr int64_t kSteps = 1000000;  // more than twenty lives get through
  // The moments are spread over four steps, whatever a step with its checkpoint costs on this disk.
  const auto begin = std::chrono::steady_clock::now();
  StraightRun(5, 1);
  const std::chrono::duration<double, std::micro> five_steps = std::chrono::steady_clock::now() - begin;
  const auto longest_wait = static_cast<int64_t>(five_steps.count() * 4 / 5) + 1;
  const std::string path = NewRun("killed").paths().root;
  int64_t last = 0;
  int in_the_middle_of_writing = 0;
  for (uint64_t life = 0; life < 20; ++life) {
    const auto wait = static_cast<useconds_t>(UniformInt({5, RngPurpose::kTest, life}, 0, 0, longest_wait));
    ASSERT_TRUE(KillAfterFirstStep(path, kSteps, wait));
    const std::vector<std::string> names = ListFolder(path + "/checkpoints").value();
    for (const std::string& name : names) {
      in_the_middle_of_writing += name.starts_with("unfinished_") ? 1 : 0;
    }
    const auto found = LatestValidCheckpoint(path + "/checkpoints");
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_TRUE(found->rejected.empty()) << found->rejected[0].reason;
    EXPECT_GE(found->manifest.step, last) << "nothing that was saved is ever lost";
    last = found->manifest.step;
  }
  std::printf("20 kills, %d in the middle of writing a checkpoint, %lld steps saved\n", in_the_middle_of_writing,
              static_cast<long long>(last));
  EXPECT_GT(last, 0);
  Finish(path, last + 5, 1);
  EXPECT_EQ(FolderContent(path), StraightRun(last + 5, 1));
}

TEST_F(ResumeTest, ADamagedCheckpointIsSetAsideAndTheResultIsTheSame) {
  const std::string straight = StraightRun(9, 3);
  const std::string path = NewRun("damaged").paths().root;
  Finish(path, 6, 3);
  const std::string weights = path + "/checkpoints/step_000006/parameters.safetensors";
  std::string content = ReadFile(weights).value();
  content.back() ^= 1;
  ASSERT_TRUE(WriteFileAtomic(weights, content).ok());

  const auto run = RunFolder::Open(path);
  ToyLoop loop;
  std::string log;
  DriveOptions options = Options(loop, 9, 3);
  options.log = [&](std::string_view line) { log += line; };
  ASSERT_TRUE(Drive(loop, *run, options).ok());
  EXPECT_THAT(log, HasSubstr("rejected_step_000006: " + weights + ": its content has checksum"));
  ASSERT_TRUE(RemoveAll(path + "/checkpoints/rejected_step_000006").ok());
  EXPECT_EQ(FolderContent(path), straight);
}

TEST_F(ResumeTest, ARunGoesOnInAnotherFolder) {
  const std::string straight = StraightRun(6, 3);
  const std::string here = NewRun("here").paths().root;
  const int status = DriveInChild(here, 6, 3, [](ToyLoop&, DriveOptions& options) {
    options.on_step = [](const StepReport& report) {
      if (report.step == 4) KillSelf();
    };
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  const std::string there = NewFolder("there");
  ASSERT_EQ(rename(here.c_str(), there.c_str()), 0);
  Finish(there, 6, 3);
  EXPECT_EQ(FolderContent(there), straight);
}

TEST_F(ResumeTest, AFullDiskEndsWithAClearErrorAndTheLastCheckpointIntact) {
  const std::string path = NewRun("full").paths().root;
  {
    const auto run = RunFolder::Open(path);
    ToyLoop loop(40000);
    DriveOptions options = Options(loop, 3, 3);
    options.validation.every_steps = 0;
    ASSERT_TRUE(Drive(loop, *run, options).ok());
  }
  const std::string before = FolderContent(path + "/checkpoints");

  // Files may grow to 64 KiB: metrics fit, the 160 KB of parameters do not.
  struct rlimit old_limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = old_limit;
  small.rlim_cur = 64 << 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  StatusOr<DriveResult> result = Internal("not run");
  {
    const auto run = RunFolder::Open(path);
    ToyLoop loop(40000);
    DriveOptions options = Options(loop, 6, 3);
    options.validation.every_steps = 0;
    result = Drive(loop, *run, options);
  }
  setrlimit(RLIMIT_FSIZE, &old_limit);
  signal(SIGXFSZ, old_handler);

  EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted) << result.status();
  EXPECT_THAT(Message(result.status()), HasSubstr("step_000003: checkpoint of step 6: "));
  EXPECT_THAT(Message(result.status()), HasSubstr("parameters.safetensors"));
  EXPECT_EQ(FolderContent(path + "/checkpoints"), before);
}

TEST_F(ResumeTest, AReadOnlyFolderEndsWithAClearErrorAndTheLastCheckpointIntact) {
  const std::string path = NewRun("read_only").paths().root;
  Finish(path, 3, 3);
  const std::string before = FolderContent(path);
  {
    const auto run = RunFolder::Open(path);
    ToyLoop loop;
    ASSERT_EQ(chmod((path + "/checkpoints").c_str(), 0555), 0);
    // Root may write anywhere, so it becomes somebody who may write the logs only.
    const bool is_root = geteuid() == 0;
    for (const char* name : {"metrics.jsonl", "timing.jsonl", "history.jsonl"}) {
      if (is_root) {
        ASSERT_EQ(chown((path + "/" + name).c_str(), 65534, 65534), 0);
      }
    }
    ASSERT_EQ(is_root ? seteuid(65534) : 0, 0);
    const auto result = Drive(loop, *run, Options(loop, 6, 3));
    ASSERT_EQ(is_root ? seteuid(0) : 0, 0);
    ASSERT_EQ(chmod((path + "/checkpoints").c_str(), 0755), 0);
    EXPECT_FALSE(result.ok());
    EXPECT_THAT(Message(result.status()), HasSubstr("Permission denied"));
  }
  EXPECT_EQ(LatestValidCheckpoint(path + "/checkpoints")->manifest.step, 3);
  Finish(path, 6, 3);
  EXPECT_EQ(FolderContent(path), StraightRun(6, 3));
}

TEST_F(ResumeTest, TheSecondProcessOnARunIsRefused) {
  const RunFolder run = NewRun("shared");
  const int status = DriveInChild(run.paths().root, 3, 1, [](ToyLoop&, DriveOptions&) {});
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_FALSE(FileExists(run.paths().metrics()));
}

}  // namespace
}  // namespace gfn
