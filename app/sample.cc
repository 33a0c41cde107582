#include <iostream>

#include "app/app.h"
#include "gflownet/base/json_util.h"

namespace gfn {

Status Sample(const SampleCommand& command) {
  if (command.num < 1) return InvalidArgument("--num must be at least 1, found " + std::to_string(command.num));
  if (!(command.temperature > 0)) return InvalidArgument("--temperature must be above 0");
  if (!(command.top_p > 0 && command.top_p <= 1)) return InvalidArgument("--top-p must be in (0, 1]");
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
    return OkStatus();
  });
}

}  // namespace gfn
