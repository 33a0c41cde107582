// A decoder language model that is trained from its first step: pre-RMSNorm, causal attention with rotary positions (Su et al.
// 2021, arXiv 2104.09864) and SwiGLU (Shazeer 2020, arXiv 2002.05202). Parameters carry the names of a Hugging Face llama.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/nets/embedding.h"
#include "gflownet/nets/linear.h"
#include "gflownet/nets/norm.h"
#include "gflownet/nets/scope.h"

namespace gfn::scratch {

struct DecoderConfig {
  int64_t vocabulary = 0;
  Width width = {64};
  int64_t head_size = 16;  // fixed: a wider model has more heads
  Width feed_forward = {192};
  Width depth = {2};  // number of blocks
  bool tied = true;   // the embedding is the output matrix as well
  double rope_theta = 10000;
  double norm_epsilon = 1e-5;
  double embedding_gain = 0.02;  // standard deviation of the embedding's start

  Width heads() const { return {width.size / head_size, width.base / head_size}; }
};

// InvalidArgument naming the size that cannot be: below 1, an odd head size, a width or its base that heads do not divide.
Status CheckDecoder(const DecoderConfig& config);

// B sequences, T tokens, W width, V vocabulary.
class Decoder {
 public:
  // Adds the parameters "<name>.model.embed_tokens.weight", ..., "<name>.lm_head.weight" (not where tied). The errors of
  // CheckDecoder.
  static StatusOr<Decoder> Create(const NetScope& scope, const DecoderConfig& config);

  const DecoderConfig& config() const { return config_; }

  // tokens int64 [B, T], each in 0 .. V-1 -> [B, T, W] behind the last norm. `documents` int64 [B, T]: a token sees the tokens
  // before it that bear the same number, so that packed documents do not see each other; undefined: each row is one document.
  at::Tensor Hidden(const at::Tensor& tokens_BT, const at::Tensor& documents_BT = {}) const;
  // hidden [..., W] -> logits [..., V]: for a few positions; training takes the loss below.
  at::Tensor Logits(const at::Tensor& hidden) const;
  // Scalar: the sum of -log p(target) over positions whose target is not kNoTarget (cross_entropy.h). targets int64 [B, T].
  at::Tensor Loss(const at::Tensor& hidden_BTW, const at::Tensor& targets_BT, int64_t chunk_rows = 256) const;

 private:
  struct Block {
    Block(const NetScope& scope, const DecoderConfig& config);
    at::Tensor Apply(const at::Tensor& x_BTW, const at::Tensor& cos_TD, const at::Tensor& sin_TD, const at::Tensor& mask) const;

    int64_t head_size;
    double branch_multiplier, attention_scale;
    Norm attention_norm;
    Linear query, key, value, output;
    Norm feed_forward_norm;
    Linear gate, up, down;
  };

  Decoder(const NetScope& scope, const DecoderConfig& config);

  DecoderConfig config_;
  Embedding embedding_;
  std::vector<Block> blocks_;
  Norm norm_;
  ScaledParameter readout_;  // [V, W]
};

// The number of the document of each token, int64 [B, T], where a document ends with `end_token`, which belongs to it.
at::Tensor DocumentsOf(const at::Tensor& tokens_BT, int64_t end_token);

}  // namespace gfn::scratch
