#include <iostream>

#include "app/app.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"

namespace gfn {

Status Eval(const EvalCommand& command) {
  if (command.checkpoint != "best" && command.checkpoint != "last") {
    return InvalidArgument("unknown checkpoint '" + command.checkpoint + "'; known: best, last");
  }
  // A place that cannot be written shows before the work, not after it.
  if (!command.json.empty()) RETURN_IF_ERROR(AtomicFile::Create(command.json).status());
  ASSIGN_OR_RETURN(const LoadedRun run,
                   LoadRun(command.run, command.checkpoint == "best" ? WhichCheckpoint::kBest : WhichCheckpoint::kLast));
  EvalRequest request;
  request.split = command.split;
  request.data = command.data;
  request.simulated = command.simulated;
  request.samples = command.samples;
  request.max_conditions = command.max_conditions;
  request.show = command.show;
  request.step = run.step;
  Log("evaluating step " + std::to_string(run.step));
  ASSIGN_OR_RETURN(const EvalResult result, run.task->Evaluate(request));
  // The files first: whoever reads the table may stop reading it.
  const Status written = command.json.empty() ? OkStatus() : WriteJsonFile(command.json, result.numbers);
  const Status recorded = WriteEvalRecord(run.paths, result);
  std::cout << report::FormatTable(result.table) << result.text;
  return written.ok() ? recorded : written;
}

}  // namespace gfn
