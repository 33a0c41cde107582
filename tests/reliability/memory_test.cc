// Memory: what cannot fit is refused before the first step with the keys to lower, and what turns out too large ends the run with
// the phase and the size, the last checkpoint intact.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "gflownet/base/file_util.h"
#include "gflownet/base/test_folder.h"
#include "gflownet/train/checkpoint.h"
#include "tests/reliability/gfn_process.h"
#include "tests/reliability/tiny_run.h"

namespace gfn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Memory, WhatCannotFitIsRefusedBeforeTheFirstStep) {
  const TinyRun tiny;
  // 2^31 rollouts of 512 logits fit no machine.
  const GfnResult result = RunGfn(tiny.folder(), TinyRun::Train("run", {"train.rollouts=2147483648"}));
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("this run needs about"), HasSubstr("available"), HasSubstr("train.rollouts"),
                                HasSubstr("train.micro_batch_conditions")));
  EXPECT_FALSE(FolderExists(tiny / "run"));
}

TEST(Memory, TheLimitOfTheConfigurationCountsToo) {
  const TinyRun tiny;
  const GfnResult result = RunGfn(tiny.folder(), TinyRun::Train("run", {"train.rollouts=1000000", "train.memory_limit=1"}));
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("this run needs about"), HasSubstr("train.memory_limit")));
}

// What a program that this test starts may allocate: a limit from outside, which the estimate before the first step does not
// know.
class DataLimit {
 public:
  explicit DataLimit(rlim_t bytes) {
    getrlimit(RLIMIT_DATA, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_DATA, &limit);
  }
  ~DataLimit() { setrlimit(RLIMIT_DATA, &before_); }

 private:
  rlimit before_{};
};

constexpr rlim_t kGiB = rlim_t{1} << 30;
constexpr char kSize[] = "allocate [0-9]+ bytes|allocate memory: [0-9]+ bytes|out of memory at [0-9.]+ [KMG]iB";

// A world whose activations are allocated by several threads at once, in a region that no exception may leave.
constexpr char kIsing[] =
    "name: ising\nseed: 1\nthreads: 2\ntask: {kind: ising, side: 16, policy: {kind: mlp, width: 256, depth: 2}}\n"
    "objective: {kind: tb}\ntrain: {max_steps: 1, rollouts: 2048}\nvalidation: {every_steps: 0}\n"
    "evaluation: {samples: 16}\n";

TEST(Memory, AnAllocationThatFailsInAThreadEndsTheRunWithPhaseAndSize) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer has an allocator of its own";
#endif
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "ising.yaml", kIsing).ok());
  const DataLimit limit(kGiB);
  const GfnResult result = RunGfn(folder.path(), {"train", "ising.yaml", "--out", "run"});
  if (result.exit_code == 0) GTEST_SKIP() << "this system ignores RLIMIT_DATA";
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, AllOf(testing::ContainsRegex(kSize), HasSubstr("(in sample")));
  EXPECT_FALSE(FolderExists(folder / "run")) << "the mended configuration may start there";
}

// The estimate allocates nothing of what it estimates, and says it without a stack trace.
TEST(Memory, ANetworkThatCannotFitIsRefusedBeforeItIsMade) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "ising.yaml", kIsing).ok());
  const GfnResult result = RunGfn(folder.path(), {"train", "ising.yaml", "--out", "run", "--set", "task.policy.width=65536",
                                                  "--set", "task.policy.depth=64"});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("this run needs about"), HasSubstr("policy and optimiser"),
                                HasSubstr("task.policy.width"), testing::Not(HasSubstr("frame #"))));
  EXPECT_LT(result.peak_bytes, static_cast<int64_t>(kGiB));
  EXPECT_FALSE(FolderExists(folder / "run"));
}

TEST(Memory, AnAllocationBeyondTheLimitNamesPhaseAndSizeAndKeepsTheLastCheckpoint) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer has an allocator of its own";
#endif
  const TinyRun tiny;
  // Two steps without an evaluation, then one of 400,000 rollouts at a time.
  const std::vector<std::string> keys = {"checkpoint.every_steps=1", "evaluation.samples=400000", "evaluation.batch_rows=400000",
                                         "evaluation.max_conditions=1"};
  std::vector<std::string> first = keys, second = keys;
  first.insert(first.end(), {"train.max_steps=2", "validation.every_steps=0"});
  second.insert(second.end(), {"train.max_steps=4", "validation.every_steps=1"});
  const GfnResult before = RunGfn(tiny.folder(), TinyRun::Train("run", first));
  ASSERT_EQ(before.exit_code, 0) << before.err;
  const DataLimit limit(kGiB);
  const GfnResult result = RunGfn(tiny.folder(), TinyRun::Train("run", second, true));
  if (result.exit_code == 0) GTEST_SKIP() << "this system ignores RLIMIT_DATA";
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("the last checkpoint is run/checkpoints/step_000002: evaluation after step 2: "),
                                testing::ContainsRegex(kSize), HasSubstr("(in validation")));
  const auto found = LatestValidCheckpoint(tiny.checkpoints("run"));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->rejected.empty());
  EXPECT_EQ(found->manifest.step, 2);
}

}  // namespace
}  // namespace gfn
