#include <cmath>
#include <iostream>

#include "app/app.h"
#include "app/memory_check.h"
#include "gflownet/base/clock.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/phase.h"
#include "gflownet/base/progress.h"
#include "gflownet/base/text_util.h"
#include "gflownet/tensor/exceptions.h"
#include "gflownet/train/drive.h"
#include "gflownet/train/environment.h"
#include "gflownet/train/event_file.h"
#include "gflownet/train/signals.h"
#include "tasks/training.h"

namespace gfn {
namespace {

// A new run; also in the place of one that made nothing worth keeping.
StatusOr<RunFolder> StartRun(const RunConfig& config, const std::string& out) {
  if (!IsRunFolder(out)) return RunFolder::Create(out, WriteConfig(config));
  if (!FileExists(RunPaths{out}.history())) {
    return FailedPrecondition(out +
                              ": has a resolved.yaml, but no history.jsonl, so it is no run that could start again; choose "
                              "another folder");
  }
  ASSIGN_OR_RETURN(RunFolder run, RunFolder::Open(out));  // refused while another process is at work in it
  if (run.HoldsWork()) {
    return FailedPrecondition(out + ": there is a run in this folder; go on with it by --resume, or choose another folder");
  }
  Log(out + ": the run in this folder ended before its first checkpoint, so it starts again");
  RETURN_IF_ERROR(run.StartAgain(WriteConfig(config)));
  return run;
}

// A run that goes on. What it was made with is what its newest checkpoint says; resolved.yaml is a copy for people.
StatusOr<RunFolder> ResumeRun(const RunConfig& config, const std::string& out) {
  ASSIGN_OR_RETURN(RunFolder run, RunFolder::Open(out));
  ASSIGN_OR_RETURN(const RunConfig written, ReadRunConfigText(run.config_text(), run.paths().config()));
  RunConfig before = written;
  if (const auto latest = LatestValidCheckpoint(run.paths().checkpoints()); latest.ok()) {
    ASSIGN_OR_RETURN(before, ReadRunConfigText(latest->manifest.config, latest->path + " (its configuration)"));
  }
  std::vector<std::string> refused, edited, changed;
  for (const ConfigDifference& difference : DiffConfigs(before, config)) {
    if (!difference.may_change) refused.push_back(FormatDifference(difference));
  }
  if (!refused.empty()) {
    return InvalidArgument(out + " was started with another configuration; these keys cannot change in a run:\n  " +
                           Join(refused, "\n  "));
  }
  for (const ConfigDifference& difference : DiffConfigs(before, written)) {
    if (!difference.may_change) edited.push_back(FormatDifference(difference));
  }
  if (!edited.empty()) {
    Log(run.paths().config() +
        " is not what the run was made with, which is what counts; it is written again: " + Join(edited, ", "));
  }
  const std::vector<ConfigDifference> differences = DiffConfigs(written, config);
  for (const ConfigDifference& difference : differences) {
    if (difference.may_change) changed.push_back(FormatDifference(difference));
  }
  if (!changed.empty()) Log("from here on with " + Join(changed, ", "));
  if (!differences.empty()) RETURN_IF_ERROR(run.ChangeConfig(WriteConfig(config), differences));
  return run;
}

// As a shell reads it back.
std::string Quoted(const std::string& word) {
  constexpr char kPlain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string HowToGoOn(const TrainCommand& command, const std::string& out) {
  std::string line = " To go on:\n  " + Quoted(command.program) + " train " + Quoted(command.config);
  for (const std::string& text : command.overrides) line += " --set " + Quoted(text);
  return line + " --out " + Quoted(out) + " --resume";
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

// Trains in a run folder, to the end (true) or to where it was stopped.
StatusOr<bool> TrainIn(const TrainCommand& command, const RunConfig& config, const RunFolder& run, const SignalGuard& signals) {
  const std::string& out = run.paths().root;
  const std::string how_to_go_on = HowToGoOn(command, out);

  // 1. The task and its training.
  ASSIGN_OR_RETURN(const std::unique_ptr<Task> task, BuildTask(config, Log));
  const StatusOr<TrainingData> data = task->LoadTraining(run.paths(), Log);
  if (data.status().code() == absl::StatusCode::kCancelled) {
    Log(Message(data.status()) + "." + how_to_go_on);
    return false;
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
  options.identity.merge(task->sampler().start);
  options.log = Log;
  options.stop_requested = [&signals] { return signals.stop_requested(); };
  std::unique_ptr<EventFile> events;
  Status events_status;
  const auto show = [&](int64_t step, std::string_view kind, const StepMetrics& metrics) {
    if (!config.tensorboard || !events_status.ok()) return;
    events_status = [&]() -> Status {
      if (events == nullptr) {
        ASSIGN_OR_RETURN(events, EventFile::Create(out, WallSeconds(), step));
      }
      return events->Append(step, kind, metrics, WallSeconds());
    }();
    // A picture that is lost is no reason to lose a run.
    if (!events_status.ok()) Log("no further numbers for TensorBoard: " + Message(events_status));
  };
  options.on_step = [&](const StepReport& report) {
    display.OnStep(report);
    show(report.step, "train", *report.metrics);
  };
  options.evaluate = [&](int64_t) -> StatusOr<Evaluation> {
    const Phase phase("validation");
    return task->Validate();
  };
  options.on_evaluation = [&](int64_t step, const Evaluation& evaluation) {
    display.OnEvaluation(step, evaluation);
    show(step, "eval", evaluation.metrics);
  };
  const auto result = Drive(training.loop(), run, options);
  display.Finish();
  RETURN_IF_ERROR(result.status());

  const StopNotice notice("the training is done and saved; what it gives others is written, then the run ends");

  // 3. The best checkpoint (the last one without validation) as what others read, the report, and how to go on.
  if (result->reason == StopReason::kSignal) {
    Log("stopped by a signal after step " + std::to_string(result->num_steps) + "; everything is saved." + how_to_go_on);
    return false;
  }
  const auto best = BestCheckpoint(run.paths().checkpoints());
  if (!best.ok()) Log("the best checkpoint cannot be used, so the last step is exported: " + Message(best.status()));
  if (!result->best.has_value() && config.validation.every_steps > 0)
    Log("no evaluation has chosen a best checkpoint, so the last step is exported");
  if (best.ok()) RETURN_IF_ERROR(LoadTrained(best->path, *task));
  const auto exported_as = task->Export(run.paths(), best.ok() ? best->manifest.step : result->num_steps);
  if (exported_as.status().code() == absl::StatusCode::kCancelled) {
    Log("stopped by a signal after the last step; everything is saved but what is exported behind it." + how_to_go_on);
    return false;
  }
  ASSIGN_OR_RETURN(const std::string exported, exported_as);
  ASSIGN_OR_RETURN(const std::string report, WriteRunReport(run.paths()));
  Log("finished after " + std::to_string(result->num_steps) + " steps (" + std::string(EnumName(result->reason)) + "); " +
      exported + "; report in " + report);
  return true;
}

}  // namespace

StatusOr<TrainOutcome> TrainRun(const TrainCommand& command) {
  ASSIGN_OR_RETURN(const RunConfig config, ReadRunConfig(command.config, command.overrides));
  TrainOutcome outcome;
  outcome.folder = command.out.empty() ? JoinPath("runs", config.name) : command.out;
  const std::string& out = outcome.folder;
  const std::unique_ptr<TaskPlan> plan = MakePlan(config);
  if (const auto memory = plan->EstimateMemory(); memory.ok())
    RETURN_IF_ERROR(CheckMemory(*memory, plan->MemoryKeys(), config.train.memory_limit));
  const SignalGuard signals;
  const StopNotice notice("stopping once the run is set up, with nothing lost");
  ASSIGN_OR_RETURN(RunFolder run, command.resume ? ResumeRun(config, out) : StartRun(config, out));
  const Status status = CatchExceptions("training", [&]() -> Status {
    ASSIGN_OR_RETURN(outcome.is_finished, TrainIn(command, config, run, signals));
    return OkStatus();
  });
  if (status.ok()) return outcome;
  const bool has_failures = FolderExists(run.paths().failures());  // the batch of a step that failed
  if (command.resume || has_failures || run.HoldsWork()) return status;
  // A run that failed before its first checkpoint is no run: the mended configuration may start in the same place.
  const Status removed = run.Discard();
  return removed.ok() ? status : Annotate(status, Message(removed));
}

Status Train(const TrainCommand& command) {
  ASSIGN_OR_RETURN(const TrainOutcome outcome, TrainRun(command));
  if (outcome.is_finished) std::cout << outcome.folder << std::endl;
  return OkStatus();
}

}  // namespace gfn
