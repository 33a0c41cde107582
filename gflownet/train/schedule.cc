#include "gflownet/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "gflownet/base/check.h"

namespace gfn {

double ScheduleConfig::At(int64_t step) const {
  if (step >= steps) return end;
  return start + (end - start) * static_cast<double>(std::max<int64_t>(0, step)) / static_cast<double>(steps);
}

double WarmupDecayConfig::FactorAt(int64_t step) const {
  GFN_CHECK_GE(step, 0);
  if (step < warmup_steps) return static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  if (decay == Decay::kConstant) return 1;
  const int64_t decayed = step - warmup_steps;
  const double done = decayed >= decay_steps ? 1 : static_cast<double>(decayed) / static_cast<double>(decay_steps);
  const double left = decay == Decay::kLinear ? 1 - done : 0.5 * (1 + std::cos(std::numbers::pi * done));
  return final_fraction + (1 - final_fraction) * left;
}

void WarmupDecayConfig::Validate(ConfigErrors& errors) const {
  if (decay != Decay::kConstant && decay_steps == 0) {
    errors.Add("decay_steps", "is 0, but must be at least 1 with a decay that is not constant");
  }
}

}  // namespace gfn
