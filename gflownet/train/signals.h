// Ctrl-C and a scheduler's SIGTERM as a flag that the driver reads between steps, and long work in between.
#pragma once

#include <csignal>

namespace gfn {

// While one is alive, SIGINT and SIGTERM set a flag; a second SIGINT ends the process at once with exit code 130.
// At most one at a time. The handlers of before come back with its end.
class SignalGuard {
 public:
  SignalGuard();
  ~SignalGuard();
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

  bool stop_requested() const { return signal() != 0; }
  // The first signal that came, 0: none.
  int signal() const;

 private:
  struct sigaction old_int_;
  struct sigaction old_term_;
};

// Whether a signal came that the SignalGuard of this process, if there is one, has caught: for work that takes minutes and can be
// taken up again (simulation, evaluation), far from the guard.
bool StopRequested();

}  // namespace gfn
