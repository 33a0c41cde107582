#include "tasks/run_config.h"

#include "gflownet/base/config_reader.h"
#include "gflownet/tensor/device.h"

namespace gfn {

void RunConfig::Validate(ConfigErrors& errors) const {
  if (const auto parsed = ParseDevice(device); !parsed.ok()) errors.Add("device", Message(parsed.status()));
  if (train.trainer.warm_start_steps > 0 && std::get<0>(warm_start).importance && train.trainer.rollouts < 2) {
    errors.Add("train.rollouts", "importance weights need at least 2 rollouts of a condition");
  }
}

std::string ConfigReference() {
  return "# Configuration\n\nEvery key of a run's YAML file. Made by `gfn describe --keys`; a test keeps it current.\n\n" + DocumentConfig<RunConfig>();
}

}  // namespace gfn
