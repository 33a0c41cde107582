#include <cmath>
#include <iostream>

#include "app/app.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

// One line on standard output, handed on at once: a pipe sees it when it is there.
Status Print(const nlohmann::json& object) {
  ASSIGN_OR_RETURN(const std::string line, JsonToText(object));
  std::cout << line << std::endl;
  return CheckOutput();
}

// The sampler of a run, or one that is put together from a model or a YAML file.
StatusOr<std::unique_ptr<Task>> OpenSampler(const SampleCommand& command) {
  const bool is_run = IsRunFolder(command.target) || FileExists(JoinPath(command.target, "manifest.json"));
  if (!is_run) {
    const bool is_folder = FolderExists(command.target);
    const bool may_be_model = is_folder ? FileExists(JoinPath(command.target, "config.json")) ||
                                              FileExists(JoinPath(command.target, "adapter_config.json"))
                                        : FileExists(command.target);
    if (!may_be_model) {
      return NotFound(command.target + (is_folder
                                            ? ": neither a run folder (resolved.yaml is missing) nor a checkpoint nor a model"
                                            : ": no such file or folder; expected a run folder, a checkpoint, a model or a "
                                              "YAML file"));
    }
    return BuildSampler({command.target, command.adapter, command.overrides}, Log);
  }
  if (!command.adapter.empty() || !command.overrides.empty()) {
    return InvalidArgument(command.target + std::string(command.adapter.empty() ? ": --set" : ": --adapter") +
                           " is for a model or a YAML file; a run has settings and an adapter of its own");
  }
  ASSIGN_OR_RETURN(LoadedRun run, LoadRun(command.target, WhichCheckpoint::kBest));
  return std::move(run.task);
}

}  // namespace

Status Sample(const SampleCommand& command) {
  if (command.num < 1) return InvalidArgument("--num must be at least 1, found " + std::to_string(command.num));
  if (!(command.temperature > 0 && std::isfinite(command.temperature))) {
    return InvalidArgument("--temperature must be a number above 0, found " + FormatReal(command.temperature));
  }
  if (command.top_k < 0) return InvalidArgument("--top-k must be at least 0 (all), found " + std::to_string(command.top_k));
  if (command.seed < 0) return InvalidArgument("--seed must be at least 0, found " + std::to_string(command.seed));
  if (!(command.top_p > 0 && command.top_p <= 1))
    return InvalidArgument("--top-p must be in (0, 1], found " + FormatReal(command.top_p));
  if (!(command.min_p >= 0 && command.min_p <= 1))
    return InvalidArgument("--min-p must be in [0, 1], found " + FormatReal(command.min_p));
  if (command.score == "-" && command.input == "-") return InvalidArgument("--score and --input cannot both be standard input");
  ASSIGN_OR_RETURN(const std::unique_ptr<Task> task, OpenSampler(command));
  if (!command.score.empty())
    return task->Score({.file = command.score, .input = command.input, .seed = static_cast<uint64_t>(command.seed)}, Print);
  SampleRequest request;
  request.input = command.input;
  request.num = command.num;
  request.exploration.temperature = command.temperature;
  request.exploration.top_k = command.top_k;
  request.exploration.top_p = command.top_p;
  request.exploration.min_p = command.min_p;
  request.method = command.method;
  if (!request.method.empty() && !request.exploration.IsOnPolicy())
    return InvalidArgument("--method has keys of its own: --temperature, --top-k, --top-p and --min-p are for draws without it");
  request.seed = static_cast<uint64_t>(command.seed);
  return task->Sample(request, Print);
}

}  // namespace gfn
