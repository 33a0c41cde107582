#include <cmath>
#include <iostream>

#include "app/app.h"
#include "app/memory_check.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/phase.h"
#include "gflownet/base/progress.h"
#include "gflownet/base/text_util.h"
#include "gflownet/tensor/exceptions.h"
#include "gflownet/train/drive.h"
#include "gflownet/train/environment.h"
#include "gflownet/train/signals.h"
#include "tasks/training.h"

namespace gfn {
namespace {

// Whether a run has anything that took time: checkpoints or simulated stories.
bool HoldsWork(const RunPaths& paths) {
  const auto checkpoints = ListFolder(paths.checkpoints());
  return !checkpoints.ok() || !checkpoints->empty() || FileSize(JoinPath(paths.root, "simulated.jsonl")).value_or(0) > 0;
}

StatusOr<RunFolder> OpenRun(const TrainCommand& command, const RunConfig& config, const std::string& out) {
  if (!command.resume) {
    // A run that failed before its first checkpoint left nothing worth keeping: the mended configuration may start there again.
    if (IsRunFolder(out)) {
      bool is_empty = false;
      {
        ASSIGN_OR_RETURN(const RunFolder held, RunFolder::Open(out));  // refused while another process is at work in it
        is_empty = !HoldsWork(held.paths());
      }
      if (is_empty) RETURN_IF_ERROR(RemoveAll(out));
    }
    return RunFolder::Create(out, WriteConfig(config));
  }
  ASSIGN_OR_RETURN(RunFolder run, RunFolder::Open(out));
  ASSIGN_OR_RETURN(const RunConfig before, ReadRunConfigText(run.config_text(), run.paths().config()));
  std::vector<ConfigDifference> allowed;
  std::vector<std::string> refused;
  for (const ConfigDifference& difference : DiffConfigs(before, config)) {
    // What only says how long, how often and with what resources may change; all else would make it another run.
    static const std::vector<std::string> kMayChange = {
        "name", "threads", "train.max_steps", "train.max_minutes", "train.memory_limit", "validation.", "checkpoint."};
    const bool may_change = std::any_of(kMayChange.begin(), kMayChange.end(),
                                        [&](const std::string& key) { return difference.path.starts_with(key); });
    if (may_change) {
      allowed.push_back(difference);
    } else {
      refused.push_back(difference.path + ": " + difference.old_value + " -> " + difference.new_value);
    }
  }
  if (!refused.empty()) {
    return InvalidArgument(out + " was started with another configuration; these keys cannot change in a run:\n  " +
                           Join(refused, "\n  "));
  }
  if (!allowed.empty()) RETURN_IF_ERROR(run.ChangeConfig(WriteConfig(config), allowed));
  return run;
}

// Of the conditions and given objects that a run is trained on: an edited data file shows.
std::string DataDigest(const TrainingData& data) {
  Digest digest;
  for (const ConditionId id : data.conditions) digest.Int(static_cast<int64_t>(id.value));
  for (const ConditionId id : data.given.condition_ids) digest.Int(static_cast<int64_t>(id.value));
  return DigestToHex(digest.value());
}

// What the loop tells the user while it runs.
class Display {
 public:
  Display(int64_t max_steps, std::vector<std::string> highlights) : max_steps_(max_steps), highlights_(std::move(highlights)) {}

  void OnStep(const StepReport& report) {
    if (progress_ == nullptr) {
      ProgressOptions options;
      options.seconds_before = report.seconds;
      progress_ = std::make_unique<Progress>("train", max_steps_, report.step - 1, options);
    }
    NamedNumbers numbers;
    if (const double* loss = report.metrics->Find("loss"); loss != nullptr && std::isfinite(*loss))
      numbers.push_back({"loss", *loss});
    for (const std::string& name : highlights_) {
      if (const double* value = report.metrics->Find(name); value != nullptr && std::isfinite(*value))
        numbers.push_back({name, *value});
    }
    const double* actions = report.metrics->Find("sampled_actions");
    progress_->Update(report.step, numbers, actions != nullptr ? static_cast<int64_t>(*actions) : 0);
  }
  void OnEvaluation(int64_t step, const Evaluation& evaluation) {
    std::string line = "step " + std::to_string(step) + ":";
    for (const std::string& name : highlights_) {
      if (const double* value = evaluation.metrics.Find(name); value != nullptr) line += "  " + name + " " + FormatShort(*value);
    }
    if (progress_ != nullptr) {
      progress_->Print(line);
    } else {
      Log(line);
    }
  }
  void Finish() {
    if (progress_ != nullptr) progress_->Finish();
  }

 private:
  int64_t max_steps_;
  std::vector<std::string> highlights_;
  std::unique_ptr<Progress> progress_;
};

// Trains in a run folder, to the end or to where it was stopped.
Status TrainIn(const TrainCommand& command, const RunConfig& config, const RunFolder& run) {
  const std::string& out = run.paths().root;
  const std::string how_to_go_on = " To go on:\n  gfn train " + command.config + " --out " + out + " --resume";
  const SignalGuard signals;

  // 1. The task and its training.
  ASSIGN_OR_RETURN(const std::unique_ptr<Task> task, BuildTask(config, Log));
  const StatusOr<TrainingData> data = task->LoadTraining(run.paths(), Log);
  if (data.status().code() == absl::StatusCode::kCancelled) {
    Log(Message(data.status()) + "." + how_to_go_on);
    return OkStatus();
  }
  RETURN_IF_ERROR(data.status());
  ASSIGN_OR_RETURN(TrainingParts training, MakeTraining(config, *task, *data, run.paths().failures()));

  // 2. The loop.
  Display display(config.train.limits.max_steps, task->Highlights());
  DriveOptions options;
  options.limits = config.train.limits;
  options.checkpoint = config.checkpoint;
  options.validation = config.validation;
  options.environment = DescribeEnvironment(task->sampler().device);
  options.environment["micro_batch_conditions"] = std::to_string(config.train.trainer.micro_batch_conditions);
  options.environment["data"] = DataDigest(*data);
  options.identity = task->sampler().identity;
  options.log = Log;
  options.stop_requested = [&signals] { return signals.stop_requested(); };
  options.on_step = [&](const StepReport& report) { display.OnStep(report); };
  options.evaluate = [&](int64_t) -> StatusOr<Evaluation> {
    const Phase phase("validation");
    return task->Validate();
  };
  options.on_evaluation = [&](int64_t step, const Evaluation& evaluation) { display.OnEvaluation(step, evaluation); };
  const auto result = Drive(training.loop(), run, options);
  display.Finish();
  RETURN_IF_ERROR(result.status());

  // 3. The best checkpoint (the last one without validation) as what others read, the report, and how to go on.
  if (result->reason == StopReason::kSignal) {
    Log("stopped by a signal after step " + std::to_string(result->num_steps) + "; everything is saved." + how_to_go_on);
    return OkStatus();
  }
  const auto best = BestCheckpoint(run.paths().checkpoints());
  if (!best.ok()) Log("the best checkpoint cannot be used, so the last step is exported: " + Message(best.status()));
  if (best.ok()) RETURN_IF_ERROR(LoadTrained(best->path, *task));
  const auto exported_as = task->Export(run.paths(), best.ok() ? best->manifest.step : result->num_steps);
  if (exported_as.status().code() == absl::StatusCode::kCancelled) {
    Log("stopped by a signal after the last step; everything is saved but what is exported behind it." + how_to_go_on);
    return OkStatus();
  }
  ASSIGN_OR_RETURN(const std::string exported, exported_as);
  ASSIGN_OR_RETURN(const std::string report, WriteRunReport(run.paths()));
  Log("finished after " + std::to_string(result->num_steps) + " steps (" + std::string(EnumName(result->reason)) + "); " +
      exported + "; report in " + report);
  std::cout << out << std::endl;
  return OkStatus();
}

}  // namespace

Status Train(const TrainCommand& command) {
  ASSIGN_OR_RETURN(const RunConfig config, ReadRunConfig(command.config, command.overrides));
  const std::string out = command.out.empty() ? JoinPath("runs", config.name) : command.out;
  const std::unique_ptr<TaskPlan> plan = MakePlan(config);
  if (const auto memory = plan->EstimateMemory(); memory.ok())
    RETURN_IF_ERROR(CheckMemory(*memory, plan->MemoryKeys(), config.train.memory_limit));
  Status status;
  {
    ASSIGN_OR_RETURN(const RunFolder run, OpenRun(command, config, out));
    status = CatchExceptions("training", [&] { return TrainIn(command, config, run); });
    const bool has_failures = FolderExists(run.paths().failures());  // the batch of a step that failed
    if (status.ok() || command.resume || has_failures || HoldsWork(run.paths())) return status;
  }
  // A run that failed before its first step is no run: the mended configuration may start in the same place.
  const Status removed = RemoveAll(out);
  return removed.ok() ? status : Annotate(status, Message(removed));
}

}  // namespace gfn
