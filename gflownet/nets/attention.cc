#include "gflownet/nets/attention.h"

#include <ATen/ATen.h>

#include "gflownet/base/check.h"

namespace gfn {

MultiHeadAttention::MultiHeadAttention(const NetScope& scope, Width width, const HeadsConfig& heads)
    : num_heads_(heads.count.size),
      scale_(AttentionScale(scope.parametrisation(), heads.size)),
      query_(scope.In("query"), width, heads.count.Times(heads.size)),
      key_(scope.In("key"), width, heads.count.Times(heads.size)),
      value_(scope.In("value"), width, heads.count.Times(heads.size)),
      output_(scope.In("output"), heads.count.Times(heads.size), width) {}

at::Tensor MultiHeadAttention::Apply(const at::Tensor& queries_BTW, const at::Tensor& memory_BSW, const at::Tensor& mask) const {
  const auto split = [&](const at::Tensor& x) { return x.unflatten(-1, {num_heads_, -1}).transpose(1, 2); };
  const at::Tensor query_BHTD = split(query_.Apply(queries_BTW)) * scale_;
  const at::Tensor key_BHSD = split(key_.Apply(memory_BSW)), value_BHSD = split(value_.Apply(memory_BSW));
  at::Tensor weights_BHTS = query_BHTD.matmul(key_BHSD.transpose(-2, -1));
  if (mask.defined()) {
    GFN_CHECK(mask.scalar_type() == at::kBool) << "a mask says true or false, not " << mask.scalar_type();
    // A finite number in place of -infinity: a row without any key would be NaN in the softmax and in its gradient.
    const at::Tensor hidden = mask.logical_not();
    const double lowest = weights_BHTS.scalar_type() == at::kHalf ? -65504.0 : -1e30;
    weights_BHTS = weights_BHTS.masked_fill(hidden, lowest).softmax(-1).masked_fill(hidden, 0);
  } else {
    weights_BHTS = weights_BHTS.softmax(-1);
  }
  return output_.Apply(weights_BHTS.matmul(value_BHSD).transpose(1, 2).flatten(-2));
}

at::Tensor LengthMask(const at::Tensor& lengths_B, int64_t size) {
  return (at::arange(size, lengths_B.options()) < lengths_B.unsqueeze(1)).unsqueeze(1).unsqueeze(1);
}

at::Tensor CausalMask(int64_t size) { return at::ones({1, 1, size, size}, at::kBool).tril(); }

}  // namespace gfn
