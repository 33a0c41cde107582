#include "llm/format/peft_file.h"

#include <set>
#include <utility>

#include "gflownet/base/file_util.h"
#include "gflownet/tensor/exceptions.h"
#include "gflownet/tensor/safetensors_tensors.h"
#include "llm/format/peft_config.h"
#include "llm/format/tensor_text.h"

namespace gfn {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kSuffixA = ".lora_A.weight";
constexpr std::string_view kSuffixB = ".lora_B.weight";
constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";

std::string_view LastPart(std::string_view module) { return module.substr(module.rfind('.') + 1); }

std::string TensorName(const std::string& module, std::string_view suffix) {
  return std::string(kPrefix).append(module).append(suffix);
}

bool IsTarget(const PeftConfig& config, std::string_view module) {
  for (const std::string& target : config.target_modules) {
    if (module == target || module.ends_with("." + target)) return true;
  }
  return config.target_modules.empty();
}

// Both matrices are there, 2-dimensional, and of the rank that the config gives this module; numbers are finite.
Status CheckModule(const PeftConfig& config, const std::string& module, const LoraTensors& lora, const std::string& where) {
  const std::string at = where + ": module '" + module + "'";
  if (!lora.a.defined() || !lora.b.defined()) return DataLoss(at + " has no lora_" + (lora.a.defined() ? "B" : "A"));
  const int64_t rank = config.RankOf(module);
  if (lora.a.dim() != 2 || lora.b.dim() != 2 || lora.a.size(0) != rank || lora.b.size(1) != rank) {
    return DataLoss(at + ": lora_A is " + ShapeText(lora.a.sizes().vec()) + " and lora_B " + ShapeText(lora.b.sizes().vec()) +
                    ", expected [" + std::to_string(rank) + ", in] and [out, " + std::to_string(rank) + "]");
  }
  if (!at::isfinite(lora.a).all().item<bool>() || !at::isfinite(lora.b).all().item<bool>()) {
    return DataLoss(at + " has numbers that are not finite");
  }
  if (!IsTarget(config, module)) return DataLoss(at + " is not among the target_modules");
  return OkStatus();
}

// Puts one tensor of the file into its module.
Status AddTensor(const SafetensorsFile& file, const TensorView& view, PeftAdapter& adapter) {
  std::string_view name = view.name;
  const bool is_a = name.ends_with(kSuffixA), is_b = name.ends_with(kSuffixB);
  if (!name.starts_with(kPrefix) || (!is_a && !is_b) || name.size() <= kPrefix.size() + kSuffixA.size()) {
    return Unimplemented(file.path() + ": tensor '" + view.name + "', supported are " + TensorName("<module>", kSuffixA) +
                         " and " + TensorName("<module>", kSuffixB));
  }
  name.remove_prefix(kPrefix.size());
  name.remove_suffix(kSuffixA.size());
  LoraTensors& lora = adapter.modules[std::string(name)];
  ASSIGN_OR_RETURN((is_a ? lora.a : lora.b), ReadTensor(file, view.name, at::kFloat));
  return OkStatus();
}

Status CheckAdapter(const PeftAdapter& adapter, const std::string& where) {
  if (adapter.modules.empty()) return DataLoss(where + ": an adapter without any module");
  for (const auto& [module, lora] : adapter.modules) RETURN_IF_ERROR(CheckModule(adapter.config, module, lora, where));
  return OkStatus();
}

}  // namespace

StatusOr<PeftAdapter> ReadPeft(const std::string& folder) {
  const std::string config_path = JoinPath(folder, kConfigFile), weights_path = JoinPath(folder, kWeightsFile);
  PeftAdapter adapter;
  constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;
  ASSIGN_OR_RETURN(const std::string text, ReadFile(config_path, kMaxConfigBytes));
  ASSIGN_OR_RETURN(adapter.config, PeftConfigFromJson(text, config_path));
  if (!FileExists(weights_path)) {
    const bool has_pickle = FileExists(JoinPath(folder, "adapter_model.bin"));
    return NotFound(folder + ": no " + kWeightsFile +
                    (has_pickle ? "; adapter_model.bin is not read, save the adapter again with save_pretrained" : ""));
  }
  RETURN_IF_ERROR(CatchExceptions("reading " + weights_path, [&]() -> Status {
    ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(weights_path));
    for (const TensorView& view : file.tensors()) RETURN_IF_ERROR(AddTensor(file, view, adapter));
    return CheckAdapter(adapter, folder);
  }));
  return adapter;
}

Status WritePeft(const std::string& folder, const PeftAdapter& adapter) {
  PeftConfig config = adapter.config;
  if (config.target_modules.empty()) {
    std::set<std::string> targets;
    for (const auto& [module, lora] : adapter.modules) targets.emplace(LastPart(module));
    config.target_modules.assign(targets.begin(), targets.end());
  }
  RETURN_IF_ERROR(CatchExceptions("writing " + folder, [&]() -> Status {
    if (const Status status = CheckAdapter(adapter, "writing " + folder); !status.ok()) return InvalidArgument(Message(status));
    std::vector<NamedTensor> tensors;
    for (const auto& [module, lora] : adapter.modules) {
      tensors.push_back({TensorName(module, kSuffixA), lora.a.detach()});
      tensors.push_back({TensorName(module, kSuffixB), lora.b.detach()});
    }
    RETURN_IF_ERROR(MakeFolders(folder));
    return WriteTensors(JoinPath(folder, kWeightsFile), tensors, {{"format", "pt"}});
  }));
  return WriteFileAtomic(JoinPath(folder, kConfigFile), PeftConfigToJson(config));
}

}  // namespace gfn
