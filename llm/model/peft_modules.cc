#include "llm/model/peft_modules.h"

#include <set>

#include "gflownet/base/text_util.h"
#include "llm/format/tensor_text.h"

namespace gfn {
namespace {

// Says of what another model the adapter is.
Status UnknownModule(const LanguageModel& model, const PeftAdapter& peft, const std::set<std::string>& known) {
  size_t num_unknown = 0;
  std::string first;
  for (const auto& [path, lora] : peft.modules) {
    if (known.contains(path)) continue;
    if (num_unknown++ == 0) first = path;
  }
  std::set<std::string> names;
  for (const std::string& path : known) names.insert(path.substr(path.rfind('.') + 1));
  return InvalidArgument("the adapter is of another model, or adapts what is not supported: " + std::to_string(num_unknown) +
                         " of its " + std::to_string(peft.modules.size()) + " modules are no linear modules of the " +
                         std::to_string(model.config().num_layers) + " layers here, the first is '" + first +
                         "'; those of a layer are " + Join(std::vector<std::string>(names.begin(), names.end()), ", ") +
                         " (such as " + *known.begin() + ")");
}

}  // namespace

StatusOr<PlacedModules> PlaceModules(const LanguageModel& model, const PeftAdapter& peft) {
  if (peft.modules.empty()) return InvalidArgument("the adapter has no modules");
  PlacedModules placed(static_cast<size_t>(model.config().num_layers));
  std::set<std::string> known;
  size_t num_found = 0;
  for (int64_t l = 0; l < model.config().num_layers; ++l) {
    for (int s = 0; s < kNumSlots; ++s) {
      const int64_t in = model.Matrix(l, static_cast<Slot>(s)).num_inputs();
      for (const ModulePart& part : model.Parts(l, static_cast<Slot>(s))) {
        known.insert(part.path);
        const auto found = peft.modules.find(part.path);
        if (found == peft.modules.end()) continue;
        ++num_found;
        const auto& [a, b] = found->second;
        if (a.size(1) != in || b.size(0) != part.out_count) {
          return InvalidArgument("the adapter is of another model: " + part.path + " is " + ShapeText({b.size(0), a.size(1)}) +
                                 " there and " + ShapeText({part.out_count, in}) + " here");
        }
        placed[l][s].push_back({part, a, b, peft.config.ScaleOf(part.path)});
      }
    }
  }
  if (num_found != peft.modules.size()) return UnknownModule(model, peft, known);
  return placed;
}

LoraGroup GroupOf(const std::vector<PlacedModule>& modules) {
  LoraGroup group;
  std::vector<at::Tensor> a;
  int64_t rows = 0;
  for (const PlacedModule& module : modules) {
    group.parts.push_back({module.part, module.b, rows, module.scale});
    a.push_back(module.a);
    rows += module.a.size(0);
  }
  group.a = at::cat(a, 0);
  return group;
}

}  // namespace gfn
