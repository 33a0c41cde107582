#include "gflownet/nets/transformer.h"

#include <ATen/ATen.h>

namespace gfn {

TransformerEncoder::Block::Block(const NetScope& scope, const TransformerConfig& config)
    : branch_multiplier(ResidualMultiplier(scope.parametrisation(), scope.depth)),
      attention_norm(scope.In("attention_norm"), config.norm, config.width),
      attention(scope.In("attention"), config.width, config.heads),
      feed_forward_norm(scope.In("feed_forward_norm"), config.norm, config.width),
      expand(scope.In("expand"), config.width, config.feed_forward),
      contract(scope.In("contract"), config.feed_forward, config.width) {}

at::Tensor TransformerEncoder::Block::Apply(const at::Tensor& x_BTW, const at::Tensor& mask) const {
  const at::Tensor normed_BTW = attention_norm.Apply(x_BTW);
  const at::Tensor attended_BTW = x_BTW + attention.Apply(normed_BTW, normed_BTW, mask) * branch_multiplier;
  const at::Tensor hidden = at::gelu(expand.Apply(feed_forward_norm.Apply(attended_BTW)));
  return attended_BTW + contract.Apply(hidden) * branch_multiplier;
}

TransformerEncoder::TransformerEncoder(const NetScope& scope, const TransformerConfig& config)
    : norm_(scope.In("norm"), config.norm, config.width) {
  for (int64_t i = 0; i < config.depth.size; ++i) {
    NetScope block = scope.In(std::to_string(i));
    block.depth = config.depth;
    blocks_.emplace_back(block, config);
  }
}

at::Tensor TransformerEncoder::Apply(const at::Tensor& x_BTW, const at::Tensor& mask) const {
  at::Tensor y_BTW = x_BTW;
  for (const Block& block : blocks_) y_BTW = block.Apply(y_BTW, mask);
  return norm_.Apply(y_BTW);
}

}  // namespace gfn
