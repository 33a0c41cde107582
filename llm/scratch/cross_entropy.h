// Cross-entropy of a language model's head without the logits of a whole batch: they exist for a chunk of rows at a time, and the
// gradients are made in the same pass, while a chunk's logits are there.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace gfn {

// A position with this target has no loss: the last one of a document, or padding.
inline constexpr int64_t kNoTarget = -1;

// N positions, W width, V vocabulary. hidden [N, W], weight [V, W], targets int64 [N] in 0 .. V-1 or kNoTarget ->
// scalar: the sum over positions of -log softmax(scale * hidden weight^T)[target]. Gradients reach hidden and weight; a gradient
// of the gradient does not exist. At most `chunk_rows` x V logits exist at one time. A target outside its range aborts.
at::Tensor ChunkedCrossEntropy(const at::Tensor& hidden_NW, const at::Tensor& weight_VW, const at::Tensor& targets_N,
                               double scale = 1, int64_t chunk_rows = 256);

}  // namespace gfn
