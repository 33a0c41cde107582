// Checks on the user's own task, model and machine that the sampler is what it claims to be: green or red, with numbers.
#include <iostream>

#include "app/app.h"
#include "gflownet/base/text_util.h"
#include "report/table.h"

namespace gfn {
namespace {

StatusOr<std::unique_ptr<Task>> Open(const DoctorCommand& command) {
  if (IsRunFolder(command.target)) {
    ASSIGN_OR_RETURN(LoadedRun run, LoadRun(command.target, WhichCheckpoint::kBest));
    return std::move(run.task);
  }
  ASSIGN_OR_RETURN(const RunConfig config, ReadRunConfig(command.target, command.overrides));
  return BuildTask(config, Log);
}

}  // namespace

Status Doctor(const DoctorCommand& command) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Task> task, Open(command));
  ASSIGN_OR_RETURN(const Examination examination, task->Examine());
  report::Table table;
  table.title = "doctor: " + examination.subject;
  table.columns = {{.name = "check"}, {.name = "found"}, {.name = "allowed"}, {.name = ""}, {.name = "where"}};
  bool all_green = true;
  for (const Check& check : examination.checks) {
    const std::string allowed = (check.at_least ? "at least " : "") + FormatShort(check.allowed);
    table.rows.push_back(
        {check.name, FormatShort(check.found), allowed, std::string(check.ok() ? "green" : "RED"), check.detail});
    all_green = all_green && check.ok();
  }
  std::cout << report::FormatTable(table);
  for (const report::Table& more : examination.tables) std::cout << "\n" << report::FormatTable(more);
  if (all_green) {
    std::cout << "\nall green\n";
    return OkStatus();
  }
  return Internal("at least one check is red: do not trust results of this sampler on this machine");
}

}  // namespace gfn
