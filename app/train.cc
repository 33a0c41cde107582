#include <cmath>
#include <iostream>

#include "app/app.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/phase.h"
#include "gflownet/base/progress.h"
#include "gflownet/base/text_util.h"
#include "gflownet/train/drive.h"
#include "gflownet/train/environment.h"
#include "gflownet/train/signals.h"
#include "tasks/training.h"

namespace gfn {
namespace {

StatusOr<RunFolder> OpenRun(const TrainCommand& command, const RunConfig& config, const std::string& out) {
  if (!command.resume) {
    // A run that failed before its first checkpoint left nothing worth keeping: the mended configuration may start there again.
    if (IsRunFolder(out)) {
      bool is_empty = false;
      {
        ASSIGN_OR_RETURN(const RunFolder held, RunFolder::Open(out));  // refused while another process is at work in it
        const auto checkpoints = ListCheckpoints(held.paths().checkpoints());
        is_empty = checkpoints.ok() && checkpoints->empty();
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
    static const std::vector<std::string> kMayChange = {"name", "threads", "train.max_steps", "train.max_minutes", "validation.", "checkpoint."};
    const bool may_change = std::any_of(kMayChange.begin(), kMayChange.end(), [&](const std::string& key) { return difference.path.starts_with(key); });
    if (may_change) {
      allowed.push_back(difference);
    } else {
      refused.push_back(difference.path + ": " + difference.old_value + " -> " + difference.new_value);
    }
  }
  if (!refused.empty()) {
    return InvalidArgument(out + " was started with another configuration; these keys cannot change in a run:\n  " + Join(refused, "\n  "));
  }
  if (!allowed.empty()) RETURN_IF_ERROR(run.ChangeConfig(WriteConfig(config), allowed));
  return run;
}

// What the loop tells the user while it runs.
class Display {
 public:
  Display(int64_t max_steps, std::vector<std::string> highlights) : max_steps_(max_steps), highlights_(std::move(highlights)) {}

  void OnStep(const StepReport& report) {
    if (progress_ == nullptr) progress_ = std::make_unique<Progress>("train", max_steps_, report.step - 1);
    NamedNumbers numbers;
    if (const double* loss = report.metrics->Find("loss"); loss != nullptr && std::isfinite(*loss)) numbers.push_back({"loss", *loss});
    for (const std::string& name : highlights_) {
      if (const double* value = report.metrics->Find(name); value != nullptr && std::isfinite(*value)) numbers.push_back({name, *value});
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

}  // namespace

Status Train(const TrainCommand& command) {
  // 1. Configuration and run folder.
  ASSIGN_OR_RETURN(const RunConfig config, ReadRunConfig(command.config, command.overrides));
  const std::string out = command.out.empty() ? JoinPath("runs", config.name) : command.out;
  ASSIGN_OR_RETURN(const RunFolder run, OpenRun(command, config, out));
  const SignalGuard signals;

  // 2. The task and its training.
  ASSIGN_OR_RETURN(const std::unique_ptr<Task> task, BuildTask(config, Log));
  ASSIGN_OR_RETURN(const TrainingData data, task->LoadTraining(run.paths(), Log));
  ASSIGN_OR_RETURN(const TrainingParts training, MakeTraining(config, *task, data, run.paths().failures()));

  // 3. The loop.
  Display display(config.train.limits.max_steps, task->Highlights());
  DriveOptions options;
  options.limits = config.train.limits;
  options.checkpoint = config.checkpoint;
  options.validation = config.validation;
  options.environment = DescribeEnvironment(task->sampler().device);
  options.environment["micro_batch_conditions"] = std::to_string(config.train.trainer.micro_batch_conditions);
  options.log = Log;
  options.stop_requested = [&signals] { return signals.stop_requested(); };
  options.on_step = [&](const StepReport& report) { display.OnStep(report); };
  options.evaluate = [&](int64_t) -> StatusOr<Evaluation> {
    const Phase phase("validation");
    return task->Validate();
  };
  options.on_evaluation = [&](int64_t step, const Evaluation& evaluation) { display.OnEvaluation(step, evaluation); };
  const auto result = Drive(*training.trainer, run, options);
  display.Finish();
  RETURN_IF_ERROR(result.status());

  // 4. The best checkpoint (the last one without validation) as what others read, the report, and how to go on.
  if (result->reason == StopReason::kSignal) {
    Log("stopped by a signal after step " + std::to_string(result->num_steps) + "; everything is saved. To go on:\n  gfn train " + command.config +
        " --out " + out + " --resume");
    return OkStatus();
  }
  const auto best = BestCheckpoint(run.paths().checkpoints());
  if (best.ok()) RETURN_IF_ERROR(LoadTrainedParameters(best->path, *task->sampler().parameters));
  ASSIGN_OR_RETURN(const std::string exported, task->Export(run.paths(), best.ok() ? best->manifest.step : result->num_steps));
  ASSIGN_OR_RETURN(const std::string report, WriteRunReport(run.paths()));
  Log("finished after " + std::to_string(result->num_steps) + " steps (" + std::string(EnumName(result->reason)) + "); " + exported + "; report in " + report);
  std::cout << out << std::endl;
  return OkStatus();
}

}  // namespace gfn
