#include "gflownet/tensor/exceptions.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

#include "gflownet/base/phase.h"

namespace gfn {
namespace {

using ::testing::HasSubstr;

TEST(ExceptionsTest, ValuesAndStatusesPassThrough) {
  EXPECT_EQ(CatchExceptions("x", []() -> StatusOr<int> { return 3; }).value(), 3);
  EXPECT_EQ(Message(CatchExceptions("x", [] { return NotFound("gone"); })), "gone");
}

TEST(ExceptionsTest, ATorchErrorNamesTheInnermostPhase) {
  const Status status = CatchExceptions("step 3", []() -> Status {
    const Phase outer("reward");
    const Phase inner("forward");
    at::zeros({2, 3}).matmul(at::zeros({2, 3}));
    return OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(Message(status), HasSubstr("step 3: mat1 and mat2 shapes cannot be multiplied"));
  EXPECT_THAT(Message(status), HasSubstr("(in reward/forward)"));
}

TEST(ExceptionsTest, MemoryIsAResource) {
  const Status status = CatchExceptions("step 1", []() -> Status {
    at::empty({int64_t{1} << 50}, at::kByte);
    return OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(status), HasSubstr("1125899906842624 bytes"));
  EXPECT_EQ(CatchExceptions("x", []() -> Status { throw std::bad_alloc(); }).code(), absl::StatusCode::kResourceExhausted);
}

TEST(ExceptionsTest, AnythingElseIsInternal) {
  EXPECT_EQ(Message(CatchExceptions("x", []() -> Status { throw std::runtime_error("boom"); })), "x: boom");
  EXPECT_THAT(Message(CatchExceptions("x", []() -> Status { throw 3; })), HasSubstr("no std::exception"));
}

}  // namespace
}  // namespace gfn
