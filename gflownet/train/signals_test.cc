#include "gflownet/train/signals.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace gfn {
namespace {

TEST(SignalsTest, SigintAndSigtermSetTheFlag) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const SignalGuard guard;
    EXPECT_FALSE(guard.stop_requested());
    ASSERT_EQ(raise(signal), 0);
    EXPECT_TRUE(guard.stop_requested());
    EXPECT_EQ(guard.signal(), signal);
  }
}

TEST(SignalsTest, ASecondCtrlCEndsTheProcessAtOnceWith130) {
  for (const int first : {SIGINT, SIGTERM}) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const SignalGuard guard;
      raise(first);
      raise(SIGTERM);  // a scheduler may repeat itself
      raise(SIGINT);
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 130);
  }
}

TEST(SignalsTest, TheHandlersOfBeforeComeBack) {
  struct sigaction before = {}, after = {};
  sigaction(SIGTERM, nullptr, &before);
  { const SignalGuard guard; }
  sigaction(SIGTERM, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

TEST(SignalsDeathTest, ThereIsOneGuardAtATime) {
  const SignalGuard guard;
  EXPECT_DEATH(SignalGuard second, "there is a SignalGuard already");
}

}  // namespace
}  // namespace gfn
