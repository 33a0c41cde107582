// A Transformer encoder with the norm before each branch (Xiong et al. 2020), its branches scaled as the parametrisation says.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "gflownet/nets/attention.h"
#include "gflownet/nets/linear.h"
#include "gflownet/nets/norm.h"
#include "gflownet/nets/scope.h"

namespace gfn {

struct TransformerConfig {
  Width width = {64};
  HeadsConfig heads = {{4}, {16}};
  Width feed_forward = {256};
  Width depth = {2};  // number of blocks; with a base, the branches are scaled (Parametrisation::depth_alpha)
  NetNorm norm = NetNorm::kLayerNorm;
};

// B batch, T tokens, W width.
class TransformerEncoder {
 public:
  // Adds blocks "<name>.0", "<name>.1", ..., each of "attention_norm", "attention", "feed_forward_norm", "expand" and "contract",
  // and "<name>.norm" behind the last.
  TransformerEncoder(const NetScope& scope, const TransformerConfig& config);

  // [B, T, W] -> [B, T, W]. `mask` as in MultiHeadAttention::Apply.
  at::Tensor Apply(const at::Tensor& x_BTW, const at::Tensor& mask = {}) const;

 private:
  struct Block {
    Block(const NetScope& scope, const TransformerConfig& config);
    at::Tensor Apply(const at::Tensor& x_BTW, const at::Tensor& mask) const;

    double branch_multiplier;
    Norm attention_norm;
    MultiHeadAttention attention;
    Norm feed_forward_norm;
    Linear expand, contract;
  };
  std::vector<Block> blocks_;
  Norm norm_;
};

}  // namespace gfn
