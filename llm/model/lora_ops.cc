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

at::Tensor AddLora(const LoraGroup& group, const at::Tensor& x_NI, const at::Tensor& mask_NI, at::Tensor& y_NO) {
  if (!group.a.defined()) return {};
  const at::Tensor t_NP = at::mm(mask_NI.defined() ? x_NI * mask_NI : x_NI, group.a.t());
  for (const LoraPart& part : group.parts) {
    at::Tensor y = y_NO.narrow(1, part.module.out_begin, part.module.out_count);
    y.addmm_(t_NP.narrow(1, part.a_begin, part.rank()), part.b.t(), 1.0, part.scale);
  }
  return t_NP;
}

void LoraBackward(const LoraGroup& group, const at::Tensor& x_NI, const at::Tensor& mask_NI, const at::Tensor& t_NP,
                  const at::Tensor& dy_NO, at::Tensor* dx_NI, std::vector<at::Tensor>& gradients) {
  if (!group.a.defined()) return;
  at::Tensor dt_NP = at::empty_like(t_NP);
  std::vector<at::Tensor> d_b;
  for (const LoraPart& part : group.parts) {
    const at::Tensor dy = dy_NO.narrow(1, part.module.out_begin, part.module.out_count);
    dt_NP.narrow(1, part.a_begin, part.rank()).copy_(at::mm(dy, part.b).mul_(part.scale));
    d_b.push_back(at::mm(dy.t(), t_NP.narrow(1, part.a_begin, part.rank())).mul_(part.scale));
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
