// Multi-head attention (Vaswani et al. 2017).
#pragma once

#include <ATen/core/Tensor.h>

#include "gflownet/nets/linear.h"
#include "gflownet/nets/scope.h"

namespace gfn {

struct HeadsConfig {
  Width count = {1};
  Width size = {64};
};

// B batch, T queries, S keys, W width, H heads, D size of a head.
class MultiHeadAttention {
 public:
  // Adds the layers "<name>.query", ".key", ".value" (W -> H D) and ".output" (H D -> W).
  MultiHeadAttention(const NetScope& scope, Width width, const HeadsConfig& heads);

  // queries [B, T, W], memory [B, S, W] -> [B, T, W]. `mask` (bool, true: may be seen) broadcasts to [B, H, T, S]; undefined: all
  // is seen. A query that may see nothing gets a value of zeros, and no gradient goes through it.
  at::Tensor Apply(const at::Tensor& queries_BTW, const at::Tensor& memory_BSW, const at::Tensor& mask = {}) const;

 private:
  int64_t num_heads_;
  double scale_;
  Linear query_, key_, value_, output_;
};

// Mask [B, 1, 1, S] of rows of these lengths (int64 [B], each at most `size`): the first lengths[b] keys may be seen.
at::Tensor LengthMask(const at::Tensor& lengths_B, int64_t size);
// Mask [1, 1, size, size]: query t may see the keys 0 .. t.
at::Tensor CausalMask(int64_t size);

}  // namespace gfn
