#include "llm/lora/lora.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/tensor/random.h"
#include "llm/model/peft_modules.h"

namespace gfn {
namespace {

std::string LastPart(std::string_view path) { return std::string(path.substr(path.rfind('.') + 1)); }

bool IsAllLinear(const std::vector<std::string>& targets) { return targets.size() == 1 && targets[0] == kAllLinear; }

std::string GroupName(int64_t layer, Slot slot) {
  static constexpr const char* kNames[] = {"qkv", "attention_out", "up", "down"};
  return "layers." + std::to_string(layer) + "." + kNames[static_cast<int>(slot)] + ".lora_A";
}

// Calls fn(layer, slot) for each product of the model, in order.
template <class F>
Status ForEachProduct(const LanguageModel& model, const F& fn) {
  for (int64_t l = 0; l < model.config().num_layers; ++l) {
    for (int s = 0; s < kNumSlots; ++s) RETURN_IF_ERROR(fn(l, static_cast<Slot>(s)));
  }
  return OkStatus();
}

// Registers the factors of one product as trained parameters.
void Register(const LanguageModel& model, int64_t layer, Slot slot, LoraGroup group, ParameterSet& parameters, Adapter& adapter) {
  const auto place = [&](const at::Tensor& x) { return x.to(model.device(), model.activation_type()).contiguous(); };
  group.a = parameters.Add(GroupName(layer, slot), kAdapterGroup, place(group.a));
  for (LoraPart& part : group.parts) part.b = parameters.Add(part.module.path + ".lora_B", kAdapterGroup, place(part.b));
  adapter.layers[layer][static_cast<int>(slot)] = std::move(group);
}

// What a key of the configuration says beside a folder that says something else.
Status Disagrees(const LoraConfig& config, const std::string& key, const std::string& said, const std::string& found) {
  return InvalidArgument("lora." + key + " is " + said + ", but the adapter in " + config.path + " has " + found +
                         ": with lora.path the folder decides; leave lora." + key + " out");
}

// The last parts of the adapted modules' names.
std::set<std::string> LastParts(const PeftAdapter& peft) {
  std::set<std::string> names;
  for (const auto& [path, lora] : peft.modules) names.insert(LastPart(path));
  return names;
}

Status CheckAgainstFolder(const LoraConfig& config, const PeftAdapter& peft) {
  for (const auto& [path, lora] : peft.modules) {
    const int64_t rank = peft.config.RankOf(path);
    if (config.rank.value_or(rank) != rank)
      return Disagrees(config, "rank", std::to_string(*config.rank), "rank " + std::to_string(rank) + " at " + path);
    const double alpha = peft.config.AlphaOf(path);
    if (config.alpha.value_or(alpha) != alpha)
      return Disagrees(config, "alpha", FormatReal(*config.alpha), "alpha " + FormatReal(alpha) + " at " + path);
  }
  if (config.rslora.value_or(peft.config.use_rslora) != peft.config.use_rslora) {
    return Disagrees(config, "rslora", *config.rslora ? "true" : "false",
                     std::string("use_rslora ") + (peft.config.use_rslora ? "true" : "false"));
  }
  const std::set<std::string> targets(config.targets.begin(), config.targets.end()), found = LastParts(peft);
  // Which modules "all" are, the model knows: CheckAllAdapted.
  if (!targets.empty() && !IsAllLinear(config.targets) && targets != found) {
    return Disagrees(config, "targets", "[" + Join(config.targets, ", ") + "]",
                     "modules " + Join(std::vector<std::string>(found.begin(), found.end()), ", "));
  }
  return OkStatus();
}

// With "all-linear" the folder must adapt every module there is.
Status CheckAllAdapted(const LanguageModel& model, const LoraConfig& config, const PeftAdapter& peft) {
  if (!IsAllLinear(config.targets)) return OkStatus();
  return ForEachProduct(model, [&](int64_t l, Slot slot) -> Status {
    for (const ModulePart& part : model.Parts(l, slot)) {
      if (!peft.modules.contains(part.path)) return Disagrees(config, "targets", kAllLinear, "no module " + part.path);
    }
    return OkStatus();
  });
}

StatusOr<PeftAdapter> ReadStart(const std::string& path) {
  StatusOr<PeftAdapter> peft = ReadPeft(path);
  return peft.ok() ? std::move(peft) : StatusOr<PeftAdapter>(Annotate(peft.status(), "lora.path"));
}

}  // namespace

double LoraConfig::Scale() const {
  const double r = static_cast<double>(Rank());
  return Alpha() / (RsLora() ? std::sqrt(r) : r);
}

LoraConfig LoraConfig::Completed() const {
  LoraConfig completed = *this;
  if (!path.empty()) return completed;
  completed.rank = Rank();
  completed.alpha = Alpha();
  completed.rslora = RsLora();
  return completed;
}

bool LoraConfig::IsTarget(std::string_view module) const {
  return targets.empty() || IsAllLinear(targets) || std::ranges::find(targets, LastPart(module)) != targets.end();
}

int64_t NumLoraParameters(const ModelConfig& model, const LoraConfig& lora) {
  int64_t width = 0;  // in + out of each adapted module of a layer
  for (int s = 0; s < kNumSlots; ++s) {
    const Product product = ProductOf(model, static_cast<Slot>(s));
    for (const LinearModule& module : product.modules) {
      if (lora.IsTarget(module.name)) width += product.inputs + module.outputs;
    }
  }
  return model.num_layers * lora.Rank() * width;
}

StatusOr<Adapter> CreateAdapter(const LanguageModel& model, const LoraConfig& config, uint64_t seed, ParameterSet& parameters) {
  std::set<std::string> known;
  RETURN_IF_ERROR(ForEachProduct(model, [&](int64_t l, Slot slot) {
    for (const ModulePart& part : model.Parts(l, slot)) known.insert(LastPart(part.path));
    return OkStatus();
  }));
  for (const std::string& target : config.targets) {
    if (!IsAllLinear(config.targets) && !known.contains(target)) {
      return InvalidArgument("lora.targets: " +
                             UnknownName("module", target, "modules of this model", {known.begin(), known.end()}));
    }
  }
  Adapter adapter{.dropout = config.dropout, .layers = {}};
  adapter.layers.resize(model.config().num_layers);
  uint64_t stream = 0;
  RETURN_IF_ERROR(ForEachProduct(model, [&](int64_t l, Slot slot) {
    LoraGroup group;
    int64_t rows = 0;
    for (const ModulePart& part : model.Parts(l, slot)) {
      if (!config.IsTarget(part.path)) continue;
      group.parts.push_back({part, at::zeros({part.out_count, config.Rank()}), rows, config.Scale()});
      rows += config.Rank();
    }
    if (group.parts.empty()) return OkStatus();
    const int64_t in = model.Matrix(l, slot).num_inputs();
    const RngKey key{seed, RngPurpose::kInit, 0};
    group.a = KaimingUniformTensor(key, {rows, in}, 1 / std::sqrt(3.0), at::kFloat, stream++);
    Register(model, l, slot, std::move(group), parameters, adapter);
    return OkStatus();
  }));
  return adapter;
}

StatusOr<StartedAdapter> StartAdapter(const LanguageModel& model, const LoraConfig& config, uint64_t seed,
                                      ParameterSet& parameters) {
  StartedAdapter started;
  if (config.path.empty()) {
    ASSIGN_OR_RETURN(started.adapter, CreateAdapter(model, config, seed, parameters));
    started.config = {.rank = config.Rank(),
                      .alpha = config.Alpha(),
                      .use_rslora = config.RsLora(),
                      .dropout = config.dropout,
                      .target_modules = IsAllLinear(config.targets) ? std::vector<std::string>() : config.targets,
                      .base_model_name_or_path = {},
                      .rank_pattern = {},
                      .alpha_pattern = {}};
    return started;
  }
  ASSIGN_OR_RETURN(const PeftAdapter peft, ReadStart(config.path));
  RETURN_IF_ERROR(CheckAgainstFolder(config, peft));
  StatusOr<Adapter> adapter = FromPeft(model, peft, parameters);
  if (!adapter.ok()) return Annotate(adapter.status(), "lora.path " + config.path);
  RETURN_IF_ERROR(CheckAllAdapted(model, config, peft));
  started.adapter = *std::move(adapter);
  started.adapter.dropout = config.dropout;
  started.config = peft.config;
  started.config.dropout = config.dropout;
  started.path_hash = PeftDigest(peft);
  started.path_shape_hash = PeftShapeDigest(peft);
  return started;
}

void SetScales(const PeftConfig& config, Adapter& adapter) {
  for (auto& layer : adapter.layers) {
    for (LoraGroup& group : layer) {
      for (LoraPart& part : group.parts) part.scale = config.ScaleOf(part.module.path);
    }
  }
}

StatusOr<LoraConfig> ResolveLora(const LoraConfig& config) {
  if (config.path.empty()) return config.Completed();
  ASSIGN_OR_RETURN(const PeftAdapter peft, ReadStart(config.path));
  RETURN_IF_ERROR(CheckAgainstFolder(config, peft));
  LoraConfig resolved = config;
  resolved.rank = 0;
  for (const auto& [path, lora] : peft.modules) resolved.rank = std::max(*resolved.rank, peft.config.RankOf(path));
  resolved.alpha = peft.config.alpha;
  resolved.rslora = peft.config.use_rslora;
  const std::set<std::string> targets = LastParts(peft);
  resolved.targets.assign(targets.begin(), targets.end());
  return resolved;
}

PeftAdapter ToPeft(const LanguageModel& model, const Adapter& adapter, const PeftConfig& config, const std::string& base_model) {
  at::NoGradGuard no_grad;
  PeftAdapter peft;
  peft.config = config;
  peft.config.fan_in_fan_out = model.config().family().naming->conv1d;
  peft.config.base_model_name_or_path = base_model;
  for (const auto& layer : adapter.layers) {
    for (const LoraGroup& group : layer) {
      for (const LoraPart& part : group.parts) {
        peft.modules[part.module.path] = {group.a.narrow(0, part.a_begin, part.rank()).detach().to(at::kCPU, at::kFloat).clone(),
                                          part.b.detach().to(at::kCPU, at::kFloat).clone()};
      }
    }
  }
  // Last parts of names are enough unless a module of the same name has no adapter (layers or modules were left out).
  const std::set<std::string> targets = LastParts(peft);
  bool exact = true;
  for (int64_t l = 0; l < model.config().num_layers; ++l) {
    for (int s = 0; s < kNumSlots; ++s) {
      for (const ModulePart& part : model.Parts(l, static_cast<Slot>(s)))
        exact = exact && targets.contains(LastPart(part.path)) == peft.modules.contains(part.path);
    }
  }
  if (!exact) {
    peft.config.target_modules.clear();
    for (const auto& [path, lora] : peft.modules) peft.config.target_modules.push_back(path);
  }
  return peft;
}

StatusOr<Adapter> FromPeft(const LanguageModel& model, const PeftAdapter& peft, ParameterSet& parameters) {
  ASSIGN_OR_RETURN(const PlacedModules placed, PlaceModules(model, peft));
  Adapter adapter{.dropout = peft.config.dropout, .layers = {}};
  adapter.layers.resize(model.config().num_layers);
  RETURN_IF_ERROR(ForEachProduct(model, [&](int64_t l, Slot slot) {
    const std::vector<PlacedModule>& modules = placed[l][static_cast<int>(slot)];
    if (!modules.empty()) Register(model, l, slot, GroupOf(modules), parameters, adapter);
    return OkStatus();
  }));
  return adapter;
}

std::function<StatusOr<at::Tensor>(const std::string& name)> MergedReader(const WeightSource& base, const PeftAdapter& adapter) {
  return [&base, &adapter](const std::string& name) -> StatusOr<at::Tensor> {
    ASSIGN_OR_RETURN(at::Tensor weight, base.Read(name, at::kFloat));
    constexpr std::string_view kSuffix = ".weight";
    if (!name.ends_with(kSuffix)) return weight;
    const std::string module = name.substr(0, name.size() - kSuffix.size());
    for (const PeftAdapter* share : {base.adapter(), &adapter}) {
      if (share == nullptr) continue;
      const auto found = share->modules.find(module);
      if (found == share->modules.end()) continue;
      const at::Tensor delta = at::mm(found->second.b, found->second.a).mul_(share->config.ScaleOf(module));
      weight.add_(IsConv1D(base.config(), name) ? delta.t() : delta);
    }
    return weight;
  };
}

}  // namespace gfn
