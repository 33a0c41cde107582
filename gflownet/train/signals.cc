#include "gflownet/train/signals.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

std::atomic<int> first_signal = 0;
std::atomic<bool> guarded = false;
std::atomic<bool> is_terminal = false;  // standard error, when the guard was made
std::atomic<const char*> notice = nullptr;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free &&
                  std::atomic<const char*>::is_always_lock_free,
              "a signal handler may touch nothing else");

// One line on standard error, by what a handler may call alone. Where nobody takes it (a full pipe, a stopped terminal) it is
// dropped: a handler that waits would keep the run from being saved.
void Say(const char* a, const char* b, const char* c) {
  char line[512];
  size_t size = 0;
  const auto add = [&](const char* text) {
    for (; *text != '\0' && size + 1 < sizeof line; ++text) line[size++] = *text;
  };
  if (is_terminal) add("\n");  // a line of progress may stand there unfinished
  add("gfn: ");
  add(a);
  add(b);
  add(c);
  line[size++] = '\n';
  pollfd place = {STDERR_FILENO, POLLOUT, 0};
  if (poll(&place, 1, 0) != 1 || (place.revents & POLLOUT) == 0) return;
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line, size);
}

void Handle(int signal) {
  const int before = errno;
  int none = 0;
  if (first_signal.compare_exchange_strong(none, signal)) {
    const char* now = notice;
    Say(signal == SIGINT    ? "Ctrl-C: "
        : signal == SIGTERM ? "SIGTERM: "
                            : "SIGHUP: ",
        now != nullptr ? now : "stopping", signal == SIGINT ? "; Ctrl-C again leaves at once, without saving" : "");
  } else if (signal == SIGINT) {
    Say("Ctrl-C again: leaving at once; what was done since the last checkpoint is not saved", "", "");
    _exit(128 + SIGINT);
  }
  errno = before;
}

}  // namespace

SignalGuard::SignalGuard() {
  GFN_CHECK(!guarded.exchange(true)) << "there is a SignalGuard already";
  first_signal = 0;
  is_terminal = isatty(STDERR_FILENO) != 0;
  struct sigaction action = {};
  action.sa_handler = &Handle;
  action.sa_flags = SA_RESTART;  // a write in progress goes on
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_int_);
  sigaction(SIGTERM, &action, &old_term_);
  sigaction(SIGHUP, nullptr, &old_hup_);
  if (old_hup_.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
}

SignalGuard::~SignalGuard() {
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
  sigaction(SIGHUP, &old_hup_, nullptr);
  first_signal = 0;
  guarded = false;
}

int SignalGuard::signal() const { return first_signal; }

StopNotice::StopNotice(const char* text) : before_(notice.exchange(text)) {}
StopNotice::~StopNotice() { notice = before_; }

bool StopRequested() { return first_signal != 0; }

}  // namespace gfn
