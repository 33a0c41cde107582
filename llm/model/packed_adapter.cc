#include "llm/model/packed_adapter.h"

namespace gfn {
namespace {

LowRank PackGroup(const LoraGroup& group) {
  LowRank low_rank;
  const at::Tensor a = group.a.detach().to(at::kFloat).contiguous();
  low_rank.a = PackedMatrix::Pack(a.const_data_ptr<float>(), a.size(0), a.size(1), WeightType::kFloat32);
  for (const LoraPart& part : group.parts) {
    // The scale is part of B, so that t = x A^T stays what the way back needs.
    const at::Tensor b = (part.b.detach().to(at::kFloat) * part.scale).contiguous();
    const int64_t offset = part.module.out_begin % PackedMatrix::kPanelRows;
    LowRank::Part& packed = low_rank.parts.emplace_back();
    packed.out_begin = part.module.out_begin;
    packed.t_begin = part.a_begin;
    packed.b = PackedMatrix(offset + part.module.out_count, part.rank(), WeightType::kFloat32);
    packed.b.SetRows(offset, part.module.out_count, b.const_data_ptr<float>(), part.rank());
  }
  return low_rank;
}

}  // namespace

std::shared_ptr<const PackedAdapter> PackedAdapter::Make(const LanguageModel& model, const Adapter& adapter) {
  if (model.head().packed() == nullptr) return nullptr;
  auto packed = std::make_shared<PackedAdapter>();
  packed->layers_.resize(adapter.layers.size());
  for (size_t l = 0; l < adapter.layers.size(); ++l) {
    for (int s = 0; s < kNumSlots; ++s) {
      if (adapter.layers[l][s].a.defined()) packed->layers_[l][s] = PackGroup(adapter.layers[l][s]);
    }
  }
  return packed;
}

}  // namespace gfn
