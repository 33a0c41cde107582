#include "gflownet/nets/embedding.h"

#include <ATen/ATen.h>

#include "gflownet/base/check.h"

namespace gfn {

Embedding::Embedding(const NetScope& scope, int64_t vocabulary, Width width, const EmbeddingOptions& options)
    : tied_(options.tied) {
  const ParameterShape shape = EmbeddingShape(width, options.tied);
  weight_ = scope.Gaussian("weight", {vocabulary, width.size}, shape, options.gain);
  readout_multiplier_ = scope.parameters->TagOf(shape).factors.readout_multiplier;
}

at::Tensor Embedding::Apply(const at::Tensor& ids) const {
  const at::Tensor rows = at::embedding(weight_.value, ids);  // the few rows are scaled, not the table
  return weight_.multiplier == 1 ? rows : rows * weight_.multiplier;
}

at::Tensor Embedding::Readout(const at::Tensor& x) const {
  GFN_CHECK(tied_) << "an embedding that is not tied has no output";
  const at::Tensor logits = at::linear(x, weight_.value);
  return readout_multiplier_ == 1 ? logits : logits * readout_multiplier_;
}

}  // namespace gfn
