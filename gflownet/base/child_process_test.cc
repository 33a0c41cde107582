#include "gflownet/base/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gfn {
namespace {

using testing::HasSubstr;

std::unique_ptr<ChildProcess> Shell(const std::string& script) {
  auto child = ChildProcess::Start({"sh", "-c", script});
  EXPECT_TRUE(child.ok()) << child.status();
  return *std::move(child);
}

TEST(ChildProcess, AnswersLineByLine) {
  const auto child = Shell("n=0; while read -r line; do n=$((n+1)); echo \"$n $line\"; done");
  EXPECT_EQ(child->Ask("a b", 10).value(), "1 a b");
  EXPECT_EQ(child->Ask("", 10).value(), "2 ");
  // Longer than a pipe holds, in both directions.
  const std::string long_line(300000, 'x');
  EXPECT_EQ(child->Ask(long_line, 30).value(), "3 " + long_line);
}

TEST(ChildProcess, WhatCannotBeStartedIsNamed) {
  const auto missing = ChildProcess::Start({"/no/such/program"});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(missing.status()), HasSubstr("/no/such/program: No such file"));
  EXPECT_THAT(Message(ChildProcess::Start({"/etc/passwd"}).status()), HasSubstr("Permission denied"));
  EXPECT_FALSE(ChildProcess::Start({}).ok());
}

TEST(ChildProcess, AnEndIsToldWithItsStatusAndLastWords) {
  const auto child = Shell("read -r line; echo no model >&2; exit 7");
  const auto answer = child->Ask("x", 10);
  EXPECT_THAT(Message(answer.status()), testing::AllOf(HasSubstr("exit status 7"), HasSubstr("no model")));
  EXPECT_EQ(Message(child->Ask("again", 10).status()), Message(answer.status()));
  const auto killed = Shell("read -r line; kill -9 $$");
  EXPECT_THAT(Message(killed->Ask("x", 10).status()), HasSubstr("signal 9"));
}

TEST(ChildProcess, SilenceEndsAtTheDeadline) {
  const auto child = Shell("echo thinking >&2; sleep 100");
  EXPECT_THAT(Message(child->Ask("x", 0.3).status()), testing::AllOf(HasSubstr("no answer within 0.3 s"), HasSubstr("thinking")));
}

TEST(ChildProcess, AProgramThatWritesMuchOnStandardErrorIsNotStuck) {
  const auto child = Shell("while read -r line; do head -c 300000 /dev/zero | tr '\\0' e >&2; echo \"$line\"; done");
  EXPECT_EQ(child->Ask("a", 30).value(), "a");
  EXPECT_EQ(child->Ask("b", 30).value(), "b");
}

}  // namespace
}  // namespace gfn
