#include <cmath>
#include <iostream>

#include "app/app.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/interval.h"
#include "gflownet/base/progress.h"
#include "gflownet/base/text_util.h"
#include "gflownet/train/drive.h"
#include "gflownet/train/environment.h"
#include "gflownet/train/signals.h"

namespace gfn {
namespace {

std::vector<ConditionId> First(const std::vector<ConditionId>& conditions, int64_t max) {
  const size_t count = max == 0 ? conditions.size() : std::min<size_t>(conditions.size(), static_cast<size_t>(max));
  return {conditions.begin(), conditions.begin() + static_cast<int64_t>(count)};
}

// Means over conditions of what a sampler's own samples say of it, under names with a prefix.
Status Measure(const TaskParts& parts, const Policy& policy, const std::vector<ConditionId>& conditions, const std::string& prefix,
               StepMetrics& metrics) {
  const EvaluationConfig& config = parts.config.evaluation;
  SamplerEvaluationOptions options;
  options.num_samples = config.samples;
  options.batch_rows = config.batch_rows;
  // The same draws at every evaluation: differences between steps are paired.
  options.key = {static_cast<uint64_t>(parts.config.seed), RngPurpose::kEval, 0};
  ASSIGN_OR_RETURN(const auto samples, SampleConditions(*parts.environment, policy, *parts.reward, conditions, options));
  double elbo = 0, bound = 0, spread = 0, length = 0, log_reward = 0;
  for (const ConditionSamples& condition : samples) {
    elbo += condition.Elbo();
    bound += condition.IwBound();
    spread += condition.Spread();
    length += condition.MeanLength();
    log_reward += condition.MeanLogReward();
  }
  const double n = static_cast<double>(samples.size());
  metrics.Set(prefix + "elbo", elbo / n);
  metrics.Set(prefix + "iw_bound", bound / n);
  metrics.Set(prefix + "spread", spread / n);
  metrics.Set(prefix + "log_reward", log_reward / n);
  metrics.Set(prefix + "length", length / n);
  return OkStatus();
}

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
  ASSIGN_OR_RETURN(const RunConfig before, ReadConfigText<RunConfig>(run.config_text(), run.paths().config()));
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

}  // namespace

Status Train(const TrainCommand& command) {
  // 1. Configuration and run folder.
  ASSIGN_OR_RETURN(const RunConfig config, ReadConfigFile<RunConfig>(command.config, command.overrides));
  const std::string out = command.out.empty() ? JoinPath("runs", config.name) : command.out;
  ASSIGN_OR_RETURN(const RunFolder run, OpenRun(command, config, out));
  const SignalGuard signals;

  // 2. Model, data and sampler.
  ASSIGN_OR_RETURN(const std::unique_ptr<TaskParts> parts, Build(config, Log));
  const InfillConfig& task = std::get<InfillConfig>(config.task);
  ASSIGN_OR_RETURN(const TaskSplit train, LoadSplit(*parts, task.data.train));
  TaskSplit validation;
  if (!task.data.validation.empty()) {
    ASSIGN_OR_RETURN(validation, LoadSplit(*parts, task.data.validation));
  }
  ASSIGN_OR_RETURN(const TrajectoryBatch given, MakeGivenObjects(*parts, train, JoinPath(out, "simulated.jsonl"), Log));
  ASSIGN_OR_RETURN(const TrainingParts training, MakeTraining(*parts, train, given, run.paths().failures()));

  // 3. The loop.
  DriveOptions options;
  options.limits = config.train.limits;
  options.checkpoint = config.checkpoint;
  options.validation = config.validation;
  options.environment = DescribeEnvironment(parts->model->device());
  options.environment["micro_batch_conditions"] = std::to_string(config.train.trainer.micro_batch_conditions);
  options.log = Log;
  options.stop_requested = [&signals] { return signals.stop_requested(); };
  std::unique_ptr<Progress> progress;
  options.on_step = [&](const StepReport& report) {
    if (progress == nullptr) progress = std::make_unique<Progress>("train", config.train.limits.max_steps, report.step - 1);
    NamedNumbers numbers;
    for (const char* name : {"loss", "elbo", "spread"}) {
      if (const double* value = report.metrics->Find(name); value != nullptr && std::isfinite(*value)) numbers.push_back({name, *value});
    }
    const double* tokens = report.metrics->Find("sampled_actions");
    progress->Update(report.step, numbers, tokens != nullptr ? static_cast<int64_t>(*tokens) : 0);
  };
  options.evaluate = [&](int64_t) -> StatusOr<Evaluation> {
    const Phase phase("validation");
    Evaluation evaluation;
    const auto train_part = First(train.conditions, config.evaluation.max_conditions);
    const auto unseen_part = First(validation.conditions, config.evaluation.max_conditions);
    if (!unseen_part.empty()) RETURN_IF_ERROR(Measure(*parts, *parts->policy, unseen_part, "validation.", evaluation.metrics));
    RETURN_IF_ERROR(Measure(*parts, *parts->policy, First(train_part, std::max<int64_t>(1, static_cast<int64_t>(unseen_part.size()))), "train.", evaluation.metrics));
    evaluation.score = *evaluation.metrics.Find(unseen_part.empty() ? "train.elbo" : "validation.elbo");
    return evaluation;
  };
  options.on_evaluation = [&](int64_t step, const Evaluation& evaluation) {
    std::string line = "step " + std::to_string(step) + ":";
    for (const auto& [name, value] : evaluation.metrics.values()) {
      if (name.ends_with("elbo") || name.ends_with("spread")) line += "  " + name + " " + FormatShort(value);
    }
    if (progress != nullptr) {
      progress->Print(line);
    } else {
      Log(line);
    }
  };
  const auto result = Drive(*training.trainer, run, options);
  if (progress != nullptr) progress->Finish();
  RETURN_IF_ERROR(result.status());

  // 4. The adapter of the best checkpoint (the last one without validation), and how to go on.
  if (result->reason == StopReason::kSignal) {
    Log("stopped by a signal after step " + std::to_string(result->num_steps) + "; everything is saved. To go on:\n  gfn train " + command.config +
        " --out " + out + " --resume");
    return OkStatus();
  }
  const auto best = BestCheckpoint(run.paths().checkpoints());
  if (best.ok()) RETURN_IF_ERROR(LoadTrainedParameters(*parts, best->path));
  RETURN_IF_ERROR(ExportAdapter(*parts, run.paths().adapter()));
  Log("finished after " + std::to_string(result->num_steps) + " steps (" + std::string(EnumName(result->reason)) + "); adapter of step " +
      std::to_string(best.ok() ? best->manifest.step : result->num_steps) + " in " + run.paths().adapter());
  std::cout << out << std::endl;
  return OkStatus();
}

}  // namespace gfn
