// What would run, before it runs; the state of a run folder; what a model file is.
#include <iostream>

#include "app/app.h"
#include "app/memory_check.h"
#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/memory.h"
#include "gflownet/base/text_util.h"
#include "llm/format/describe_model.h"
#include "llm/format/weight_source.h"

namespace gfn {
namespace {

Status DescribeModel(const std::string& path) {
  ASSIGN_OR_RETURN(const auto source, OpenModel(path));
  std::cout << "model " << path << " (" << source->format() << ", " << source->stored_type() << ")\n";
  for (const auto& [key, value] : DescribeModelConfig(source->config())) PrintField(key, value);
  if (source->adapter() != nullptr) PrintField("its own adapter", DescribePeft(*source->adapter()));
  ASSIGN_OR_RETURN(const uint64_t hash, source->weight_hash());
  PrintField("weight hash", DigestToHex(hash));
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
      PrintField(key, value);
    }
  }
  if (const auto memory = plan->EstimateMemory(); memory.ok()) {
    PrintField("memory, estimated", MemoryText(*memory));
    PrintField("memory here", FormatBytes(ReadMemoryLimits().Available()) + " available");
  } else {
    PrintField("memory, estimated", "unknown: " + Message(memory.status()));
  }
  std::cout << "every key\n" << WriteConfig(config);
  return OkStatus();
}

}  // namespace

void PrintField(const std::string& key, const std::string& value) {
  std::cout << "  " << key << std::string(key.size() < 24 ? 24 - key.size() : 1, ' ') << value << "\n";
}

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
