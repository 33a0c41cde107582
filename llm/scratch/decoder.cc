#include "llm/scratch/decoder.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>

#include "gflownet/nets/attention.h"
#include "llm/scratch/cross_entropy.h"

namespace gfn::scratch {
namespace {

constexpr LinearOptions kNoBias{.bias = false};

// x [B, H, T, D] turned by the angles of its positions, in Hugging Face's order: element i is paired with i + D / 2.
at::Tensor Rotate(const at::Tensor& x_BHTD, const at::Tensor& cos_TD, const at::Tensor& sin_TD) {
  const int64_t half = x_BHTD.size(-1) / 2;
  const at::Tensor turned = at::cat({-x_BHTD.narrow(-1, half, half), x_BHTD.narrow(-1, 0, half)}, -1);
  return x_BHTD * cos_TD + turned * sin_TD;
}

// Angles [T, D] of positions 0 .. T-1, in float64: a float angle would be off by 1e-4 at position 1000.
at::Tensor Angles(int64_t length, int64_t head_size, double theta) {
  const at::Tensor exponents = at::arange(0, head_size, 2, at::kDouble) / static_cast<double>(head_size);
  const at::Tensor angles = at::outer(at::arange(length, at::kDouble), at::pow(theta, -exponents));
  return at::cat({angles, angles}, -1);
}

}  // namespace

Status CheckDecoder(const DecoderConfig& config) {
  const std::pair<const char*, int64_t> sizes[] = {{"vocabulary", config.vocabulary},
                                                   {"width", config.width.size},
                                                   {"head_size", config.head_size},
                                                   {"feed_forward", config.feed_forward.size},
                                                   {"depth", config.depth.size}};
  for (const auto& [name, size] : sizes) {
    if (size < 1) return InvalidArgument(std::string(name) + " is " + std::to_string(size) + "; it must be at least 1");
  }
  if (config.head_size % 2 != 0) {
    return InvalidArgument("head_size " + std::to_string(config.head_size) + " is odd; rotary positions turn pairs");
  }
  for (const auto& [name, size] : {std::pair{"width", config.width.size}, std::pair{"the base of width", config.width.base}}) {
    if (size % config.head_size != 0) {
      return InvalidArgument(std::string(name) + ", " + std::to_string(size) + ", is not a multiple of head_size " +
                             std::to_string(config.head_size));
    }
  }
  if (!(config.rope_theta > 0)) return InvalidArgument("rope_theta must be positive");
  if (!(config.norm_epsilon > 0)) return InvalidArgument("norm_epsilon must be positive");
  return OkStatus();
}

Decoder::Block::Block(const NetScope& scope, const DecoderConfig& config)
    : head_size(config.head_size),
      branch_multiplier(ResidualMultiplier(scope.parametrisation(), scope.depth)),
      attention_scale(AttentionScale(scope.parametrisation(), {config.head_size})),
      attention_norm(scope.In("input_layernorm"), NetNorm::kRmsNorm, config.width, config.norm_epsilon),
      query(scope.In("self_attn.q_proj"), config.width, config.heads().Times({config.head_size}), kNoBias),
      key(scope.In("self_attn.k_proj"), config.width, config.heads().Times({config.head_size}), kNoBias),
      value(scope.In("self_attn.v_proj"), config.width, config.heads().Times({config.head_size}), kNoBias),
      output(scope.In("self_attn.o_proj"), config.heads().Times({config.head_size}), config.width, kNoBias),
      feed_forward_norm(scope.In("post_attention_layernorm"), NetNorm::kRmsNorm, config.width, config.norm_epsilon),
      gate(scope.In("mlp.gate_proj"), config.width, config.feed_forward, kNoBias),
      up(scope.In("mlp.up_proj"), config.width, config.feed_forward, kNoBias),
      down(scope.In("mlp.down_proj"), config.feed_forward, config.width, kNoBias) {}

at::Tensor Decoder::Block::Apply(const at::Tensor& x_BTW, const at::Tensor& cos_TD, const at::Tensor& sin_TD,
                                 const at::Tensor& mask) const {
  const auto split = [this](const at::Tensor& x) { return x.unflatten(-1, {-1, head_size}).transpose(1, 2); };
  const at::Tensor normed_BTW = attention_norm.Apply(x_BTW);
  const at::Tensor query_BHTD = Rotate(split(query.Apply(normed_BTW)), cos_TD, sin_TD);
  const at::Tensor key_BHTD = Rotate(split(key.Apply(normed_BTW)), cos_TD, sin_TD);
  const c10::optional<at::Tensor> attention_mask = mask.defined() ? c10::make_optional(mask) : c10::nullopt;
  const at::Tensor seen_BHTD =
      at::scaled_dot_product_attention(query_BHTD, key_BHTD, split(value.Apply(normed_BTW)), attention_mask, /*dropout_p=*/0,
                                       /*is_causal=*/!mask.defined(), attention_scale);
  const at::Tensor attended_BTW = x_BTW + output.Apply(seen_BHTD.transpose(1, 2).flatten(-2)) * branch_multiplier;
  const at::Tensor to_feed_BTW = feed_forward_norm.Apply(attended_BTW);
  return attended_BTW + down.Apply(at::silu(gate.Apply(to_feed_BTW)) * up.Apply(to_feed_BTW)) * branch_multiplier;
}

StatusOr<Decoder> Decoder::Create(const NetScope& scope, const DecoderConfig& config) {
  RETURN_IF_ERROR(CheckDecoder(config));
  return Decoder(scope, config);
}

Decoder::Decoder(const NetScope& scope, const DecoderConfig& config)
    : config_(config),
      embedding_(scope.In("model.embed_tokens"), config.vocabulary, config.width,
                 {.tied = config.tied, .gain = config.embedding_gain}),
      blocks_([&] {
        std::vector<Block> blocks;
        for (int64_t i = 0; i < config.depth.size; ++i) {
          NetScope block = scope.In("model.layers." + std::to_string(i));
          block.depth = config.depth;
          blocks.emplace_back(block, config);
        }
        return blocks;
      }()),
      norm_(scope.In("model.norm"), NetNorm::kRmsNorm, config.width, config.norm_epsilon) {
  if (config.tied) {
    readout_ = {scope.parameters->Get(scope.In("model.embed_tokens.weight").name),
                scope.parameters->TagOf(EmbeddingShape(config.width, true)).factors.readout_multiplier};
  } else {
    readout_ = scope.In("lm_head").Gaussian("weight", {config.vocabulary, config.width.size},
                                            MatrixShape(config.width, {config.vocabulary}), 1);
  }
}

at::Tensor Decoder::Hidden(const at::Tensor& tokens_BT, const at::Tensor& documents_BT) const {
  at::Tensor mask;
  if (documents_BT.defined()) {
    // Rotary attention depends on differences of positions alone, so a packed document keeps the positions of its row.
    mask = documents_BT.unsqueeze(1).unsqueeze(-1).eq(documents_BT.unsqueeze(1).unsqueeze(2)) &
           CausalMask(tokens_BT.size(1)).to(documents_BT.device());
  }
  at::Tensor x_BTW = embedding_.Apply(tokens_BT);
  const at::Tensor angles = Angles(tokens_BT.size(1), config_.head_size, config_.rope_theta);
  const at::Tensor cos_TD = angles.cos().to(x_BTW.options()), sin_TD = angles.sin().to(x_BTW.options());
  for (const Block& block : blocks_) x_BTW = block.Apply(x_BTW, cos_TD, sin_TD, mask);
  return norm_.Apply(x_BTW);
}

at::Tensor Decoder::Logits(const at::Tensor& hidden) const { return at::linear(hidden, readout_.value) * readout_.multiplier; }

at::Tensor Decoder::Loss(const at::Tensor& hidden_BTW, const at::Tensor& targets_BT, int64_t chunk_rows) const {
  return ChunkedCrossEntropy(hidden_BTW.flatten(0, 1), readout_.value, targets_BT.flatten(), readout_.multiplier, chunk_rows);
}

at::Tensor DocumentsOf(const at::Tensor& tokens_BT, int64_t end_token) {
  const at::Tensor ends_BT = tokens_BT.eq(end_token).to(at::kLong);
  return ends_BT.cumsum(1) - ends_BT;
}

}  // namespace gfn::scratch
