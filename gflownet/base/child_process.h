// A program of the user's that answers lines: started once, asked one line at a time over its standard input and output.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gflownet/base/status.h"

namespace gfn {

class ChildProcess {
 public:
  // The program is looked for in PATH unless its name has a '/'. It gets a process group of its own, so that a Ctrl-C here is
  // not its end, and it dies with this process. InvalidArgument if it cannot be started.
  static StatusOr<std::unique_ptr<ChildProcess>> Start(const std::vector<std::string>& command);
  // Closes the program's input; one that has not ended a second later is killed.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Writes a line (without its end) and returns the line that comes back. FailedPrecondition if the program ends, closes its
  // output or takes longer than `timeout_seconds`, with its exit status and the last lines of its standard error. After an
  // error every further question fails the same way.
  StatusOr<std::string> Ask(const std::string& line, double timeout_seconds);

  // "name (exit status 1), whose last words were: ..."
  std::string Describe();

 private:
  ChildProcess() = default;
  // Reads what has come on standard error; keeps the end of it.
  void DrainErrors();
  Status Fail(const std::string& what);

  std::string name_;
  int pid_ = -1, input_ = -1, output_ = -1, errors_ = -1;
  int wait_status_ = 0;
  bool ended_ = false;
  std::string unread_, last_words_, failure_;
};

}  // namespace gfn
