#include <iostream>

#include "app/app.h"
#include "gflownet/base/file_util.h"

namespace gfn {

Status Merge(const MergeCommand& command) {
  if (command.dtype != "fp32" && command.dtype != "bf16")
    return InvalidArgument("unknown --dtype '" + command.dtype + "'; known: fp32, bf16");
  if (FileExists(JoinPath(command.out, "config.json"))) return FailedPrecondition(command.out + " already holds a model");
  if (IsRunFolder(command.out)) return FailedPrecondition(command.out + ": is a run folder; the model needs a folder of its own");
  ASSIGN_OR_RETURN(const LoadedRun run, LoadRun(command.run, WhichCheckpoint::kBest));
  ASSIGN_OR_RETURN(const std::string folder, run.task->Merge(command.out, command.dtype));
  Log("merged the adapter of step " + std::to_string(run.step));
  std::cout << folder << std::endl;
  return OkStatus();
}

}  // namespace gfn
