// A table of vectors, looked up by number; tied, it is the matrix of the output as well.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "gflownet/nets/scope.h"

namespace gfn {

struct EmbeddingOptions {
  bool tied = false;
  double gain = 1;  // standard deviation of the start
};

class Embedding {
 public:
  // Adds "<name>.weight" [vocabulary, width], normal.
  Embedding(const NetScope& scope, int64_t vocabulary, Width width, const EmbeddingOptions& options = {});

  // int64 [...], each in 0 .. vocabulary-1 (another number throws c10::IndexError) -> [..., width]
  at::Tensor Apply(const at::Tensor& ids) const;
  // [..., width] -> logits [..., vocabulary]. Only where tied.
  at::Tensor Readout(const at::Tensor& x) const;

 private:
  ScaledParameter weight_;
  bool tied_;
  double readout_multiplier_;
};

}  // namespace gfn
