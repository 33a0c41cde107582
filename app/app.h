// One function a command; results go to standard output, everything else to standard error.
#pragma once

#include <string>
#include <string_view>

#include "app/commands.h"
#include "gflownet/base/status.h"
#include "gflownet/train/run_folder.h"
#include "tasks/build.h"

namespace gfn {

Status Train(const TrainCommand& command);
Status Sample(const SampleCommand& command);
Status Eval(const EvalCommand& command);
Status Estimate(const EstimateCommand& command);
Status Doctor(const DoctorCommand& command);
Status Describe(const DescribeCommand& command);
Status DescribeRun(const std::string& path);
void PrintField(const std::string& key, const std::string& value);  // a line of a description, on standard output
Status Bench(const BenchCommand& command);
Status BenchCore(const BenchCommand& command);  // its part for the small worlds
Status RunSweep(const SweepCommand& command);
Status Compare(const CompareCommand& command);
Status Data(const DataCommand& command);
Status MakeReport(const ReportCommand& command);
Status Merge(const MergeCommand& command);
Status Version();

// One line on standard error.
void Log(std::string_view line);

// A trained sampler from a run folder: its config, its task, and the parameters of a checkpoint.
struct LoadedRun {
  RunPaths paths;
  RunConfig config;
  std::unique_ptr<Task> task;
  int64_t step = 0;
  std::string checkpoint;
};
enum class WhichCheckpoint { kBest, kLast };
// `path`: a run folder, or one of its checkpoints (then `which` plays no part).
StatusOr<LoadedRun> LoadRun(const std::string& path, WhichCheckpoint which);

// What resolved.yaml of a run says otherwise than the newest checkpoint, whose settings count ("seed: 3 -> 4, ..."); "" for
// nothing.
std::string EditedSettings(const RunPaths& paths);

// What `gfn train` does but its line on standard output. Not finished: a signal has stopped the run, which is saved.
struct TrainOutcome {
  std::string folder;
  bool is_finished = false;
};
StatusOr<TrainOutcome> TrainRun(const TrainCommand& command);

// Metrics and evaluations of a run.
StatusOr<RunRecord> ReadRunRecord(const RunPaths& paths);
// Writes report.html of a run; returns its path.
StatusOr<std::string> WriteRunReport(const RunPaths& paths);

// An error if something printed did not arrive on standard output (a full disk); Cancelled if nobody reads it any more (head).
Status CheckOutput();

// 0, 1 or 2 for a status; its message goes to standard error. Cancelled is 141, as of a command that a closed pipe ended, in
// silence.
int ExitCode(const Status& status);

}  // namespace gfn
