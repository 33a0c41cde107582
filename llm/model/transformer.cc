#include "llm/model/transformer.h"

#include "gflownet/base/check.h"
#include "llm/model/lora_ops.h"

namespace gfn {
namespace {

// What the layers of a pass without a tape write one after the other, in the same memory. With a tape each layer's tensors move
// there.
struct Workspace {
  at::Tensor normed_NC, branch_NC, post_NC, qkv_NW, attention_NW, up_NW, activation_NI;
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

// Norms of q and k before their rotation, which a layer may have both or neither of.
void NormAndRotate(const LanguageModel& model, int64_t l, const AttentionPlan& plan, at::Tensor& qkv_NW,
                   at::Tensor* plain_qk_NW) {
  const LanguageModel::Layer& layer = model.layer(l);
  const AttentionDims dims = model.attention_dims();
  const int64_t q_width = dims.num_heads * dims.head_dim, k_width = dims.num_kv_heads * dims.head_dim;
  if (layer.norm(NormPlace::kQuery).defined()) {
    if (plain_qk_NW != nullptr) *plain_qk_NW = qkv_NW.narrow(1, 0, q_width + k_width).clone(at::MemoryFormat::Contiguous);
    NormPiecesInPlace(layer.norm(NormPlace::kQuery), qkv_NW.narrow(1, 0, q_width));
    NormPiecesInPlace(layer.norm(NormPlace::kKey), qkv_NW.narrow(1, q_width, k_width));
  }
  if (const Rotary* rotary = model.rotary(l)) {
    RotateInPlace(*rotary, qkv_NW, dims.num_heads + dims.num_kv_heads, dims.head_dim, plan.positions_N, false);
  }
}

// The gradient of the product from that behind norms and rotation.
void NormAndRotateBackward(const LanguageModel& model, int64_t l, const AttentionPlan& plan, const at::Tensor& plain_qk_NW,
                           at::Tensor& d_qkv_NW) {
  const LanguageModel::Layer& layer = model.layer(l);
  const AttentionDims dims = model.attention_dims();
  const int64_t q_width = dims.num_heads * dims.head_dim, k_width = dims.num_kv_heads * dims.head_dim;
  if (const Rotary* rotary = model.rotary(l)) {
    RotateInPlace(*rotary, d_qkv_NW, dims.num_heads + dims.num_kv_heads, dims.head_dim, plan.positions_N, true);
  }
  if (!plain_qk_NW.defined()) return;
  NormPiecesBackwardInPlace(layer.norm(NormPlace::kQuery), plain_qk_NW.narrow(1, 0, q_width), d_qkv_NW.narrow(1, 0, q_width));
  NormPiecesBackwardInPlace(layer.norm(NormPlace::kKey), plain_qk_NW.narrow(1, q_width, k_width),
                            d_qkv_NW.narrow(1, q_width, k_width));
}

// x or its norm, where there is one.
at::Tensor NormOrSame(const NormWeights& norm, const at::Tensor& x_NC) { return norm.defined() ? NormForward(norm, x_NC) : x_NC; }

// dx += the gradient of x given that of its norm, or of x itself where there is none.
void AddNormBackward(const NormWeights& norm, const at::Tensor& x_NC, const at::Tensor& d_NC, at::Tensor& dx_NC) {
  if (norm.defined()) {
    NormBackward(norm, x_NC, d_NC, dx_NC);
  } else {
    dx_NC.add_(d_NC);
  }
}

// The gradient of a branch's last product from that of the sum that it is added to.
at::Tensor PostNormBackward(const NormWeights& norm, const at::Tensor& product_NC, const at::Tensor& d_sum_NC) {
  if (!norm.defined()) return d_sum_NC;
  at::Tensor d_NC = at::zeros_like(d_sum_NC);
  NormBackward(norm, product_NC, d_sum_NC, d_NC);
  return d_NC;
}

MlpKind MlpKindOf(const LanguageModel& model) { return {model.config().family().activation, model.config().family().gated}; }

}  // namespace

at::Tensor StackForward(const LanguageModel& model, at::Tensor x_NC, const AttentionPlan& plan, const StackAdapter& adapter,
                        KvCache* cache, StackTape* tape) {
  GFN_CHECK(tape == nullptr || cache == nullptr) << "a cached pass is not differentiable";
  const AttentionDims dims = model.attention_dims();
  const MlpKind mlp = MlpKindOf(model);
  const bool parallel = model.config().family().parallel;
  const int64_t q_width = dims.num_heads * dims.head_dim;
  Workspace w;
  for (int64_t l = 0; l < model.config().num_layers; ++l) {
    const LanguageModel::Layer& layer = model.layer(l);
    const LayerProducts products(model, adapter, l);
    LayerTape* t = tape != nullptr ? &tape->layers.emplace_back() : nullptr;
    auto& lora = t != nullptr ? t->lora_NP : w.lora_NP;
    // sum + the last product of a branch. With a tape the sum before stays as it is.
    const auto add_branch = [&](Slot slot, const at::Tensor& in, NormPlace post, const at::Tensor& sum, at::Tensor* kept) {
      at::Tensor out_NC = t != nullptr ? sum.clone() : sum;
      if (!layer.norm(post).defined()) {
        products.AddForward(slot, in, lora, out_NC);
        return out_NC;
      }
      w.branch_NC = products.Forward(slot, in, lora, w.branch_NC);
      w.post_NC = NormForward(layer.norm(post), w.branch_NC, w.post_NC);
      if (kept != nullptr) *kept = std::move(w.branch_NC);
      return out_NC.add_(w.post_NC);
    };
    const auto norm_or_same = [&](NormPlace place, const at::Tensor& in_NC) {
      if (!layer.norm(place).defined()) return in_NC;
      w.normed_NC = NormForward(layer.norm(place), in_NC, w.normed_NC);
      return w.normed_NC;
    };

    at::Tensor in_NC = norm_or_same(NormPlace::kAttention, x_NC);
    w.qkv_NW = products.Forward(Slot::kQkv, in_NC, lora, w.qkv_NW);
    NormAndRotate(model, l, plan, w.qkv_NW, t != nullptr ? &t->plain_qk_NW : nullptr);
    if (cache != nullptr) cache->Write(l, w.qkv_NW, q_width);
    w.attention_NW = AttentionForward(dims, plan, w.qkv_NW, cache != nullptr ? cache->keys(l) : at::Tensor(),
                                      cache != nullptr ? cache->values(l) : at::Tensor(),
                                      t != nullptr ? &t->log_sum_exp_NH : nullptr, w.attention_NW);
    const at::Tensor middle_NC = add_branch(Slot::kAttentionOut, w.attention_NW, NormPlace::kAttentionPost, x_NC,
                                            t != nullptr ? &t->attention_out_NC : nullptr);

    if (!parallel) in_NC = norm_or_same(NormPlace::kMlp, middle_NC);
    w.up_NW = products.Forward(Slot::kUp, in_NC, lora, w.up_NW);
    w.activation_NI = ActivationForward(mlp, w.up_NW, w.activation_NI);
    const at::Tensor out_NC =
        add_branch(Slot::kDown, w.activation_NI, NormPlace::kMlpPost, middle_NC, t != nullptr ? &t->down_NC : nullptr);
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
  const MlpKind mlp = MlpKindOf(model);
  const bool parallel = model.config().family().parallel;
  const int64_t num_layers = model.config().num_layers;
  const StackAdapter stack_adapter{&adapter, nullptr, dropout_key};
  std::vector<std::array<std::vector<at::Tensor>, kNumSlots>> gradients(num_layers);
  at::Tensor d_out = std::move(d_last_NC);
  for (int64_t l = num_layers - 1; l >= 0; --l) {
    const LanguageModel::Layer& layer = model.layer(l);
    const LayerProducts products(model, stack_adapter, l);
    LayerTape& t = tape.layers[l];
    // The embedding is frozen: nothing below layer 0 wants a gradient.
    const bool want_dx = l > 0;

    // MLP.
    const at::Tensor act = ActivationForward(mlp, t.up_NW);
    const at::Tensor d_down = PostNormBackward(layer.norm(NormPlace::kMlpPost), t.down_NC, d_out);
    const at::Tensor d_act = products.Backward(Slot::kDown, act, t, d_down, true, gradients[l]);
    const at::Tensor d_up = ActivationBackward(mlp, t.up_NW, d_act);
    const at::Tensor normed = NormOrSame(layer.norm(NormPlace::kAttention), t.input_NC);
    const at::Tensor mlp_in = parallel ? normed : NormOrSame(layer.norm(NormPlace::kMlp), t.middle_NC);
    const at::Tensor d_mlp_in = products.Backward(Slot::kUp, mlp_in, t, d_up, true, gradients[l]);
    at::Tensor d_middle = d_out;
    if (!parallel) {
      d_middle = d_out.clone();
      AddNormBackward(layer.norm(NormPlace::kMlp), t.middle_NC, d_mlp_in, d_middle);
    }

    // Attention.
    const at::Tensor d_attention_out = PostNormBackward(layer.norm(NormPlace::kAttentionPost), t.attention_out_NC, d_middle);
    const at::Tensor d_attention = products.Backward(Slot::kAttentionOut, t.attention_NW, t, d_attention_out, true, gradients[l]);
    at::Tensor d_qkv = AttentionBackward(dims, tape.plan, t.qkv_NW, t.attention_NW, t.log_sum_exp_NH, d_attention);
    NormAndRotateBackward(model, l, tape.plan, t.plain_qk_NW, d_qkv);
    at::Tensor d_normed = products.Backward(Slot::kQkv, normed, t, d_qkv, want_dx, gradients[l]);
    if (want_dx) {
      if (parallel) d_normed.add_(d_mlp_in);
      at::Tensor dx = parallel ? d_middle.clone() : d_middle;
      AddNormBackward(layer.norm(NormPlace::kAttention), t.input_NC, d_normed, dx);
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
