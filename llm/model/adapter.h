// LoRA weights as the forward pass takes them: an argument, never a state of the model (policy = base + adapter, reward = base).
//
// A model has four frozen products a layer; each may be several modules side by side (q, k and v share one input). A LoRA group
// holds the factors of the adapted modules of one product:
//
//   y[:, part] += scale * dropout(x) A_part^T B_part^T,    A_part [r, in] (rows of `a`), B_part [out_part, r]
//
// Hu et al. 2021 (LoRA); scale = alpha / r, or alpha / sqrt(r) (rank-stabilised LoRA, Kalajdzievski 2023). Rank and scale are
// those of each part: PEFT's patterns give modules others than their neighbours.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "llm/format/family.h"

namespace gfn {

// One module of the file format inside a product: rows [out_begin, out_begin + out_count) of its weight.
struct ModulePart {
  std::string path;  // "model.layers.3.self_attn.q_proj": PEFT's module path without "base_model.model."
  int64_t out_begin = 0;
  int64_t out_count = 0;
};

struct LoraPart {
  ModulePart module;
  at::Tensor b;         // [out_count, r]
  int64_t a_begin = 0;  // its rows of a: [a_begin, a_begin + r)
  double scale = 1.0;

  int64_t rank() const { return b.size(1); }
};

struct LoraGroup {
  at::Tensor a;                 // [sum of the ranks, in]; undefined: no module of this product is adapted
  std::vector<LoraPart> parts;  // in the order of their rows of a
};

struct Adapter {
  double dropout = 0.0;  // of the adapter's input, only where a forward pass gives a dropout key
  std::vector<std::array<LoraGroup, kNumSlots>> layers;

  // a, then b of each part; layer by layer, slot by slot. Gradients come back in this order.
  std::vector<at::Tensor> Tensors() const {
    std::vector<at::Tensor> tensors;
    for (const auto& layer : layers) {
      for (const LoraGroup& group : layer) {
        if (!group.a.defined()) continue;
        tensors.push_back(group.a);
        for (const LoraPart& part : group.parts) tensors.push_back(part.b);
      }
    }
    return tensors;
  }
};

}  // namespace gfn
