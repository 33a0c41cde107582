#include "llm/format/peft_file.h"

#include <array>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/text_util.h"
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
constexpr const char* kPickleFile = "adapter_model.bin";

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
  for (const auto& [key, value] : config.rank_pattern) RETURN_IF_ERROR(PatternMatches(key, module).status());
  for (const auto& [key, value] : config.alpha_pattern) RETURN_IF_ERROR(PatternMatches(key, module).status());
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

// Why a tensor of this name is not a factor of a linear module; "" if the name tells nothing.
std::string_view WhyNot(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kKinds = {{
      {"lora_magnitude_vector", "it belongs to DoRA (use_dora), which rescales the base weights"},
      {"lora_embedding_", "it adapts an embedding, and embeddings stay frozen here"},
      {"modules_to_save", "it is of a module that was trained whole (modules_to_save)"},
      {"original_module", "it is of a module that was trained whole (modules_to_save)"},
      {"trainable_tokens", "it is a trained embedding of single tokens (trainable_token_indices)"},
      {".bias", "biases are not read (bias, lora_bias)"},
      {"base_layer", "it is a weight of the base; save the adapter alone, with save_pretrained"},
      {".weight", "it is a whole weight, as PEFT saves embeddings that were resized or trained"},
  }};
  if (name.ends_with(kSuffixA) || name.ends_with(kSuffixB)) return "";
  for (const auto& [part, why] : kKinds) {
    if (name.find(part) != std::string_view::npos) return why;
  }
  return "";
}

// A name as its module, the adapter's name ("" if it is left out), and which factor it is; nullopt: none.
struct FactorName {
  std::string module, adapter;
  bool is_a = false;
};
std::optional<FactorName> ParseName(std::string_view name) {
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  for (const bool is_a : {true, false}) {
    constexpr std::string_view kWeight = ".weight";
    const std::string_view mark = is_a ? ".lora_A" : ".lora_B";
    const size_t at = name.rfind(mark);
    if (at == std::string_view::npos || at == 0 || !name.ends_with(kWeight)) continue;
    std::string_view between = name.substr(at + mark.size());  // ".weight" or ".default.weight"
    between.remove_suffix(kWeight.size());
    if (!between.empty() && (between[0] != '.' || between.size() == 1 || between.find('.', 1) != std::string_view::npos))
      continue;
    return FactorName{std::string(name.substr(0, at)), std::string(between.empty() ? between : between.substr(1)), is_a};
  }
  return std::nullopt;
}

// Puts one tensor of the file into its module. All have the name of one adapter, or none.
Status AddTensor(const SafetensorsFile& file, const TensorView& view, PeftAdapter& adapter,
                 std::optional<std::string>& its_name) {
  const std::optional<FactorName> name = ParseName(view.name);
  if (!name) {
    const std::string_view why = WhyNot(view.name);
    return Unimplemented(file.path() + ": tensor '" + view.name + "', supported are " + TensorName("<module>", kSuffixA) +
                         " and " + TensorName("<module>", kSuffixB) + (why.empty() ? "" : "; ") + std::string(why));
  }
  if (its_name.value_or(name->adapter) != name->adapter) {
    return Unimplemented(file.path() + ": holds more than one adapter, '" + *its_name + "' and '" + name->adapter +
                         "'; save the one that is meant alone, with save_pretrained");
  }
  its_name = name->adapter;
  LoraTensors& lora = adapter.modules[name->module];
  at::Tensor& factor = name->is_a ? lora.a : lora.b;
  if (factor.defined()) return DataLoss(file.path() + ": tensor '" + view.name + "' is there twice, under another prefix too");
  ASSIGN_OR_RETURN(factor, ReadTensor(file, view.name, at::kFloat));
  return OkStatus();
}

Status CheckAdapter(const PeftAdapter& adapter, const std::string& where) {
  if (adapter.modules.empty()) return DataLoss(where + ": an adapter without any module");
  for (const auto& [module, lora] : adapter.modules) RETURN_IF_ERROR(CheckModule(adapter.config, module, lora, where));
  return OkStatus();
}

}  // namespace

bool HoldsPeftFiles(const std::string& folder) {
  return FileExists(JoinPath(folder, kConfigFile)) || FileExists(JoinPath(folder, kWeightsFile)) ||
         FileExists(JoinPath(folder, kPickleFile));
}

StatusOr<PeftAdapter> ReadPeft(const std::string& folder) {
  const std::string config_path = JoinPath(folder, kConfigFile), weights_path = JoinPath(folder, kWeightsFile);
  if (FileExists(folder)) return InvalidArgument(folder + ": a file; expected the folder with " + kConfigFile);
  if (!FileExists(config_path)) {
    const std::string inside = JoinPath(folder, "adapter");  // a run folder was given
    return NotFound(folder + ": no " + kConfigFile + ", expected a folder as PEFT's save_pretrained writes it" +
                    (FileExists(JoinPath(inside, kConfigFile)) ? "; did you mean " + inside + "?" : ""));
  }
  PeftAdapter adapter;
  constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;
  ASSIGN_OR_RETURN(const std::string text, ReadFile(config_path, kMaxConfigBytes));
  ASSIGN_OR_RETURN(adapter.config, PeftConfigFromJson(text, config_path));
  if (!FileExists(weights_path)) {
    return NotFound(folder + ": no " + kWeightsFile +
                    (FileExists(JoinPath(folder, kPickleFile))
                         ? "; adapter_model.bin is a PyTorch pickle, which is not read: convert it to safetensors (load it with "
                           "PEFT and save it again with save_pretrained)"
                         : ""));
  }
  RETURN_IF_ERROR(CatchExceptions("reading " + weights_path, [&]() -> Status {
    ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(weights_path));
    std::optional<std::string> its_name;
    for (const TensorView& view : file.tensors()) RETURN_IF_ERROR(AddTensor(file, view, adapter, its_name));
    return CheckAdapter(adapter, folder);
  }));
  return adapter;
}

std::string DescribePeft(const PeftAdapter& adapter) {
  std::set<std::string> names, ranks, alphas;
  for (const auto& [module, lora] : adapter.modules) {
    names.emplace(LastPart(module));
    ranks.insert(std::to_string(adapter.config.RankOf(module)));
    alphas.insert(FormatReal(adapter.config.AlphaOf(module)));
  }
  const auto list = [](const std::set<std::string>& texts) {
    return Join(std::vector<std::string>(texts.begin(), texts.end()), ", ");
  };
  return std::to_string(adapter.modules.size()) + " modules (" + list(names) + "), rank " + list(ranks) + ", alpha " +
         list(alphas) + (adapter.config.use_rslora ? " over the root of the rank" : "");
}

uint64_t PeftDigest(const PeftAdapter& adapter) {
  Digest digest;
  for (const auto& [module, lora] : adapter.modules) {
    digest.String(module).Real(adapter.config.ScaleOf(module));
    for (const at::Tensor& factor : {lora.a, lora.b}) {
      const at::Tensor values = factor.to(at::kCPU, at::kFloat).contiguous();
      digest.Ints(values.sizes().vec()).Bytes(std::as_bytes(std::span(values.const_data_ptr<float>(), values.numel())));
    }
  }
  return digest.value();
}

uint64_t PeftShapeDigest(const PeftAdapter& adapter) {
  Digest digest;
  for (const auto& [module, lora] : adapter.modules)
    digest.String(module).Int(adapter.config.RankOf(module)).Real(adapter.config.ScaleOf(module));
  return digest.value();
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
