// One pass through the layers, with or without a tape, and the way back. No autograd inside: a graph of some hundred nodes a
// layer would cost more than it gives; language_model.cc hangs the whole stack into autograd as one function.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "llm/model/kv_cache.h"
#include "llm/model/language_model.h"
#include "llm/model/packed_adapter.h"

namespace gfn {

// What the backward pass of a layer needs; norms and activations are made again (they cost less than their memory).
struct LayerTape {
  at::Tensor input_NC;                        // x
  at::Tensor plain_qk_NW;                     // q and k before their norms, where they have some
  at::Tensor qkv_NW;                          // behind norms and rotation
  at::Tensor attention_NW, log_sum_exp_NH;    // attention output and its normaliser
  at::Tensor attention_out_NC, down_NC;       // before the norms behind attention and MLP, where they are
  at::Tensor middle_NC;                       // x + attention; undefined for a parallel layer
  at::Tensor up_NW;                           // before the activation
  std::array<at::Tensor, kNumSlots> lora_NP;  // x A^T of each product
};

struct StackTape {
  AttentionPlan plan;
  std::vector<LayerTape> layers;
  at::Tensor last_NC;  // input of the final norm
};

// The adapter of a pass, all of it optional; `packed` are the same factors where the products are packed.
struct StackAdapter {
  const Adapter* adapter = nullptr;
  const PackedAdapter* packed = nullptr;
  std::optional<RngKey> dropout_key;
};

// Hidden states behind the last layer, before the final norm, from embedded tokens x, [N, C] both; x is written over where there
// is no tape. tape and cache may be null, not both given.
at::Tensor StackForward(const LanguageModel& model, at::Tensor x_NC, const AttentionPlan& plan, const StackAdapter& adapter,
                        KvCache* cache, StackTape* tape);

// Gradients of adapter.Tensors(), in that order, given the gradient of the last layer's output. Frees the tape as it goes.
std::vector<at::Tensor> StackBackward(const LanguageModel& model, const Adapter& adapter,
                                      const std::optional<RngKey>& dropout_key, StackTape& tape, at::Tensor d_last_NC);

}  // namespace gfn
