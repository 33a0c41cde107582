// An adapter's factors laid out for the CPU's products, made once for a pass or for a whole decoding session: 20 MB of copies for
// rank 64 of a model of 135 million parameters, some milliseconds.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "llm/model/adapter.h"
#include "llm/model/language_model.h"

namespace gfn {

class PackedAdapter {
 public:
  // nullptr where the model's products are not packed (float64, other devices).
  static std::shared_ptr<const PackedAdapter> Make(const LanguageModel& model, const Adapter& adapter);

  // nullptr: no module of this product is adapted.
  const LowRank* Group(int64_t layer, Slot slot) const {
    const auto& group = layers_[layer][static_cast<int>(slot)];
    return group ? &*group : nullptr;
  }

 private:
  std::vector<std::array<std::optional<LowRank>, kNumSlots>> layers_;
};

}  // namespace gfn
