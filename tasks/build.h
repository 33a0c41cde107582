// The composition root: from a configuration to the task that it names. The only place that knows every kind.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tasks/run_config.h"
#include "tasks/task/task.h"

namespace gfn {

std::unique_ptr<TaskPlan> MakePlan(const RunConfig& config);

// MakePlan and its Build.
StatusOr<std::unique_ptr<Task>> BuildTask(const RunConfig& config, const LogFunction& log);

// A sampler on a language model without a run: of a YAML file, or of a model with the defaults of every key, in both cases
// changed by overrides; `adapter` (a PEFT folder; may be empty) takes the place of the key lora. With a model, prompt, support,
// dtype and fields are those of the gfn_sampler.json beside the adapter where there is one.
struct SamplerSource {
  std::string target;
  std::string adapter;
  std::vector<std::string> overrides;
};
StatusOr<std::unique_ptr<Task>> BuildSampler(const SamplerSource& source, const LogFunction& log);

}  // namespace gfn
