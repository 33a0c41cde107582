// What would run, before it runs; the state of a run folder; what a model file is.
#include <iostream>

#include "app/app.h"
#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/memory.h"
#include "gflownet/base/text_util.h"
#include "gflownet/train/checkpoint.h"
#include "gflownet/train/metrics.h"
#include "llm/format/describe_model.h"
#include "llm/format/weight_source.h"

namespace gfn {
namespace {

void Line(const std::string& key, const std::string& value) {
  std::cout << "  " << key << std::string(key.size() < 24 ? 24 - key.size() : 1, ' ') << value << "\n";
}

Status DescribeModel(const std::string& path) {
  ASSIGN_OR_RETURN(const auto source, OpenModel(path));
  std::cout << "model " << path << " (" << source->format() << ", " << source->stored_type() << ")\n";
  for (const auto& [key, value] : DescribeModelConfig(source->config())) Line(key, value);
  ASSIGN_OR_RETURN(const uint64_t hash, source->weight_hash());
  Line("weight hash", DigestToHex(hash));
  return OkStatus();
}

Status DescribeConfig(const DescribeCommand& command) {
  ASSIGN_OR_RETURN(const RunConfig config, ReadRunConfig(command.target, command.overrides));
  std::cout << "configuration " << command.target << "\n";
  const std::unique_ptr<TaskPlan> plan = MakePlan(config);
  ASSIGN_OR_RETURN(const auto lines, plan->Describe());
  for (const auto& [key, value] : lines) {
    if (value.empty()) {
      std::cout << key << "\n";
    } else {
      Line(key, value);
    }
  }
  if (const auto memory = plan->EstimateMemory(); memory.ok()) {
    double total = 0;
    std::vector<std::string> parts;
    for (const auto& [name, bytes] : *memory) {
      total += bytes;
      parts.push_back(name + " " + FormatBytes(static_cast<int64_t>(bytes)));
    }
    Line("memory, estimated", FormatBytes(static_cast<int64_t>(total)) + " (" + Join(parts, ", ") + ")");
    Line("memory here", FormatBytes(ReadMemoryLimits().Available()) + " available");
  }
  std::cout << "every key\n" << WriteConfig(config);
  return OkStatus();
}

Status DescribeRun(const std::string& path) {
  const RunPaths paths{path};
  std::cout << "run " << path << "\n";
  ASSIGN_OR_RETURN(const std::vector<MetricsLine> lines, ReadMetrics(paths.metrics()));
  Line("steps", lines.empty() ? "0" : std::to_string(lines.back().step));
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (line->kind != "eval") continue;
    std::string text;
    for (const auto& [name, value] : line->metrics.values()) text += name + " " + FormatShort(value) + "  ";
    Line("last evaluation", "step " + std::to_string(line->step) + ": " + text);
    break;
  }
  ASSIGN_OR_RETURN(const std::vector<CheckpointHealth> checkpoints, ListCheckpoints(paths.checkpoints()));
  std::cout << "checkpoints\n";
  for (const CheckpointHealth& health : checkpoints) {
    Line("step " + std::to_string(health.step), FormatBytes(health.bytes) + (health.is_best ? ", best" : "") + ", " +
                                                     (health.status.ok() ? "healthy" : Message(health.status)));
  }
  std::cout << "results\n";
  if (FolderExists(paths.adapter())) Line("adapter", paths.adapter());
  Line("report", FileExists(paths.report()) ? paths.report() : "not yet");
  ASSIGN_OR_RETURN(const std::string config, ReadFile(paths.config()));
  std::cout << "every key\n" << config;
  return OkStatus();
}

}  // namespace

Status Describe(const DescribeCommand& command) {
  if (command.keys) {
    std::cout << ConfigReference();
    return OkStatus();
  }
  if (command.target.empty()) return InvalidArgument("describe what? Give a YAML file, a run folder or a model (or --keys)");
  if (IsRunFolder(command.target)) return DescribeRun(command.target);
  if (command.target.ends_with(".yaml") || command.target.ends_with(".yml")) return DescribeConfig(command);
  return DescribeModel(command.target);
}

}  // namespace gfn
