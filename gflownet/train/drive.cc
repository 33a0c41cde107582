#include "gflownet/train/drive.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "gflownet/base/check.h"
#include "gflownet/base/clock.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/text_util.h"
#include "gflownet/tensor/exceptions.h"
#include "gflownet/train/environment.h"
#include "gflownet/train/metrics.h"
#include "gflownet/train/signals.h"

namespace gfn {
namespace {

// Records the phases of this thread in `times` while it lives.
class PhaseRecording {
 public:
  explicit PhaseRecording(PhaseTimes* times) : previous_(SetPhaseTimes(times)) {}
  ~PhaseRecording() { SetPhaseTimes(previous_); }
  PhaseRecording(const PhaseRecording&) = delete;
  PhaseRecording& operator=(const PhaseRecording&) = delete;

 private:
  PhaseTimes* previous_;
};

class Driver {
 public:
  Driver(TrainingLoop& loop, const RunFolder& run, const DriveOptions& options)
      : loop_(loop), run_(run), options_(options), start_(Now()), last_saved_at_(start_) {}

  StatusOr<DriveResult> Run();

 private:
  double Now() const { return options_.now ? options_.now() : SteadySeconds(); }
  void Log(const std::string& line) const {
    if (options_.log) options_.log(line);
  }
  bool StopRequested() const { return options_.stop_requested && options_.stop_requested(); }

  Status Start();
  Status Resume(const FoundCheckpoint& found);
  StatusOr<StopReason> Loop();
  Status Step();
  bool EvaluationIsDue() const;
  Status Evaluate();
  std::optional<StopReason> WhyStop() const;
  bool SaveIsDue() const;
  Status Save();

  TrainingLoop& loop_;
  const RunFolder& run_;
  const DriveOptions& options_;
  std::optional<MetricsWriter> metrics_;
  double start_;
  double last_saved_at_;
  int64_t first_step_ = 0;
  int64_t last_saved_ = -1;  // step; -1: none
  int64_t saved_metrics_bytes_ = -1;
  bool gained_ = false;  // the evaluation just made is the first or the best so far and is not saved yet
  std::string checkpoint_;
  // What a manifest carries from one process to the next.
  int64_t last_evaluation_ = -1;
  int64_t evaluations_without_gain_ = 0;
  std::optional<BestScore> best_;
};

StatusOr<DriveResult> Driver::Run() {
  RETURN_IF_ERROR(Start());
  const StatusOr<StopReason> reason = Loop();
  if (!reason.ok()) {
    const std::string last = checkpoint_.empty() ? "there is no checkpoint" : "the last checkpoint is " + checkpoint_;
    // The error itself matters more than a history that cannot be written (a full disk).
    const Status recorded = run_.RecordEvent("failed", {{"step", loop_.num_steps()}, {"error", Message(reason.status())}});
    if (!recorded.ok()) Log(Message(recorded));
    // The configuration was checked before: an argument that is refused by now (NaN logits) is no mistake of usage.
    const bool is_argument = reason.status().code() == absl::StatusCode::kInvalidArgument;
    return Annotate(is_argument ? Internal(Message(reason.status())) : reason.status(), last);
  }
  RETURN_IF_ERROR(run_.RecordEvent("stopped", {{"step", loop_.num_steps()}, {"reason", EnumName(*reason)}}));
  return DriveResult{*reason, loop_.num_steps(), loop_.num_steps() - first_step_, checkpoint_, best_};
}

Status Driver::Start() {
  GFN_CHECK_EQ(loop_.num_steps(), 0) << "Drive needs a fresh loop";
  if (options_.validation.every_steps > 0 && !options_.evaluate) {
    return InvalidArgument("validation.every_steps is set, but this run has nothing to evaluate");
  }
  if (run_.lock().taken_over().has_value()) {
    Log("took over the run from process " + std::to_string(run_.lock().taken_over()->pid) + ", which is gone");
  }
  const std::string checkpoints = run_.paths().checkpoints();
  const StatusOr<FoundCheckpoint> found = LatestValidCheckpoint(checkpoints);
  if (!found.ok() && found.status().code() != absl::StatusCode::kNotFound) return found.status();
  if (found.ok()) RETURN_IF_ERROR(Resume(*found));
  if (!found.ok() && FileSize(run_.paths().metrics()).value_or(0) > 0) {
    Log("there is no checkpoint in " + checkpoints + ", so the run starts again at step 0");
  }
  const int64_t metrics_bytes = found.ok() ? found->manifest.metrics_bytes : 0;
  ASSIGN_OR_RETURN(metrics_, MetricsWriter::Open(run_.paths().metrics(), run_.paths().timing(), metrics_bytes));
  first_step_ = loop_.num_steps();
  return run_.RecordEvent(found.ok() ? "resumed" : "started", {{"step", first_step_}, {"environment", options_.environment}});
}

Status Driver::Resume(const FoundCheckpoint& found) {
  for (const RejectedCheckpoint& rejected : found.rejected) {
    ASSIGN_OR_RETURN(const std::string aside, SetAside(rejected.path));
    Log("damaged checkpoint moved to " + aside + ": " + rejected.reason);
    RETURN_IF_ERROR(run_.RecordEvent("checkpoint_rejected", {{"step", found.manifest.step}, {"reason", rejected.reason}}));
  }
  if (const std::string other = IdentityDifference(found.manifest, options_.identity); !other.empty()) {
    return FailedPrecondition(found.path + ": was trained on something else than what is there now: " + other);
  }
  const std::vector<std::string> differences = EnvironmentDifferences(found.manifest.environment, options_.environment);
  if (!differences.empty()) {
    Log("resuming under other conditions, so the steps that follow are not those that an undisturbed run would take, bit by "
        "bit: " +
        Join(differences, ", "));
    RETURN_IF_ERROR(run_.RecordEvent("environment_changed", {{"differences", differences}}));
  }
  RETURN_IF_ERROR(Annotate(CatchExceptions("loading the checkpoint", [&] { return loop_.Load(found.path); }), found.path));
  if (loop_.num_steps() != found.manifest.step) {
    return DataLoss(found.path + ": was loaded as step " + std::to_string(loop_.num_steps()));
  }
  checkpoint_ = found.path;
  last_saved_ = found.manifest.step;
  saved_metrics_bytes_ = found.manifest.metrics_bytes;
  last_evaluation_ = found.manifest.last_evaluation;
  evaluations_without_gain_ = found.manifest.evaluations_without_gain;
  best_ = found.manifest.best;
  Log("resuming at step " + std::to_string(last_saved_) + " from " + found.path);
  return OkStatus();
}

StatusOr<StopReason> Driver::Loop() {
  for (;;) {
    // 1. At the boundary between two steps: evaluate, then save or stop. A signal skips the evaluation, which a resumed
    //    run makes up for, because the checkpoint knows when the last one was.
    if (EvaluationIsDue() && !StopRequested()) RETURN_IF_ERROR(Evaluate());
    const std::optional<StopReason> reason = WhyStop();
    if (reason.has_value() || SaveIsDue()) RETURN_IF_ERROR(Save());
    if (reason.has_value()) return *reason;
    // 2. The step.
    RETURN_IF_ERROR(Step());
  }
}

Status Driver::Step() {
  const StopNotice notice("finishing the step in progress, then saving");
  PhaseTimes phases;
  const double before = Now();
  const int64_t step = loop_.num_steps() + 1;
  StatusOr<StepMetrics> metrics = Internal("not stepped");
  {
    const PhaseRecording recording(&phases);
    const std::string what = "step " + std::to_string(step);
    metrics = CatchExceptions(what, [&]() -> StatusOr<StepMetrics> {
      StatusOr<StepMetrics> stepped = loop_.Step();
      if (!stepped.ok()) return Annotate(stepped.status(), what);
      return stepped;
    });
  }
  RETURN_IF_ERROR(metrics.status());
  GFN_CHECK_EQ(loop_.num_steps(), step) << "Step must count itself";
  const double seconds = Now() - before;
  RETURN_IF_ERROR(metrics_->Append(step, "train", *metrics));
  RETURN_IF_ERROR(metrics_->AppendTiming(step, "train", seconds, phases));
  if (options_.on_step) options_.on_step({step, &*metrics, seconds, &phases});
  return OkStatus();
}

bool Driver::EvaluationIsDue() const {
  const int64_t every = options_.validation.every_steps;
  return every > 0 && loop_.num_steps() % every == 0 && last_evaluation_ < loop_.num_steps();
}

Status Driver::Evaluate() {
  const StopNotice notice("saving as soon as the evaluation in progress can be left");
  PhaseTimes phases;
  const double before = Now();
  const int64_t step = loop_.num_steps();
  StatusOr<Evaluation> evaluation = Internal("not evaluated");
  {
    const PhaseRecording recording(&phases);
    const std::string what = "evaluation after step " + std::to_string(step);
    evaluation = CatchExceptions(what, [&] { return options_.evaluate(step); });
    if (evaluation.status().code() == absl::StatusCode::kCancelled && StopRequested()) return OkStatus();
    RETURN_IF_ERROR(evaluation.status());
    if (evaluation->score.has_value() && !std::isfinite(*evaluation->score))
      return Internal(what + ": the score is " + FormatReal(*evaluation->score));
    if (!evaluation->score.has_value() && options_.validation.patience > 0)
      return InvalidArgument(what + ": there is no score that validation.patience could count by");
  }
  last_evaluation_ = step;
  StepMetrics line;
  if (evaluation->score.has_value()) {
    gained_ = !best_.has_value() || *evaluation->score > best_->score + options_.validation.min_gain;
    evaluations_without_gain_ = gained_ ? 0 : evaluations_without_gain_ + 1;
    // What was there before the first step is never the best: a run that a limit ends before its next evaluation would hand out
    // the untrained sampler.
    if (gained_ && step > 0) best_ = BestScore{step, *evaluation->score};
    line.Set("score", *evaluation->score);
  } else {
    best_.reset();  // of an earlier version of this program
  }
  line.Merge(evaluation->metrics);
  RETURN_IF_ERROR(metrics_->Append(step, "eval", line));
  RETURN_IF_ERROR(metrics_->AppendTiming(step, "eval", Now() - before, phases));
  if (options_.on_evaluation) options_.on_evaluation(step, *evaluation);
  return OkStatus();
}

std::optional<StopReason> Driver::WhyStop() const {
  // An evaluation that a signal skipped is still to be made, also the one after the last step.
  if (StopRequested() && EvaluationIsDue()) return StopReason::kSignal;
  if (loop_.num_steps() >= options_.limits.max_steps) return StopReason::kMaxSteps;
  if (options_.validation.patience > 0 && evaluations_without_gain_ >= options_.validation.patience) {
    return StopReason::kPatience;
  }
  if (StopRequested()) return StopReason::kSignal;
  const double limit = options_.limits.max_minutes * 60;
  if (limit > 0 && Now() - start_ >= limit) return StopReason::kMaxMinutes;
  return std::nullopt;
}

bool Driver::SaveIsDue() const {
  if (gained_) return true;
  const int64_t step = loop_.num_steps();
  const CheckpointConfig& config = options_.checkpoint;
  if (step == first_step_) return false;
  if (config.every_steps > 0 && step % config.every_steps == 0) return true;
  return config.every_minutes > 0 && Now() - last_saved_at_ >= config.every_minutes * 60;
}

Status Driver::Save() {
  const StopNotice notice("finishing the checkpoint that is being written");
  const int64_t step = loop_.num_steps();
  if (step == last_saved_ && metrics_->metrics_bytes() == saved_metrics_bytes_) return OkStatus();
  RETURN_IF_ERROR(metrics_->Sync());
  CheckpointManifest manifest;
  manifest.step = step;
  manifest.config = run_.config_text();
  manifest.metrics_bytes = metrics_->metrics_bytes();
  manifest.environment = options_.environment;
  manifest.identity = options_.identity;
  manifest.last_evaluation = last_evaluation_;
  manifest.evaluations_without_gain = evaluations_without_gain_;
  manifest.best = best_;
  const std::string what = "checkpoint of step " + std::to_string(step);
  StatusOr<std::string> path = CatchExceptions(what, [&] {
    return WriteCheckpoint(run_.paths().checkpoints(), std::move(manifest),
                           [&](const std::string& folder) { return loop_.Save(folder); });
  });
  if (!path.ok()) return Annotate(path.status(), what);
  checkpoint_ = *std::move(path);
  last_saved_ = step;
  saved_metrics_bytes_ = metrics_->metrics_bytes();
  gained_ = false;
  last_saved_at_ = Now();
  return PruneCheckpoints(run_.paths().checkpoints(), options_.checkpoint.keep);
}

}  // namespace

StatusOr<DriveResult> Drive(TrainingLoop& loop, const RunFolder& run, const DriveOptions& options) {
  return Driver(loop, run, options).Run();
}

}  // namespace gfn
