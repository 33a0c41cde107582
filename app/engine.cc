#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <iostream>

#include "app/app.h"
#include "gflownet/base/check.h"
#include "gflownet/tensor/exceptions.h"

namespace gfn {
namespace {

Status Run(const Command& command) {
  return std::visit(
      [](const auto& c) -> Status {
        using T = std::decay_t<decltype(c)>;
        if constexpr (std::is_same_v<T, TrainCommand>) return Train(c);
        if constexpr (std::is_same_v<T, SampleCommand>) return Sample(c);
        if constexpr (std::is_same_v<T, EvalCommand>) return Eval(c);
        if constexpr (std::is_same_v<T, EstimateCommand>) return Estimate(c);
        if constexpr (std::is_same_v<T, DoctorCommand>) return Doctor(c);
        if constexpr (std::is_same_v<T, DescribeCommand>) return Describe(c);
        if constexpr (std::is_same_v<T, BenchCommand>) return Bench(c);
        if constexpr (std::is_same_v<T, CompareCommand>) return Compare(c);
        if constexpr (std::is_same_v<T, SweepCommand>) return RunSweep(c);
        if constexpr (std::is_same_v<T, DataCommand>) return Data(c);
        if constexpr (std::is_same_v<T, ReportCommand>) return MakeReport(c);
        if constexpr (std::is_same_v<T, MergeCommand>) return Merge(c);
        if constexpr (std::is_same_v<T, VersionCommand>) return Version();
      },
      command);
}

}  // namespace

void Log(std::string_view line) { std::cerr << line << std::endl; }

Status CheckOutput() {
  if (std::cout.flush().good()) return OkStatus();
  pollfd place = {STDOUT_FILENO, POLLOUT, 0};
  const bool is_closed = poll(&place, 1, 0) == 1 && (place.revents & (POLLERR | POLLHUP)) != 0;
  if (is_closed) return Cancelled("standard output: nobody reads it any more");
  return ResourceExhausted("standard output: cannot write all of it; is the disk full?");
}

int ExitCode(const Status& status) {
  if (status.ok()) return 0;
  if (status.code() == absl::StatusCode::kCancelled) return 128 + SIGPIPE;
  Log("gfn: " + Message(status));
  return status.code() == absl::StatusCode::kInvalidArgument ? 2 : 1;
}

}  // namespace gfn

extern "C" int gfn_engine_run(const void* command) {
  // A pipe that nobody reads any more is no reason to lose a run: lines that cannot be written are dropped, and commands whose
  // lines are all they make end where they look at CheckOutput.
  std::signal(SIGPIPE, SIG_IGN);
  const gfn::ThrowOnCheckFailure throws;  // rules and rewards may be the user's own
  try {
    const auto& chosen = *static_cast<const gfn::Command*>(command);
    gfn::Status status = gfn::Run(chosen);
    if (status.ok()) status = gfn::CheckOutput();
    // What a training run has made lies in its folder, whether or not anybody waits for the line that names it.
    if (std::holds_alternative<gfn::TrainCommand>(chosen) && status.code() == absl::StatusCode::kCancelled) return 0;
    return gfn::ExitCode(status);
  } catch (...) {
    return gfn::ExitCode(gfn::StatusOfCurrentException("this command"));
  }
}
