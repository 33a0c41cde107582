#include "gflownet/train/signals.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <utility>

namespace gfn {
namespace {

TEST(SignalsTest, SigintSigtermAndSighupSetTheFlag) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const SignalGuard guard;
    EXPECT_FALSE(guard.stop_requested());
    ASSERT_EQ(raise(signal), 0);
    EXPECT_TRUE(guard.stop_requested());
    EXPECT_EQ(guard.signal(), signal);
  }
}

TEST(SignalsTest, ASecondCtrlCEndsTheProcessAtOnceWith130) {
  for (const int first : {SIGINT, SIGTERM, SIGHUP}) {
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

// What a child process says on standard error while `act` runs, and how it ends.
template <class F>
std::pair<std::string, int> SaidBy(const F& act) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  EXPECT_GE(child, 0);
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    act();
    _exit(0);
  }
  close(ends[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t size; (size = read(ends[0], buffer, sizeof buffer)) > 0;) said.append(buffer, static_cast<size_t>(size));
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return {said, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)};
}

TEST(SignalsTest, TheFirstIsAnsweredByWhatHappensNowAndTheSecondCtrlCSaysThatItLeaves) {
  const auto [said, rc] = SaidBy([] {
    const SignalGuard guard;
    const StopNotice outer("loading to the end");
    { const StopNotice inner("finishing the step"); }
    raise(SIGINT);
    raise(SIGINT);
  });
  EXPECT_EQ(rc, 130);
  EXPECT_EQ(said,
            "gfn: Ctrl-C: loading to the end; Ctrl-C again leaves at once, without saving\n"
            "gfn: Ctrl-C again: leaving at once; what was done since the last checkpoint is not saved\n");
  const auto [twice, twice_rc] = SaidBy([] {
    const SignalGuard guard;
    const StopNotice notice("finishing the step");
    raise(SIGTERM);
    raise(SIGTERM);
    raise(SIGHUP);
  });
  EXPECT_EQ(twice_rc, 0) << "a scheduler may repeat itself";
  EXPECT_EQ(twice, "gfn: SIGTERM: finishing the step\n");
  const auto [none, none_rc] = SaidBy([] {
    const SignalGuard guard;
    raise(SIGHUP);
  });
  EXPECT_EQ(none_rc, 0);
  EXPECT_EQ(none, "gfn: SIGHUP: stopping\n");
}

TEST(SignalsTest, AnAnswerThatNobodyTakesIsDropped) {
  const auto [said, rc] = SaidBy([] {
    int full[2];
    if (pipe(full) != 0 || fcntl(full[1], F_SETFL, O_NONBLOCK) != 0) _exit(1);
    const std::string block(4096, 'x');
    while (write(full[1], block.data(), block.size()) > 0) {
    }
    fcntl(full[1], F_SETFL, 0);
    dup2(full[1], STDERR_FILENO);
    const SignalGuard guard;
    raise(SIGINT);  // a handler that waited would wait for ever
    _exit(guard.stop_requested() ? 0 : 2);
  });
  EXPECT_EQ(rc, 0);
  EXPECT_EQ(said, "");
}

TEST(SignalsTest, ASighupThatWasIgnoredStaysIgnored) {
  const auto before = signal(SIGHUP, SIG_IGN);  // nohup
  {
    const SignalGuard guard;
    raise(SIGHUP);
    EXPECT_FALSE(guard.stop_requested());
  }
  signal(SIGHUP, before);
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
