#include "tasks/run_config.h"

#include <concepts>
#include <type_traits>
#include <utility>

#include "gflownet/base/config_reader.h"
#include "gflownet/tensor/device.h"

namespace gfn {
namespace {

bool UsesLanguageModel(const TaskConfig& task) {
  return std::visit([]<class T>(const T&) { return T::kUsesLanguageModel; }, task);
}

template <class... T>
bool IsKindOfText(std::string_view kind, std::type_identity<std::variant<T...>>) {
  return ((std::derived_from<T, TextConfig> && T::kKind == kind) || ...);
}

// Fills in the defaults that depend on the task.
RunConfig Completed(RunConfig config) {
  if (UsesLanguageModel(config.task) && !config.lora) config.lora.emplace();
  if (config.lora) config.lora = config.lora->Completed();
  return config;
}

}  // namespace

const TextConfig* TextConfigOf(const TaskConfig& task) {
  return std::visit(
      []<class T>(const T& config) -> const TextConfig* {
        if constexpr (std::derived_from<T, TextConfig>) return &config;
        return nullptr;
      },
      task);
}
TextConfig* TextConfigOf(TaskConfig& task) { return const_cast<TextConfig*>(TextConfigOf(std::as_const(task))); }

bool IsTextKind(std::string_view kind) { return IsKindOfText(kind, std::type_identity<TaskConfig>()); }

std::string TaskKind(const RunConfig& config) {
  return std::visit([]<class T>(const T&) { return std::string(T::kKind); }, config.task);
}

void RunConfig::Validate(ConfigErrors& errors) const {
  if (name.find('/') != name.npos || name.starts_with('.')) {
    errors.Add("name", "names a folder in runs/, so it holds no '/' and does not begin with '.', found '" + name + "'");
  }
  if (const auto parsed = ParseDevice(device); !parsed.ok()) errors.Add("device", Message(parsed.status()));
  if (train.trainer.warm_start_steps > 0 && std::get<0>(warm_start).importance && train.trainer.rollouts < 2) {
    errors.Add("train.rollouts", "importance weights need at least 2 rollouts of a condition");
  }
  if (const TextConfig* text = TextConfigOf(task); text != nullptr && !text->data.HasValidation() && validation.patience > 0) {
    errors.Add("validation.patience", "counts evaluations on task.data.validation, which is empty");
  }
  if (UsesLanguageModel(task)) {
    if (!model) errors.Add("model", "is missing: task kind " + TaskKind(*this) + " needs a language model (model: {path: ...})");
  } else {
    if (model) errors.Add("model", "is given, but task kind " + TaskKind(*this) + " has no language model");
    if (lora) errors.Add("lora", "is given, but task kind " + TaskKind(*this) + " has no language model");
  }
}

StatusOr<RunConfig> ReadRunConfig(const std::string& path, const std::vector<std::string>& overrides) {
  ASSIGN_OR_RETURN(RunConfig config, ReadConfigFile<RunConfig>(path, overrides));
  return Completed(std::move(config));
}

StatusOr<RunConfig> ReadRunConfigText(const std::string& text, const std::string& name,
                                      const std::vector<std::string>& overrides) {
  ASSIGN_OR_RETURN(RunConfig config, ReadConfigText<RunConfig>(text, name, overrides));
  return Completed(std::move(config));
}

std::string ConfigReference() {
  return "# Configuration\n\nEvery key of a run's YAML file. Made by `gfn describe --keys`; a test keeps it current.\n"
         "`--set a.b=c` gives one key another value; a map or a list (`--set 'a={b: c}'`) takes the place of all that the file "
         "says "
         "there,\nand what it leaves out has its default. Keys that \"may change at a resume\" may have another value when a run "
         "goes "
         "on, all others not.\n\n" +
         DocumentConfig<RunConfig>();
}

}  // namespace gfn
