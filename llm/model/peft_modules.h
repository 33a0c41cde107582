// Where the modules of a PEFT adapter belong in a model: by product, in the order of its outputs.
#pragma once

#include <array>
#include <vector>

#include "gflownet/base/status.h"
#include "llm/format/peft_file.h"
#include "llm/model/adapter.h"
#include "llm/model/language_model.h"

namespace gfn {

struct PlacedModule {
  ModulePart part;
  at::Tensor a, b;  // [r, in], [out, r], fp32
  double scale = 1.0;
};
// [layer][slot]; empty: no module of this product is adapted.
using PlacedModules = std::vector<std::array<std::vector<PlacedModule>, kNumSlots>>;

// InvalidArgument for a module that the model's layers do not have (naming those they have) or that has another shape there.
StatusOr<PlacedModules> PlaceModules(const LanguageModel& model, const PeftAdapter& peft);

// The modules of one product as its factors. Not empty.
LoraGroup GroupOf(const std::vector<PlacedModule>& modules);

}  // namespace gfn
