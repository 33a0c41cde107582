#include "llm/model/transformer.h"

#include "gflownet/base/check.h"
#include "llm/model/lora_ops.h"

namespace gfn {
namespace {

// What the layers of a pass without a tape write one after the other, in the same memory. With a tape each layer's tensors move
// there.
struct Workspace {
  at::Tensor normed_NC, qkv_NW, attention_NW, up_NW, activation_NI;
  std::array<at::Tensor, kNumSlots> lora_NP;
};

// One product with the adapter's share, forward and backward, for a fixed layer.
class LayerProducts {
 public:
  LayerProducts(const LanguageModel& model, const StackAdapter& adapter, int64_t layer)
      : model_(model), adapter_(adapter.adapter), packed_(adapter.packed), dropout_key_(adapter.dropout_key), layer_(layer) {}

  // lora_NP: where x A^T of each product goes. into: memory for the result.
  at::Tensor Forward(Slot slot, const at::Tensor& x_NI, std::array<at::Tensor, kNumSlots>& lora_NP,
                     const at::Tensor& into) const {
    const FrozenMatrix::Share share = ShareOf(slot, lora_NP);
    at::Tensor y_NO = model_.Matrix(layer_, slot).Apply(x_NI, share, into);
    if (share.low_rank == nullptr) AddShare(slot, x_NI, lora_NP, y_NO);
    return y_NO;
  }

  // The same, added to y.
  void AddForward(Slot slot, const at::Tensor& x_NI, std::array<at::Tensor, kNumSlots>& lora_NP, at::Tensor& y_NO) const {
    const FrozenMatrix::Share share = ShareOf(slot, lora_NP);
    model_.Matrix(layer_, slot).AddTo(x_NI, share, y_NO);
    if (share.low_rank == nullptr) AddShare(slot, x_NI, lora_NP, y_NO);
  }

  // dx (undefined if not wanted); the group's gradients go to gradients[slot].
  at::Tensor Backward(Slot slot, const at::Tensor& x_NI, const LayerTape& tape, const at::Tensor& dy_NO, bool want_dx,
                      std::array<std::vector<at::Tensor>, kNumSlots>& gradients) const {
    at::Tensor dx_NI;
    if (want_dx) dx_NI = model_.Matrix(layer_, slot).ApplyTransposed(dy_NO);
    const int s = static_cast<int>(slot);
    LoraBackward(Group(slot), x_NI, DropoutMask(*adapter_, dropout_key_, layer_, slot, x_NI), tape.lora_NP[s], dy_NO,
                 want_dx ? &dx_NI : nullptr, gradients[s]);
    return dx_NI;
  }

 private:
  const LoraGroup& Group(Slot slot) const { return adapter_->layers[layer_][static_cast<int>(slot)]; }
  bool Drops() const { return adapter_ != nullptr && adapter_->dropout > 0 && dropout_key_; }

  // The share that the product takes along; none where it is added behind it, or there is none.
  FrozenMatrix::Share ShareOf(Slot slot, std::array<at::Tensor, kNumSlots>& lora_NP) const {
    if (packed_ == nullptr || Drops()) return {};
    return {packed_->Group(layer_, slot), &lora_NP[static_cast<int>(slot)]};
  }
  void AddShare(Slot slot, const at::Tensor& x_NI, std::array<at::Tensor, kNumSlots>& lora_NP, at::Tensor& y_NO) const {
    if (adapter_ == nullptr || (packed_ != nullptr && !Drops())) return;
    const at::Tensor mask = DropoutMask(*adapter_, dropout_key_, layer_, slot, x_NI);
    lora_NP[static_cast<int>(slot)] = AddLora(Group(slot), x_NI, mask, y_NO);
  }

  const LanguageModel& model_;
  const Adapter* adapter_;
  const PackedAdapter* packed_;
  const std::optional<RngKey>& dropout_key_;
  int64_t layer_;
};

}  // namespace

at::Tensor StackForward(const LanguageModel& model, at::Tensor x_NC, const AttentionPlan& plan, const StackAdapter& adapter,
                        KvCache* cache, StackTape* tape) {
  GFN_CHECK(tape == nullptr || cache == nullptr) << "a cached pass is not differentiable";
  const AttentionDims dims = model.attention_dims();
  const int64_t q_width = dims.num_heads * dims.head_dim;
  Workspace w;
  for (int64_t l = 0; l < model.config().num_layers; ++l) {
    const LanguageModel::Layer& layer = model.layer(l);
    const LayerProducts products(model, adapter, l);
    LayerTape* t = tape != nullptr ? &tape->layers.emplace_back() : nullptr;
    auto& lora = t != nullptr ? t->lora_NP : w.lora_NP;
    // What is added to: with a tape the sum before stays as it is.
    const auto sum_onto = [&](const at::Tensor& sum) { return t != nullptr ? sum.clone() : sum; };

    w.normed_NC = NormForward(layer.attention_norm, x_NC, w.normed_NC);
    w.qkv_NW = products.Forward(Slot::kQkv, w.normed_NC, lora, w.qkv_NW);
    if (model.rotary().defined()) {
      RotateInPlace(model.rotary(), w.qkv_NW, dims.num_heads + dims.num_kv_heads, dims.head_dim, plan.positions_N, false);
    }
    if (cache != nullptr) cache->Write(l, w.qkv_NW, q_width);
    w.attention_NW = AttentionForward(dims, plan, w.qkv_NW, cache != nullptr ? cache->keys(l) : at::Tensor(),
                                      cache != nullptr ? cache->values(l) : at::Tensor(),
                                      t != nullptr ? &t->log_sum_exp_NH : nullptr, w.attention_NW);
    at::Tensor middle_NC = sum_onto(x_NC);
    products.AddForward(Slot::kAttentionOut, w.attention_NW, lora, middle_NC);

    const bool parallel = !layer.mlp_norm.weight_C.defined();
    if (!parallel) w.normed_NC = NormForward(layer.mlp_norm, middle_NC, w.normed_NC);
    w.up_NW = products.Forward(Slot::kUp, w.normed_NC, lora, w.up_NW);
    w.activation_NI = ActivationForward(model.mlp_kind(), w.up_NW, w.activation_NI);
    at::Tensor out_NC = sum_onto(middle_NC);
    products.AddForward(Slot::kDown, w.activation_NI, lora, out_NC);
    if (t != nullptr) {
      t->input_NC = x_NC;
      t->qkv_NW = std::move(w.qkv_NW);
      t->attention_NW = std::move(w.attention_NW);
      if (!parallel) t->middle_NC = middle_NC;
      t->up_NW = std::move(w.up_NW);
    }
    x_NC = out_NC;
  }
  return x_NC;
}

std::vector<at::Tensor> StackBackward(const LanguageModel& model, const Adapter& adapter,
                                      const std::optional<RngKey>& dropout_key, StackTape& tape, at::Tensor d_last_NC) {
  const AttentionDims dims = model.attention_dims();
  const int64_t num_layers = model.config().num_layers;
  const StackAdapter stack_adapter{&adapter, nullptr, dropout_key};
  std::vector<std::array<std::vector<at::Tensor>, kNumSlots>> gradients(num_layers);
  at::Tensor d_out = std::move(d_last_NC);
  for (int64_t l = num_layers - 1; l >= 0; --l) {
    const LanguageModel::Layer& layer = model.layer(l);
    const LayerProducts products(model, stack_adapter, l);
    LayerTape& t = tape.layers[l];
    const bool parallel = !layer.mlp_norm.weight_C.defined();
    // The embedding is frozen: nothing below layer 0 wants a gradient.
    const bool want_dx = l > 0;

    // MLP.
    const at::Tensor act = ActivationForward(model.mlp_kind(), t.up_NW);
    const at::Tensor d_act = products.Backward(Slot::kDown, act, t, d_out, true, gradients[l]);
    const at::Tensor d_up = ActivationBackward(model.mlp_kind(), t.up_NW, d_act);
    const at::Tensor normed = NormForward(layer.attention_norm, t.input_NC);
    const at::Tensor mlp_in = parallel ? normed : NormForward(layer.mlp_norm, t.middle_NC);
    const at::Tensor d_mlp_in = products.Backward(Slot::kUp, mlp_in, t, d_up, true, gradients[l]);
    at::Tensor d_middle = d_out;
    if (!parallel) {
      d_middle = d_out.clone();
      NormBackward(layer.mlp_norm, t.middle_NC, d_mlp_in, d_middle);
    }

    // Attention.
    const at::Tensor d_attention = products.Backward(Slot::kAttentionOut, t.attention_NW, t, d_middle, true, gradients[l]);
    at::Tensor d_qkv = AttentionBackward(dims, tape.plan, t.qkv_NW, t.attention_NW, t.log_sum_exp_NH, d_attention);
    if (model.rotary().defined()) {
      RotateInPlace(model.rotary(), d_qkv, dims.num_heads + dims.num_kv_heads, dims.head_dim, tape.plan.positions_N, true);
    }
    at::Tensor d_normed = products.Backward(Slot::kQkv, normed, t, d_qkv, want_dx, gradients[l]);
    if (want_dx) {
      if (parallel) d_normed.add_(d_mlp_in);
      at::Tensor dx = parallel ? d_middle.clone() : d_middle;
      NormBackward(layer.attention_norm, t.input_NC, d_normed, dx);
      d_out = dx;
    }
    t = {};
  }
  std::vector<at::Tensor> flat;
  for (auto& layer : gradients) {
    for (auto& slot : layer) flat.insert(flat.end(), slot.begin(), slot.end());
  }
  return flat;
}

}  // namespace gfn
