#include "gflownet/core/exploration.h"

#include <algorithm>

#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

double EpsilonAt(const ExplorationConfig& config, uint64_t step) {
  if (config.epsilon_steps == 0) return config.epsilon;
  const double done = std::min(1.0, static_cast<double>(step) / static_cast<double>(config.epsilon_steps));
  return config.epsilon + (config.epsilon_end - config.epsilon) * done;
}

}  // namespace

void ExplorationConfig::Validate(ConfigErrors& errors) const {
  if (temperature_max < temperature_min) {
    errors.Add("temperature_max", "is " + FormatReal(temperature_max) + ", but must be at least temperature_min (" +
                                      FormatReal(temperature_min) + ")");
  }
  if (epsilon_steps == 0 && epsilon_end != 0) {
    errors.Add("epsilon_end", "is " + FormatReal(epsilon_end) + ", but epsilon_steps is 0: it would never be reached");
  }
}

Exploration DrawExploration(const ExplorationConfig& config, const RngKey& key, uint64_t stream, uint64_t position) {
  const double span = config.temperature_max - config.temperature_min;
  return {EpsilonAt(config, key.step), config.temperature_min + span * Uniform(key, stream, position), config.top_k, config.top_p,
          0};
}

}  // namespace gfn
