// What is thrown in a parallel region arrives behind it, and the next region works as if nothing had been.
#include "llm/kernels/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

#include "gflownet/base/memory.h"
#include "llm/kernels/aligned_buffer.h"

namespace gfn {
namespace {

constexpr int64_t kRowsOfTest = 64, kWorkOfRow = 1 << 20;  // enough for several threads
// More than any address space: the allocation fails without touching a page.
constexpr int64_t kTooManyWords = int64_t{1} << 58;

TEST(ParallelErrors, TheFirstIsThrownAgainAndTheOthersAreSkipped) {
  ParallelErrors errors;
  int calls = 0;
  errors.Rethrow();  // nothing was caught
  errors.Run([&] { ++calls; });
  errors.Run([] { throw std::runtime_error("first"); });
  errors.Run([] { throw std::runtime_error("second"); });
  errors.Run([&] { ++calls; });
  EXPECT_EQ(calls, 1);
  try {
    errors.Rethrow();
    FAIL() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "first");
  }
}

TEST(ParallelRows, WhatARowThrowsArrivesBehindTheRegion) {
  for (const int threads : {1, 2, 4}) {
    const auto fail = [&](int64_t begin, int64_t end) {
      if (begin <= kRowsOfTest - 1 && kRowsOfTest - 1 < end) throw std::runtime_error("the last row");
    };
    EXPECT_THROW(ParallelRows(kRowsOfTest, kWorkOfRow, threads, fail), std::runtime_error) << threads;
    std::atomic<int64_t> rows = 0;
    ParallelRows(kRowsOfTest, kWorkOfRow, threads, [&](int64_t begin, int64_t end) { rows += end - begin; });
    EXPECT_EQ(rows, kRowsOfTest) << threads;
  }
}

TEST(ParallelRows, AnAllocationThatFailsInAThreadArrivesWithItsSize) {
  const auto allocate = [](int64_t, int64_t) { ThreadScratch(ScratchSlot::kRows, kTooManyWords); };
  try {
    ParallelRows(kRowsOfTest, kWorkOfRow, 2, allocate);
    FAIL() << "nothing was thrown";
  } catch (const AllocationFailure& error) {
    EXPECT_NE(std::string(error.what()).find(std::to_string(4 * kTooManyWords)), std::string::npos) << error.what();
  }
  // The thread's scratch space is not believed to have the size that it did not get.
  ParallelRows(kRowsOfTest, kWorkOfRow, 2, [](int64_t, int64_t) {
    float* words = ThreadScratch(ScratchSlot::kRows, 1000);
    ASSERT_NE(words, nullptr);
    words[999] = 1;
  });
}

}  // namespace
}  // namespace gfn
