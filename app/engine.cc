#include <iostream>

#include "app/app.h"
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
        if constexpr (std::is_same_v<T, ReportCommand>) return MakeReport(c);
        if constexpr (std::is_same_v<T, MergeCommand>) return Merge(c);
        if constexpr (std::is_same_v<T, VersionCommand>) return Version();
      },
      command);
}

}  // namespace

void Log(std::string_view line) { std::cerr << line << std::endl; }

Status CheckOutput() {
  return std::cout.flush().good() ? OkStatus() : ResourceExhausted("standard output: cannot write all of it; is the disk full?");
}

int ExitCode(const Status& status) {
  if (status.ok()) return 0;
  Log("gfn: " + Message(status));
  return status.code() == absl::StatusCode::kInvalidArgument ? 2 : 1;
}

}  // namespace gfn

extern "C" int gfn_engine_run(const void* command) {
  try {
    const gfn::Status status = gfn::Run(*static_cast<const gfn::Command*>(command));
    return gfn::ExitCode(status.ok() ? gfn::CheckOutput() : status);
  } catch (...) {
    return gfn::ExitCode(gfn::StatusOfCurrentException("this command"));
  }
}
