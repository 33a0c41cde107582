// The built binary as another process: started, watched, signalled, killed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/base/test_folder.h"

namespace gfn {

class GfnProcess {
 public:
  // Runs `gfn ARGUMENTS` in the folder `working`, with nothing on standard input.
  GfnProcess(const std::string& working, const std::vector<std::string>& arguments);
  // Kills it if it is still there.
  ~GfnProcess();
  GfnProcess(const GfnProcess&) = delete;
  GfnProcess& operator=(const GfnProcess&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  bool IsRunning();
  // Until it ends; its exit code, or minus the number of the signal that ended it.
  int Wait();
  // The largest resident size that it had, once it has ended.
  int64_t PeakBytes() const { return peak_bytes_; }
  // Until `condition` holds or the process ends; whether it holds. Looks every half millisecond.
  template <class F>
  bool WaitFor(const F& condition) {
    while (!condition()) {
      if (!IsRunning()) return condition();
      Pause();
    }
    return true;
  }

  std::string Out() const;
  std::string Err() const;

 private:
  static void Pause();
  TestFolder folder_;  // of its output
  pid_t pid_ = -1;
  bool ended_ = false;
  int wait_status_ = 0;
  int64_t peak_bytes_ = 0;
  // Takes note of its end; false if it has not come.
  bool Reap(int options);
};

struct GfnResult {
  int exit_code = 0;
  std::string out, err;
  int64_t peak_bytes = 0;
};
// Starts it and waits for its end.
GfnResult RunGfn(const std::string& working, const std::vector<std::string>& arguments);

}  // namespace gfn
