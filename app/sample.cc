#include <cmath>
#include <iostream>

#include "app/app.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/text_util.h"

namespace gfn {

Status Sample(const SampleCommand& command) {
  if (command.num < 1) return InvalidArgument("--num must be at least 1, found " + std::to_string(command.num));
  if (!(command.temperature > 0 && std::isfinite(command.temperature))) {
    return InvalidArgument("--temperature must be a number above 0, found " + FormatReal(command.temperature));
  }
  if (command.top_k < 0) return InvalidArgument("--top-k must be at least 0 (all), found " + std::to_string(command.top_k));
  if (command.seed < 0) return InvalidArgument("--seed must be at least 0, found " + std::to_string(command.seed));
  if (!(command.top_p > 0 && command.top_p <= 1))
    return InvalidArgument("--top-p must be in (0, 1], found " + FormatReal(command.top_p));
  ASSIGN_OR_RETURN(const LoadedRun run, LoadRun(command.run, WhichCheckpoint::kBest));
  SampleRequest request;
  request.input = command.input;
  request.num = command.num;
  request.exploration.temperature = command.temperature;
  request.exploration.top_k = command.top_k;
  request.exploration.top_p = command.top_p;
  request.seed = static_cast<uint64_t>(command.seed);
  return run.task->Sample(request, [](const nlohmann::json& object) -> Status {
    ASSIGN_OR_RETURN(const std::string line, JsonToText(object));
    std::cout << line << std::endl;
    return CheckOutput();
  });
}

}  // namespace gfn
