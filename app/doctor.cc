// Checks on the user's own model and machine that the sampler is what it claims to be: green or red, with numbers.
#include <cmath>
#include <iostream>

#include "app/app.h"
#include "app/checks.h"
#include "gflownet/base/memory.h"
#include "gflownet/base/phase.h"
#include "gflownet/base/text_util.h"
#include "gflownet/tensor/device.h"
#include "report/table.h"

namespace gfn {
namespace {

StatusOr<std::unique_ptr<TaskParts>> Open(const DoctorCommand& command) {
  if (IsRunFolder(command.target)) {
    ASSIGN_OR_RETURN(LoadedRun run, LoadRun(command.target, WhichCheckpoint::kBest));
    return std::move(run.parts);
  }
  ASSIGN_OR_RETURN(const RunConfig config, ReadConfigFile<RunConfig>(command.target, command.overrides));
  return Build(config, Log);
}

}  // namespace

Status Doctor(const DoctorCommand& command) {
  ASSIGN_OR_RETURN(const std::unique_ptr<TaskParts> parts, Open(command));
  const InfillConfig& task = std::get<InfillConfig>(parts->config.task);
  ASSIGN_OR_RETURN(const TaskSplit split, LoadSplit(*parts, task.data.train));
  const std::vector<ConditionId> conditions(split.conditions.begin(), split.conditions.begin() + std::min<int64_t>(2, static_cast<int64_t>(split.conditions.size())));
  PerturbAdapter(*parts);
  PhaseTimes times;
  SetPhaseTimes(&times);
  const auto checks = RunChecks(*parts, conditions, 8);
  SetPhaseTimes(nullptr);
  RETURN_IF_ERROR(checks.status());

  report::Table table;
  table.title = "doctor: " + parts->config.model.path + ", " + std::string(EnumName(parts->config.model.dtype)) + ", " + DescribeDevice(parts->model->device());
  table.columns = {{.name = "check"}, {.name = "found"}, {.name = "allowed"}, {.name = ""}};
  bool all_green = true;
  for (const Check& check : *checks) {
    table.rows.push_back({check.name, FormatShort(check.found), FormatShort(check.allowed), std::string(check.ok() ? "green" : "RED")});
    all_green = all_green && check.ok();
  }
  std::cout << report::FormatTable(table) << "\n";
  report::Table phases;
  phases.title = "one pass of 2 conditions x 8 rollouts";
  phases.columns = {{.name = "phase"}, {.name = "seconds", .decimals = 3}, {.name = "positions", .decimals = 0}, {.name = "positions/s", .decimals = 0}};
  for (const PhaseEntry& entry : times.entries()) {
    const double positions = entry.work.contains("positions") ? entry.work.at("positions") : 0;
    phases.rows.push_back({entry.path, entry.seconds, positions, positions / entry.seconds});
  }
  phases.note = "memory: weights " + FormatBytes(parts->model->bytes()) + ", peak of the process " + FormatBytes(PeakRssBytes());
  std::cout << report::FormatTable(phases);
  if (all_green) {
    std::cout << "\nall green\n";
    return OkStatus();
  }
  return Internal("at least one check is red: do not trust results of this model on this machine");
}

}  // namespace gfn
