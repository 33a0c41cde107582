#include "gflownet/train/signals.h"

#include <unistd.h>

#include <atomic>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

std::atomic<int> first_signal = 0;
std::atomic<bool> guarded = false;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may touch nothing else");

void Handle(int signal) {
  int none = 0;
  if (!first_signal.compare_exchange_strong(none, signal) && signal == SIGINT) _exit(128 + SIGINT);
}

}  // namespace

SignalGuard::SignalGuard() {
  GFN_CHECK(!guarded.exchange(true)) << "there is a SignalGuard already";
  first_signal = 0;
  struct sigaction action = {};
  action.sa_handler = &Handle;
  action.sa_flags = SA_RESTART;  // a write in progress goes on
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_int_);
  sigaction(SIGTERM, &action, &old_term_);
}

SignalGuard::~SignalGuard() {
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
  first_signal = 0;
  guarded = false;
}

int SignalGuard::signal() const { return first_signal; }

bool StopRequested() { return first_signal != 0; }

}  // namespace gfn
