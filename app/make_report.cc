// report.html of a run: what the task makes of metrics.jsonl and of the evaluations made so far, and the settings.
#include <filesystem>
#include <iostream>

#include "app/app.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/train/metrics.h"
#include "report/report.h"

namespace gfn {
namespace {

constexpr std::string_view kPrefix = "eval_", kSuffix = ".json";

}  // namespace

StatusOr<RunRecord> ReadRunRecord(const RunPaths& paths) {
  RunRecord record;
  ASSIGN_OR_RETURN(record.lines, ReadMetrics(paths.metrics()));
  for (const auto& entry : std::filesystem::directory_iterator(paths.root)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    ASSIGN_OR_RETURN(record.evaluations[name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size())],
                     ReadJsonFile(entry.path().string()));
  }
  return record;
}

StatusOr<std::string> WriteRunReport(const RunPaths& paths) {
  ASSIGN_OR_RETURN(const RunConfig config, ReadRunConfig(paths.config()));
  ASSIGN_OR_RETURN(const RunRecord record, ReadRunRecord(paths));
  report::Report page;
  page.title = config.name;
  RETURN_IF_ERROR(MakePlan(config)->Report(record, page));
  report::Section settings;
  settings.title = "Settings";
  settings.blocks.push_back(report::Preformatted{"resolved.yaml", WriteConfig(config), true});
  page.sections.push_back(std::move(settings));
  RETURN_IF_ERROR(report::WriteReport(page, paths.report()));
  return paths.report();
}

Status MakeReport(const ReportCommand& command) {
  if (!IsRunFolder(command.run)) return NotFound(command.run + ": not a run folder (resolved.yaml is missing)");
  ASSIGN_OR_RETURN(const std::string path, WriteRunReport(RunPaths{command.run}));
  std::cout << path << std::endl;
  return OkStatus();
}

}  // namespace gfn
