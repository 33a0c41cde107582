#include "llm/model/transformer.h"

#include "gflownet/base/check.h"
#include "llm/model/lora_ops.h"

namespace gfn {
namespace {

// One product with the adapter's share, forward and backward, for a fixed layer.
class LayerProducts {
 public:
  LayerProducts(const LanguageModel& model, const StackAdapter& adapter, int64_t layer)
      : model_(model), adapter_(adapter.adapter), packed_(adapter.packed), dropout_key_(adapter.dropout_key), layer_(layer) {}

  at::Tensor Forward(Slot slot, const at::Tensor& x_NI, LayerTape* tape) const {
    const bool drops = adapter_ != nullptr && adapter_->dropout > 0 && dropout_key_;
    if (packed_ != nullptr && !drops) {
      if (const LowRank* group = packed_->Group(layer_, slot)) {
        return model_.Matrix(layer_, slot).Apply(x_NI, *group, tape != nullptr ? &tape->lora_NP[static_cast<int>(slot)] : nullptr);
      }
      return model_.Matrix(layer_, slot).Apply(x_NI);
    }
    at::Tensor y_NO = model_.Matrix(layer_, slot).Apply(x_NI);
    if (adapter_ != nullptr) {
      const at::Tensor mask = DropoutMask(*adapter_, dropout_key_, layer_, slot, x_NI);
      at::Tensor t_NP = AddLora(*adapter_, Group(slot), x_NI, mask, y_NO);
      if (tape != nullptr) tape->lora_NP[static_cast<int>(slot)] = t_NP;
    }
    return y_NO;
  }

  // dx (undefined if not wanted); the group's gradients go to gradients[slot].
  at::Tensor Backward(Slot slot, const at::Tensor& x_NI, const LayerTape& tape, const at::Tensor& dy_NO, bool want_dx,
                      std::array<std::vector<at::Tensor>, kNumSlots>& gradients) const {
    at::Tensor dx_NI;
    if (want_dx) dx_NI = model_.Matrix(layer_, slot).ApplyTransposed(dy_NO);
    const int s = static_cast<int>(slot);
    LoraBackward(*adapter_, Group(slot), x_NI, DropoutMask(*adapter_, dropout_key_, layer_, slot, x_NI), tape.lora_NP[s], dy_NO,
                 want_dx ? &dx_NI : nullptr, gradients[s]);
    return dx_NI;
  }

 private:
  const LoraGroup& Group(Slot slot) const { return adapter_->layers[layer_][static_cast<int>(slot)]; }

  const LanguageModel& model_;
  const Adapter* adapter_;
  const PackedAdapter* packed_;
  const std::optional<RngKey>& dropout_key_;
  int64_t layer_;
};

// Attention over this pass's keys, or over the cache's once the new ones are written to it.
at::Tensor Attend(const LanguageModel& model, const AttentionPlan& plan, const at::Tensor& qkv_NW, int64_t layer, KvCache* cache,
                  LayerTape* tape) {
  const AttentionDims dims = model.attention_dims();
  const int64_t q_width = dims.num_heads * dims.head_dim, kv_width = dims.num_kv_heads * dims.head_dim;
  const at::Tensor q = qkv_NW.narrow(1, 0, q_width);
  at::Tensor k = qkv_NW.narrow(1, q_width, kv_width), v = qkv_NW.narrow(1, q_width + kv_width, kv_width);
  if (cache != nullptr) {
    cache->keys(layer).index_copy_(0, cache->slots(), k);
    cache->values(layer).index_copy_(0, cache->slots(), v);
    k = cache->keys(layer);
    v = cache->values(layer);
  }
  return AttentionForward(dims, plan, q, k, v, tape != nullptr ? &tape->log_sum_exp_NH : nullptr);
}

}  // namespace

at::Tensor StackForward(const LanguageModel& model, const PackedForest& forest, const AttentionPlan& plan,
                        const StackAdapter& adapter, KvCache* cache, StackTape* tape) {
  GFN_CHECK(tape == nullptr || cache == nullptr) << "a cached pass is not differentiable";
  const AttentionDims dims = model.attention_dims();
  at::Tensor x_NC = model.Embed(forest);
  for (int64_t l = 0; l < model.config().num_layers; ++l) {
    const LanguageModel::Layer& layer = model.layer(l);
    const LayerProducts products(model, adapter, l);
    LayerTape* layer_tape = tape != nullptr ? &tape->layers.emplace_back() : nullptr;

    const at::Tensor normed = NormForward(layer.attention_norm, x_NC);
    at::Tensor qkv = products.Forward(Slot::kQkv, normed, layer_tape);
    if (model.rotary().defined()) {
      RotateInPlace(model.rotary(), qkv, dims.num_heads + dims.num_kv_heads, dims.head_dim, plan.positions_N, false);
    }
    const at::Tensor attention = Attend(model, plan, qkv, l, cache, layer_tape);
    at::Tensor middle = products.Forward(Slot::kAttentionOut, attention, layer_tape).add_(x_NC);

    const bool parallel = !layer.mlp_norm.weight_C.defined();
    const at::Tensor up = products.Forward(Slot::kUp, parallel ? normed : NormForward(layer.mlp_norm, middle), layer_tape);
    at::Tensor out = products.Forward(Slot::kDown, ActivationForward(model.mlp_kind(), up), layer_tape).add_(middle);
    if (layer_tape != nullptr) {
      layer_tape->input_NC = x_NC;
      layer_tape->qkv_NW = qkv;
      layer_tape->attention_NW = attention;
      if (!parallel) layer_tape->middle_NC = middle;
      layer_tape->up_NW = up;
    }
    x_NC = out;
  }
  return x_NC;
}

std::vector<at::Tensor> StackBackward(const LanguageModel& model, const Adapter& adapter, const std::optional<RngKey>& dropout_key,
                                      StackTape& tape, at::Tensor d_last_NC) {
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
