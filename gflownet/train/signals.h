// Ctrl-C, a scheduler's SIGTERM and a terminal that goes away (SIGHUP) as a flag that the driver reads between steps, and long
// work in between. Each is answered on standard error at once, so that nobody presses again because nothing seems to happen.
#pragma once

#include <csignal>

namespace gfn {

// While one is alive, SIGINT, SIGTERM and SIGHUP set a flag, and the first of them is answered by what happens now; a second
// SIGINT says that it leaves unsaved and ends the process at once with exit code 130. A SIGHUP that was ignored (nohup) stays
// ignored. At most one at a time. The handlers of before come back with its end.
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
  struct sigaction old_hup_;
};

// While one is alive, this is what a signal is answered by: what the process does before it stops ("finishing this step, then
// saving"). They nest on one thread. The text must live as long as the process: a literal.
class StopNotice {
 public:
  explicit StopNotice(const char* text);
  ~StopNotice();
  StopNotice(const StopNotice&) = delete;
  StopNotice& operator=(const StopNotice&) = delete;

 private:
  const char* before_;
};

// Whether a signal came that the SignalGuard of this process, if there is one, has caught: for work that takes minutes and can be
// taken up again (simulation, evaluation), far from the guard.
bool StopRequested();

}  // namespace gfn
