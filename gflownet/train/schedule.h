// Numbers that change over a run, as pure functions of the step: nothing to save, nothing that reads the clock.
#pragma once

#include <cstdint>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/enum_table.h"

namespace gfn {

// A positive number (a temperature) that goes in a straight line from `start` to `end`.
struct ScheduleConfig {
  double start = 1;
  double end = 1;
  int64_t steps = 0;

  // start at step 0, end from step `steps` on.
  double At(int64_t step) const;

  template <class V>
  void Visit(V& v) {
    v("start", start, "value at step 0", Positive());
    v("end", end, "value from step `steps` on", Positive());
    v("steps", steps, "steps of the straight line between them; 0: `end` from the start", NonNegative());
  }
};

enum class Decay { kConstant, kLinear, kCosine };
GFN_ENUM_TABLE(Decay, {Decay::kConstant, "constant", "no decay"}, {Decay::kLinear, "linear", "a straight line to final_fraction"},
               {Decay::kCosine, "cosine", "half a cosine to final_fraction"})

// The factor on the learning rate: a straight warm-up, then a decay.
struct WarmupDecayConfig {
  int64_t warmup_steps = 0;
  Decay decay = Decay::kConstant;
  int64_t decay_steps = 0;
  double final_fraction = 0;

  // Of the step that is taken when `step` are done. Warm-up: (step + 1) / warmup_steps, so that no step has rate 0
  // and the last one of the warm-up has rate 1. Then 1 -> final_fraction over decay_steps, and final_fraction after.
  double FactorAt(int64_t step) const;

  template <class V>
  void Visit(V& v) {
    v("warmup_steps", warmup_steps, "first steps, over which the rate grows in a straight line", NonNegative());
    v("decay", decay, "what follows the warm-up");
    v("decay_steps", decay_steps, "steps from the end of the warm-up to final_fraction", NonNegative());
    v("final_fraction", final_fraction, "the rate at the end, as a fraction of learning_rate", Between(0, 1));
  }
  void Validate(ConfigErrors& errors) const;
};

}  // namespace gfn
