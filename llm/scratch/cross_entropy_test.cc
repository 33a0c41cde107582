#include "llm/scratch/cross_entropy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gflownet/nets/test_gradients.h"
#include "gflownet/tensor/tolerances.h"

namespace gfn {
namespace {

at::Tensor Targets() { return at::tensor(std::vector<int64_t>{3, kNoTarget, 0, 6, 2, 2, kNoTarget}); }

// The whole table of logits at once, by ATen's own softmax and gradient.
at::Tensor Dense(const at::Tensor& hidden_NW, const at::Tensor& weight_VW, double scale) {
  const at::Tensor log_p_NV = (hidden_NW.matmul(weight_VW.t()) * scale).log_softmax(-1);
  const at::Tensor chosen_N = log_p_NV.gather(1, Targets().clamp_min(0).unsqueeze(1)).squeeze(1);
  return -(chosen_N * Targets().ne(kNoTarget)).sum();
}

TEST(CrossEntropyTest, EveryChunkSizeEqualsTheDenseFormWithItsGradients) {
  const at::Tensor hidden = TestInput({7, 4}, 1), weight = TestInput({8, 4}, 2);
  const auto gradients = [&](const at::Tensor& loss) {
    hidden.mutable_grad() = weight.mutable_grad() = at::Tensor();
    (loss * 0.7).backward();
    return std::pair{hidden.grad().clone(), weight.grad().clone()};
  };
  const at::Tensor dense = Dense(hidden, weight, 1.5);
  const auto [d_hidden, d_weight] = gradients(dense);
  for (const int64_t chunk : {1, 2, 3, 7, 100}) {
    const at::Tensor loss = ChunkedCrossEntropy(hidden, weight, Targets(), 1.5, chunk);
    EXPECT_TRUE(AllClose(loss, dense, Tolerance{1e-12})) << chunk;
    const auto [chunked_hidden, chunked_weight] = gradients(loss);
    EXPECT_TRUE(AllClose(chunked_hidden, d_hidden, Tolerance{1e-12})) << chunk;
    EXPECT_TRUE(AllClose(chunked_weight, d_weight, Tolerance{1e-12})) << chunk;
  }
}

TEST(CrossEntropyTest, ALargeLogitDoesNotOverflow) {
  const at::Tensor hidden = at::full({1, 1}, 1e4, at::kFloat), weight = at::tensor(std::vector<float>{1, -1}).view({2, 1});
  EXPECT_EQ(ChunkedCrossEntropy(hidden, weight, at::zeros({1}, at::kLong)).item<float>(), 0);
  EXPECT_EQ(ChunkedCrossEntropy(hidden, weight, at::ones({1}, at::kLong)).item<float>(), 2e4F);
}

TEST(CrossEntropyDeathTest, RefusesATargetOutsideOfTheVocabulary) {
  const at::Tensor hidden = at::zeros({1, 2}), weight = at::zeros({3, 2});
  EXPECT_DEATH(ChunkedCrossEntropy(hidden, weight, at::full({1}, 3, at::kLong)), "0 .. 2");
  EXPECT_DEATH(ChunkedCrossEntropy(hidden, weight, at::full({1}, -2, at::kLong)), "0 .. 2");
}

}  // namespace
}  // namespace gfn
