#include "llm/lora/lora.h"

#include <cmath>
#include <set>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/tensor/random.h"

namespace gfn {
namespace {

std::string LastPart(const std::string& path) { return path.substr(path.rfind('.') + 1); }

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

// Registers the factors of one product; a [parts * r, in] and one b [out, r] a module.
void Register(const LanguageModel& model, int64_t layer, Slot slot, const std::vector<ModulePart>& parts, const at::Tensor& a,
              const std::vector<at::Tensor>& b, ParameterSet& parameters, Adapter& adapter) {
  LoraGroup& group = adapter.layers[layer][static_cast<int>(slot)];
  const auto place = [&](const at::Tensor& x) { return x.to(model.device(), model.activation_type()).contiguous(); };
  group.a = parameters.Add(GroupName(layer, slot), kAdapterGroup, place(a));
  for (size_t p = 0; p < parts.size(); ++p) {
    group.parts.push_back({parts[p], parameters.Add(parts[p].path + ".lora_B", kAdapterGroup, place(b[p]))});
  }
}

}  // namespace

double LoraConfig::Scale() const {
  return rslora ? alpha / std::sqrt(static_cast<double>(rank)) : alpha / static_cast<double>(rank);
}

StatusOr<Adapter> CreateAdapter(const LanguageModel& model, const LoraConfig& config, uint64_t seed, ParameterSet& parameters) {
  std::set<std::string> known;
  RETURN_IF_ERROR(ForEachProduct(model, [&](int64_t l, Slot slot) {
    for (const ModulePart& part : model.Parts(l, slot)) known.insert(LastPart(part.path));
    return OkStatus();
  }));
  for (const std::string& target : config.targets) {
    if (!known.contains(target)) {
      return InvalidArgument("lora.targets: " +
                             UnknownName("module", target, "modules of this model", {known.begin(), known.end()}));
    }
  }
  const std::set<std::string> targets(config.targets.begin(), config.targets.end());
  Adapter adapter{.rank = config.rank, .scale = config.Scale(), .dropout = config.dropout, .layers = {}};
  adapter.layers.resize(model.config().num_layers);
  uint64_t stream = 0;
  RETURN_IF_ERROR(ForEachProduct(model, [&](int64_t l, Slot slot) {
    std::vector<ModulePart> parts;
    std::vector<at::Tensor> b;
    for (const ModulePart& part : model.Parts(l, slot)) {
      if (!targets.empty() && !targets.contains(LastPart(part.path))) continue;
      parts.push_back(part);
      b.push_back(at::zeros({part.out_count, config.rank}));
    }
    if (parts.empty()) return OkStatus();
    const int64_t in = model.Matrix(l, slot).num_inputs();
    const RngKey key{seed, RngPurpose::kInit, 0};
    const at::Tensor a = KaimingUniformTensor(key, {static_cast<int64_t>(parts.size()) * config.rank, in}, 1 / std::sqrt(3.0),
                                              at::kFloat, stream++);
    Register(model, l, slot, parts, a, b, parameters, adapter);
    return OkStatus();
  }));
  return adapter;
}

PeftAdapter ToPeft(const LanguageModel& model, const Adapter& adapter, const LoraConfig& config, const std::string& base_model) {
  at::NoGradGuard no_grad;
  PeftAdapter peft;
  peft.config = {.rank = config.rank,
                 .alpha = config.alpha,
                 .use_rslora = config.rslora,
                 .dropout = config.dropout,
                 .target_modules = config.targets,
                 .fan_in_fan_out = model.config().architecture == Architecture::kGpt2,
                 .base_model_name_or_path = base_model,
                 .rank_pattern = {},
                 .alpha_pattern = {}};
  for (const auto& layer : adapter.layers) {
    for (const LoraGroup& group : layer) {
      for (size_t p = 0; p < group.parts.size(); ++p) {
        const at::Tensor a = group.a.narrow(0, static_cast<int64_t>(p) * adapter.rank, adapter.rank);
        peft.modules[group.parts[p].module.path] = {a.detach().to(at::kCPU, at::kFloat).clone(),
                                                    group.parts[p].b.detach().to(at::kCPU, at::kFloat).clone()};
      }
    }
  }
  return peft;
}

StatusOr<Adapter> FromPeft(const LanguageModel& model, const PeftAdapter& peft, ParameterSet& parameters) {
  if (peft.modules.empty()) return InvalidArgument("the adapter has no modules");
  const std::string& first = peft.modules.begin()->first;
  Adapter adapter{
      .rank = peft.config.RankOf(first), .scale = peft.config.ScaleOf(first), .dropout = peft.config.dropout, .layers = {}};
  adapter.layers.resize(model.config().num_layers);
  size_t num_found = 0;
  RETURN_IF_ERROR(ForEachProduct(model, [&](int64_t l, Slot slot) -> Status {
    std::vector<ModulePart> parts;
    std::vector<at::Tensor> a, b;
    const int64_t in = model.Matrix(l, slot).num_inputs();
    for (const ModulePart& part : model.Parts(l, slot)) {
      const auto found = peft.modules.find(part.path);
      if (found == peft.modules.end()) continue;
      ++num_found;
      if (peft.config.RankOf(part.path) != adapter.rank || peft.config.ScaleOf(part.path) != adapter.scale) {
        return Unimplemented("adapters whose modules differ in rank or scale are not supported; " + part.path + " differs from " +
                             first);
      }
      if (found->second.a.size(1) != in || found->second.b.size(0) != part.out_count) {
        return InvalidArgument("the adapter is of another model: " + part.path + " is [" +
                               std::to_string(found->second.b.size(0)) + ", " + std::to_string(found->second.a.size(1)) +
                               "] there and [" + std::to_string(part.out_count) + ", " + std::to_string(in) + "] here");
      }
      parts.push_back(part);
      a.push_back(found->second.a);
      b.push_back(found->second.b);
    }
    if (!parts.empty()) Register(model, l, slot, parts, at::cat(a, 0), b, parameters, adapter);
    return OkStatus();
  }));
  if (num_found != peft.modules.size()) {
    return InvalidArgument("the adapter is of another model: it has " + std::to_string(peft.modules.size()) + " modules, " +
                           std::to_string(num_found) + " of them exist here");
  }
  return adapter;
}

std::function<StatusOr<at::Tensor>(const std::string& name)> MergedReader(const WeightSource& base, const PeftAdapter& adapter) {
  return [&base, &adapter](const std::string& name) -> StatusOr<at::Tensor> {
    ASSIGN_OR_RETURN(at::Tensor weight, base.Read(name, at::kFloat));
    constexpr std::string_view kSuffix = ".weight";
    if (!name.ends_with(kSuffix)) return weight;
    const std::string module = name.substr(0, name.size() - kSuffix.size());
    const auto found = adapter.modules.find(module);
    if (found == adapter.modules.end()) return weight;
    const at::Tensor delta = at::mm(found->second.b, found->second.a).mul_(adapter.config.ScaleOf(module));
    return weight.add_(IsConv1D(base.config(), name) ? delta.t() : delta);
  };
}

}  // namespace gfn
