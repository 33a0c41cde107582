#include "llm/model/lora_ops.h"

namespace gfn {

at::Tensor DropoutMask(const Adapter& adapter, const std::optional<RngKey>& key, int64_t layer, Slot slot,
                       const at::Tensor& x_NI) {
  if (adapter.dropout <= 0 || !key) return {};
  const int64_t stream = layer * kNumSlots + static_cast<int64_t>(slot);
  at::Tensor mask_NI = at::empty(x_NI.sizes(), at::TensorOptions().dtype(at::kFloat));
  float* mask = mask_NI.mutable_data_ptr<float>();
  const float kept = static_cast<float>(1.0 / (1.0 - adapter.dropout));
  for (int64_t i = 0; i < mask_NI.numel(); ++i) mask[i] = Uniform(*key, stream, i) < adapter.dropout ? 0.0f : kept;
  return mask_NI.to(x_NI.device(), x_NI.scalar_type());
}

at::Tensor AddLora(const Adapter& adapter, const LoraGroup& group, const at::Tensor& x_NI, const at::Tensor& mask_NI,
                   at::Tensor& y_NO) {
  if (!group.a.defined()) return {};
  const at::Tensor t_NP = at::mm(mask_NI.defined() ? x_NI * mask_NI : x_NI, group.a.t());
  for (size_t p = 0; p < group.parts.size(); ++p) {
    const LoraPart& part = group.parts[p];
    at::Tensor y = y_NO.narrow(1, part.module.out_begin, part.module.out_count);
    y.addmm_(t_NP.narrow(1, static_cast<int64_t>(p) * adapter.rank, adapter.rank), part.b.t(), 1.0, adapter.scale);
  }
  return t_NP;
}

void LoraBackward(const Adapter& adapter, const LoraGroup& group, const at::Tensor& x_NI, const at::Tensor& mask_NI,
                  const at::Tensor& t_NP, const at::Tensor& dy_NO, at::Tensor* dx_NI, std::vector<at::Tensor>& gradients) {
  if (!group.a.defined()) return;
  at::Tensor dt_NP = at::empty_like(t_NP);
  std::vector<at::Tensor> d_b;
  for (size_t p = 0; p < group.parts.size(); ++p) {
    const LoraPart& part = group.parts[p];
    const at::Tensor dy = dy_NO.narrow(1, part.module.out_begin, part.module.out_count);
    const int64_t begin = static_cast<int64_t>(p) * adapter.rank;
    dt_NP.narrow(1, begin, adapter.rank).copy_(at::mm(dy, part.b).mul_(adapter.scale));
    d_b.push_back(at::mm(dy.t(), t_NP.narrow(1, begin, adapter.rank)).mul_(adapter.scale));
  }
  gradients.push_back(at::mm(dt_NP.t(), mask_NI.defined() ? x_NI * mask_NI : x_NI));
  gradients.insert(gradients.end(), d_b.begin(), d_b.end());
  if (dx_NI == nullptr) return;
  if (mask_NI.defined()) {
    dx_NI->add_(at::mm(dt_NP, group.a).mul_(mask_NI));
  } else {
    dx_NI->addmm_(dt_NP, group.a);
  }
}

}  // namespace gfn
