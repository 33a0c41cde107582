#include "llm/scratch/decoder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gflownet/nets/test_gradients.h"
#include "gflownet/tensor/tolerances.h"
#include "llm/scratch/cross_entropy.h"

namespace gfn::scratch {
namespace {

using Table = ParametrisationTable;

DecoderConfig Small() {
  return {.vocabulary = 11, .width = {8, 4}, .head_size = 4, .feed_forward = {12, 6}, .depth = {2, 1}, .embedding_gain = 0.5};
}

StatusOr<Decoder> Make(ParameterSet& set, const DecoderConfig& config) {
  return Decoder::Create(
      {.parameters = &set, .name = "lm", .group = "model", .key = {5, RngPurpose::kInit, 0}, .dtype = at::kDouble}, config);
}

at::Tensor Tokens(std::vector<int64_t> tokens) {
  const int64_t length = static_cast<int64_t>(tokens.size());
  return at::tensor(tokens).view({1, length});
}

// The decoder of one row, written again position by position from the stored values of the standard parametrisation.
at::Tensor ReferenceLogits(const ParameterSet& set, const DecoderConfig& config, const at::Tensor& tokens_T) {
  const auto weight = [&](const std::string& name) { return set.Get("lm." + name + ".weight").detach(); };
  const auto norm = [&](const at::Tensor& x, const at::Tensor& gain) {
    return x / std::sqrt(x.square().mean().item<double>() + config.norm_epsilon) * gain;
  };
  const int64_t length = tokens_T.size(0), size = config.head_size, heads = config.width.size / size;
  const auto rotated = [&](const at::Tensor& x, int64_t position) {
    at::Tensor y = x.clone();
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t i = 0; i < size / 2; ++i) {
        const double angle = static_cast<double>(position) *
                             std::pow(config.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(size));
        const int64_t a = h * size + i, b = a + size / 2;
        y[a] = x[a] * std::cos(angle) - x[b] * std::sin(angle);
        y[b] = x[b] * std::cos(angle) + x[a] * std::sin(angle);
      }
    }
    return y;
  };
  std::vector<at::Tensor> x;
  for (int64_t t = 0; t < length; ++t) x.push_back(weight("model.embed_tokens")[tokens_T[t].item<int64_t>()].clone());
  for (int64_t layer = 0; layer < config.depth.size; ++layer) {
    const std::string block = "model.layers." + std::to_string(layer) + ".";
    std::vector<at::Tensor> query, key, value;
    for (int64_t t = 0; t < length; ++t) {
      const at::Tensor normed = norm(x[t], weight(block + "input_layernorm"));
      query.push_back(rotated(weight(block + "self_attn.q_proj").mv(normed), t));
      key.push_back(rotated(weight(block + "self_attn.k_proj").mv(normed), t));
      value.push_back(weight(block + "self_attn.v_proj").mv(normed));
    }
    for (int64_t t = 0; t < length; ++t) {
      at::Tensor seen = at::zeros({heads * size}, at::kDouble);
      for (int64_t h = 0; h < heads; ++h) {
        const auto head = [&](const at::Tensor& v) { return v.narrow(0, h * size, size); };
        double total = 0;
        for (int64_t s = 0; s <= t; ++s) {
          const double share = std::exp(head(query[t]).dot(head(key[s])).item<double>() / std::sqrt(static_cast<double>(size)));
          head(seen).add_(head(value[s]), share);
          total += share;
        }
        head(seen).div_(total);
      }
      x[t] = x[t] + weight(block + "self_attn.o_proj").mv(seen);
      const at::Tensor normed = norm(x[t], weight(block + "post_attention_layernorm"));
      const at::Tensor gate = weight(block + "mlp.gate_proj").mv(normed);
      x[t] = x[t] + weight(block + "mlp.down_proj").mv(gate * gate.sigmoid() * weight(block + "mlp.up_proj").mv(normed));
    }
  }
  const at::Tensor head = weight(config.tied ? "model.embed_tokens" : "lm_head");
  std::vector<at::Tensor> logits;
  for (const at::Tensor& row : x) logits.push_back(head.mv(norm(row, weight("model.norm"))));
  return at::stack(logits);
}

TEST(DecoderTest, EqualsItsFormulaPositionByPosition) {
  for (const bool tied : {true, false}) {
    DecoderConfig config = Small();
    config.tied = tied;
    ParameterSet set;
    const StatusOr<Decoder> decoder = Make(set, config);
    ASSERT_TRUE(decoder.ok()) << decoder.status();
    Perturb(set, 0.3);
    const at::NoGradGuard no_grad;
    const at::Tensor tokens = Tokens({3, 9, 0, 3, 10, 1});
    const at::Tensor logits = decoder->Logits(decoder->Hidden(tokens))[0];
    EXPECT_TRUE(AllClose(logits, ReferenceLogits(set, config, tokens[0]), kTinyModelTolerance)) << tied;
  }
}

TEST(DecoderTest, GradientsEqualFiniteDifferencesInEveryParametrisation) {
  const at::Tensor tokens = at::cat({Tokens({3, 9, 0, 3}), Tokens({1, 2, 2, 10})});
  const at::Tensor targets = at::cat({Tokens({9, 0, 3, kNoTarget}), Tokens({2, 2, 10, 4})});
  for (const Table table : {Table::kStandard, Table::kMupTable3, Table::kMupTable8, Table::kMupTable9}) {
    for (const bool tied : {true, false}) {
      DecoderConfig config = Small();
      config.tied = tied;
      config.embedding_gain = 2;  // a short vector before a norm bends so much that finite differences lose digits
      ParameterSet set(Parametrisation{table, 1.0});
      const StatusOr<Decoder> decoder = Make(set, config);
      ASSERT_TRUE(decoder.ok()) << decoder.status();
      Perturb(set, 0.3);
      const at::Tensor documents = DocumentsOf(tokens, 0);
      ExpectGradientsOfFiniteDifferences(set, {}, [&] {
        return decoder->Loss(decoder->Hidden(tokens), targets, 3) + Mixed(decoder->Hidden(tokens, documents));
      });
    }
  }
}

TEST(DecoderTest, PackedDocumentsEqualOneAtATime) {
  ParameterSet set;
  const StatusOr<Decoder> decoder = Make(set, Small());
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  Perturb(set, 0.3);
  const at::NoGradGuard no_grad;
  const at::Tensor tokens = Tokens({4, 7, 0, 5, 0, 9, 8, 8});
  const at::Tensor documents = DocumentsOf(tokens, 0);
  EXPECT_TRUE(documents.equal(Tokens({0, 0, 0, 1, 1, 2, 2, 2})));
  const at::Tensor packed = decoder->Hidden(tokens, documents);
  for (const auto& [begin, count] : {std::pair{0, 3}, std::pair{3, 2}, std::pair{5, 3}}) {
    const at::Tensor alone = decoder->Hidden(tokens.narrow(1, begin, count));
    EXPECT_TRUE(AllClose(packed.narrow(1, begin, count), alone, kTinyModelTolerance)) << begin;
  }
  EXPECT_FALSE(AllClose(packed, decoder->Hidden(tokens), Tolerance{1e-3}));  // the mask matters
}

TEST(DecoderTest, RefusesSizesThatCannotBe) {
  const auto message = [](auto change) {
    DecoderConfig config = Small();
    change(config);
    ParameterSet set;
    const StatusOr<Decoder> decoder = Make(set, config);
    EXPECT_EQ(decoder.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(set.empty());
    return Message(decoder.status());
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(message([](DecoderConfig& c) { c.width = {10, 4}; }), HasSubstr("width, 10, is not a multiple of head_size 4"));
  EXPECT_THAT(message([](DecoderConfig& c) { c.width = {8, 6}; }), HasSubstr("the base of width, 6"));
  EXPECT_THAT(message([](DecoderConfig& c) { c.head_size = 3; }), HasSubstr("head_size 3 is odd"));
  EXPECT_THAT(message([](DecoderConfig& c) { c.vocabulary = 0; }), HasSubstr("vocabulary is 0"));
  EXPECT_THAT(message([](DecoderConfig& c) { c.depth = {0}; }), HasSubstr("depth is 0"));
}

}  // namespace
}  // namespace gfn::scratch
