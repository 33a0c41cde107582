#include "gflownet/core/exploration.h"

#include "gflownet/base/text_util.h"

namespace gfn {

void ExplorationConfig::Validate(ConfigErrors& errors) const {
  if (temperature_max < temperature_min) {
    errors.Add("temperature_max", "is " + FormatReal(temperature_max) + ", but must be at least temperature_min (" +
                                      FormatReal(temperature_min) + ")");
  }
}

Exploration DrawExploration(const ExplorationConfig& config, const RngKey& key, uint64_t stream, uint64_t position) {
  const double span = config.temperature_max - config.temperature_min;
  return {config.epsilon, config.temperature_min + span * Uniform(key, stream, position), config.top_k, config.top_p};
}

}  // namespace gfn
