// Memory: what cannot fit is refused before the first step with the keys to lower, and what turns out too large ends the run with
// the phase and the size, the last checkpoint intact.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/base/file_util.h"
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

TEST(Memory, AnAllocationBeyondTheLimitNamesPhaseAndSizeAndKeepsTheLastCheckpoint) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer has an allocator of its own";
#endif
  const TinyRun tiny;
  // Two steps without an evaluation, then one of 400,000 rollouts at a time, which the estimate before the first step does not
  // count.
  const std::vector<std::string> keys = {"checkpoint.every_steps=1", "evaluation.samples=400000", "evaluation.batch_rows=400000",
                                         "evaluation.max_conditions=1"};
  std::vector<std::string> first = keys, second = keys;
  first.insert(first.end(), {"train.max_steps=2", "validation.every_steps=0"});
  second.insert(second.end(), {"train.max_steps=4", "validation.every_steps=1", "train.memory_limit=1"});
  const GfnResult before = RunGfn(tiny.folder(), TinyRun::Train("run", first));
  ASSERT_EQ(before.exit_code, 0) << before.err;
  const GfnResult result = RunGfn(tiny.folder(), TinyRun::Train("run", second, true));
  if (result.exit_code == 0) GTEST_SKIP() << "this system ignores RLIMIT_DATA";
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("the last checkpoint is run/checkpoints/step_000002: evaluation after step 2: "),
                                testing::ContainsRegex("allocate [0-9]+ bytes|allocate memory: [0-9]+ bytes|out of memory"),
                                HasSubstr("(in validation")));
  const auto found = LatestValidCheckpoint(tiny.checkpoints("run"));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->rejected.empty());
  EXPECT_EQ(found->manifest.step, 2);
}

}  // namespace
}  // namespace gfn
