#include "tasks/build.h"

#include <concepts>
#include <nlohmann/json.hpp>

#include "gflownet/base/text_util.h"
#include "tasks/arithmetic/arithmetic_task.h"
#include "tasks/continuation/continuation_task.h"
#include "tasks/infill/infill_task.h"
#include "tasks/posterior/posterior_task.h"
#include "tasks/random_number/random_number_task.h"
#include "tasks/subjectivity/subjectivity_task.h"
#include "tasks/text/text_task.h"
#include "tasks/world/world_task.h"

namespace gfn {
namespace {

bool IsGiven(const std::vector<std::string>& overrides, std::string_view key) {
  return std::any_of(overrides.begin(), overrides.end(), [&](const std::string& text) {
    return text.starts_with(key) && (text.size() == key.size() || text[key.size()] == '=' || text[key.size()] == '.');
  });
}

void UseAdapter(const std::string& adapter, RunConfig& config) {
  if (!adapter.empty()) config.lora = LoraConfig{.path = adapter};
}

// What a sampler without any settings of its own does, so that nobody takes it for the adapter's.
std::string SupportText(const TextConfig& task) {
  return "prompt " + nlohmann::json(task.prompt).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + ", " +
         std::to_string(task.support.min_len) + " to " + std::to_string(task.support.max_len) + " tokens and a stop of [" +
         Join(task.support.stop, ", ") + "]";
}

StatusOr<std::unique_ptr<Task>> OpenSampler(const RunConfig& config, const std::optional<SamplerFile>& file,
                                            const LogFunction& log) {
  return std::visit(
      [&]<class T>(const T& task) -> StatusOr<std::unique_ptr<Task>> {
        if constexpr (std::derived_from<T, TextConfig>) {
          return OpenTextSampler(MakeTextKind(task), config, file, log);
        } else {
          return InvalidArgument("--set task.kind: a sampler on a model is of a kind that has one, found " + TaskKind(config));
        }
      },
      config.task);
}

StatusOr<std::unique_ptr<Task>> BuildModelSampler(const SamplerSource& source, const LogFunction& log) {
  std::optional<SamplerFile> file;
  if (!source.adapter.empty()) {
    ASSIGN_OR_RETURN(file, ReadSamplerFile(source.adapter));
  }
  if (file && !IsTextKind(file->task))
    return DataLoss(file->path + ": \"task\" is '" + file->task + "', and no task on a language model is of this kind");
  // No training data are read, unless a key that needs them is set.
  const std::string text = "model: {path: " + nlohmann::json(source.target).dump() +
                           "}\ntask: {kind: " + (file ? file->task : std::string(InfillConfig::kKind)) +
                           ", data: {train: /dev/null}}\n";
  ASSIGN_OR_RETURN(RunConfig config, ReadRunConfigText(text, "a sampler on " + source.target, source.overrides));
  UseAdapter(source.adapter, config);
  if (file && TaskKind(config) != file->task)
    return InvalidArgument("--set task.kind: " + file->path + " says that the adapter is a sampler of kind " + file->task);
  TextConfig* task = TextConfigOf(config.task);
  if (!file) {
    if (task != nullptr && log)
      log("no gfn_sampler.json says what the sampler is, so the keys of task do (--set): " + SupportText(*task));
    return OpenSampler(config, file, log);
  }
  for (const char* key : {"task.prompt", "task.support"}) {
    if (IsGiven(source.overrides, key))
      return InvalidArgument(
          "--set " + std::string(key) + ": " + file->path +
          " says it, and with anything else the adapter is another sampler; move that file away to have it so");
  }
  task->prompt = file->prompt;
  if (file->fields && !IsGiven(source.overrides, "task.data.fields")) {
    const bool has_y = task->data.fields.has_y;
    task->data.fields = *file->fields;
    task->data.fields.has_y = has_y;
  }
  if (!IsGiven(source.overrides, "model.dtype")) config.model->dtype = file->dtype;
  return OpenSampler(config, file, log);
}

}  // namespace

// MakeTaskPlan is overloaded for every alternative of TaskConfig, in the header of its folder.
std::unique_ptr<TaskPlan> MakePlan(const RunConfig& config) {
  return std::visit([&](const auto& task) { return MakeTaskPlan(task, config); }, config.task);
}

StatusOr<std::unique_ptr<Task>> BuildTask(const RunConfig& config, const LogFunction& log) {
  return MakePlan(config)->Build(log);
}

StatusOr<std::unique_ptr<Task>> BuildSampler(const SamplerSource& source, const LogFunction& log) {
  if (!source.target.ends_with(".yaml") && !source.target.ends_with(".yml")) return BuildModelSampler(source, log);
  ASSIGN_OR_RETURN(RunConfig config, ReadRunConfig(source.target, source.overrides));
  if (!config.model && !source.adapter.empty())
    return InvalidArgument("--adapter: task kind " + TaskKind(config) + " has no language model");
  UseAdapter(source.adapter, config);
  return BuildTask(config, log);
}

}  // namespace gfn
