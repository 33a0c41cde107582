// Runs a TrainingLoop in a run folder: steps, metrics, evaluations, checkpoints, limits, signals and exact resume. The
// clock decides only when to save and when to stop, never what a step does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/enum_table.h"
#include "gflownet/base/phase.h"
#include "gflownet/base/status.h"
#include "gflownet/train/checkpoint.h"
#include "gflownet/train/run_folder.h"
#include "gflownet/train/training_loop.h"

namespace gfn {

struct LimitsConfig {
  int64_t max_steps = 100;
  double max_minutes = 0;

  template <class V>
  void Visit(V& v) {
    v("max_steps", max_steps, "optimiser steps of the run", NonNegative(), MayChange());
    v("max_minutes", max_minutes, "stop, with a checkpoint, after this long in this process; 0: no limit", NonNegative(),
      MayChange());
  }
};

struct CheckpointConfig {
  int64_t every_steps = 0;
  double every_minutes = 1;
  int64_t keep = 2;

  template <class V>
  void Visit(V& v) {
    v("every_steps", every_steps, "save every so many steps; 0: by time alone", NonNegative());
    v("every_minutes", every_minutes, "save when the last checkpoint is this old: what a kill may cost; 0: by steps alone",
      NonNegative());
    v("keep", keep, "newest checkpoints that are kept, besides the best", AtLeast(1));
  }
};

struct ValidationConfig {
  int64_t every_steps = 0;
  int64_t patience = 0;
  double min_gain = 0;

  template <class V>
  void Visit(V& v) {
    v("every_steps", every_steps, "evaluate before the first step and every so many steps; 0: never", NonNegative());
    v("patience", patience, "stop after this many evaluations in a row without a gain; 0: never", NonNegative());
    v("min_gain", min_gain, "smallest rise of the score over the best one that counts as a gain", NonNegative());
  }
};

struct Evaluation {
  // What the best checkpoint is chosen by; higher is better; finite. Absent where nothing can choose (no unseen data): then there
  // is no best one.
  std::optional<double> score;
  StepMetrics metrics;
};

struct StepReport {
  int64_t step = 0;  // done
  const StepMetrics* metrics = nullptr;
  double seconds = 0;  // of this step
  const PhaseTimes* phases = nullptr;
};

struct DriveOptions {
  LimitsConfig limits;
  CheckpointConfig checkpoint;
  ValidationConfig validation;
  // What bitwise equality depends on (train/environment.h). A resume with another one goes on, says so and records it.
  std::map<std::string, std::string> environment;
  // What the trained parameters belong to (base weights, tokenizer). A resume with another one is refused.
  std::map<std::string, std::string> identity;
  // A score of the loop as it is after `step` steps, with draws addressed by it alone. Needed if validation is on. It may look at
  // stop_requested and give up with Cancelled: then nothing is recorded and a resumed run makes it up.
  std::function<StatusOr<Evaluation>(int64_t step)> evaluate;
  std::function<void(const StepReport&)> on_step;
  std::function<void(int64_t step, const Evaluation&)> on_evaluation;
  std::function<void(std::string_view)> log;  // one line for the user; empty: silent
  std::function<bool()> stop_requested;       // SignalGuard's; empty: never
  std::function<double()> now;                // seconds, for tests; the steady clock if empty
};

enum class StopReason { kMaxSteps, kMaxMinutes, kPatience, kSignal };
GFN_ENUM_TABLE(StopReason, {StopReason::kMaxSteps, "max_steps"}, {StopReason::kMaxMinutes, "max_minutes"},
               {StopReason::kPatience, "patience"}, {StopReason::kSignal, "signal"})

struct DriveResult {
  StopReason reason = StopReason::kMaxSteps;
  int64_t num_steps = 0;    // of the run
  int64_t steps_taken = 0;  // of this process
  std::string checkpoint;   // the last one
  std::optional<BestScore> best;
};

// Goes on from the newest valid checkpoint of the run, or starts when it has none, and ends with a checkpoint. Whatever
// Step or evaluate throws comes back as a Status that names the innermost phase; then nothing is saved and the last
// checkpoint stands.
StatusOr<DriveResult> Drive(TrainingLoop& loop, const RunFolder& run, const DriveOptions& options);

}  // namespace gfn
