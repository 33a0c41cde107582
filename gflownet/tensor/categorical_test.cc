#include "gflownet/tensor/categorical.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gflownet/tensor/categorical_aten.h"
#include "gflownet/tensor/random.h"
#include "gflownet/tensor/tolerances.h"

namespace gfn {
namespace {

using ::testing::HasSubstr;

RngKey Key(uint64_t step) { return {11, RngPurpose::kTest, step}; }

at::Tensor RandomMask(uint64_t step, at::IntArrayRef shape, double legal) {
  return UniformTensor(Key(step), shape, at::kFloat, 77) < legal;
}

// The definition, one action after the other, in long double.
int64_t SlowDraw(const at::Tensor& logits_A, const at::Tensor& mask_A, double uniform) {
  const at::Tensor wide_A = logits_A.to(at::kDouble).masked_fill(mask_A.logical_not(), -INFINITY);
  const double largest = wide_A.max().item<double>();
  std::vector<long double> weights;
  long double total = 0;
  for (int64_t a = 0; a < wide_A.size(0); ++a) {
    weights.push_back(std::exp(static_cast<long double>(wide_A[a].item<double>() - largest)));
    total += weights.back();
  }
  long double sum = 0;
  int64_t last = -1;
  for (size_t a = 0; a < weights.size(); ++a) {
    if (weights[a] == 0) continue;
    last = static_cast<int64_t>(a);
    sum += weights[a];
    if (sum > uniform * total) break;
  }
  return last;
}

TEST(CategoricalTest, FollowsTheDefinitionOnEveryShapeTypeAndMask) {
  for (const int64_t num_actions : {1, 2, 15, 16, 17, 255, 256, 257, 700}) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16}) {
      const at::Tensor logits_BA = (NormalTensor(Key(num_actions), {6, num_actions}) * 4).to(type);
      at::Tensor mask_BA = RandomMask(num_actions, {6, num_actions}, 0.5);
      mask_BA.select(1, num_actions / 2).fill_(true);
      const at::Tensor uniform_B = UniformTensor(Key(num_actions + 1000), {6}, at::kDouble);
      const auto sample = SampleCategorical(logits_BA, mask_BA, uniform_B);
      ASSERT_TRUE(sample.ok()) << sample.status();
      for (int64_t b = 0; b < 6; ++b) {
        EXPECT_EQ(sample->action_B[b].item<int64_t>(), SlowDraw(logits_BA[b], mask_BA[b], uniform_B[b].item<double>()));
      }
      const at::Tensor log_prob_B =
          MaskedLogSoftmax(logits_BA.to(at::kDouble), mask_BA).gather(1, sample->action_B.unsqueeze(1)).squeeze(1);
      EXPECT_TRUE(AllClose(sample->log_prob_B, log_prob_B, Tolerance{1e-12}));
    }
  }
}

TEST(CategoricalTest, TheAtenTwinMakesTheSameChoices) {
  // 6,000 draws over a large vocabulary, with a static mask and very different scales.
  const at::Tensor mask_A = RandomMask(1, {3000}, 0.3);
  for (uint64_t step = 0; step < 20; ++step) {
    const at::Tensor logits_BA = NormalTensor(Key(step), {300, 3000}) * std::pow(1.5, static_cast<double>(step) - 5);
    const at::Tensor uniform_B = UniformTensor(Key(step + 100), {300}, at::kDouble);
    const auto fast = SampleCategorical(logits_BA, mask_A, uniform_B);
    const auto twin = SampleWithAten(logits_BA, mask_A, uniform_B);
    ASSERT_TRUE(fast.ok() && twin.ok());
    EXPECT_TRUE(at::equal(fast->action_B, twin->action_B)) << "step " << step;
    EXPECT_TRUE(AllClose(fast->log_prob_B, twin->log_prob_B, Tolerance{1e-12}));
  }
}

TEST(CategoricalTest, FrequenciesAreTheProbabilities) {
  const at::Tensor logits_A = NormalTensor(Key(3), {8}) * 2;
  const at::Tensor mask_A = at::arange(8) != 2;
  constexpr int64_t kDraws = 200000;
  const at::Tensor uniform_B = UniformTensor(Key(4), {kDraws}, at::kDouble);
  const auto sample = SampleCategorical(logits_A.expand({kDraws, 8}), mask_A, uniform_B);
  ASSERT_TRUE(sample.ok());
  const at::Tensor prob_A = MaskedLogSoftmax(logits_A.unsqueeze(0), mask_A).exp().squeeze(0);
  for (int64_t a = 0; a < 8; ++a) {
    const double p = prob_A[a].item<double>();
    const double frequency = (sample->action_B == a).sum().item<double>() / kDraws;
    EXPECT_NEAR(frequency, p, 5 * std::sqrt(p * (1 - p) / kDraws)) << "action " << a;
  }
}

TEST(CategoricalTest, TheEdgesOfTheUniformAreLegalActions) {
  at::Tensor logits_BA = at::zeros({1, 600});
  logits_BA.fill_(-INFINITY);
  logits_BA[0][300] = 0.25;
  logits_BA[0][301] = -2000;  // its probability is 0: never drawn
  logits_BA[0][555] = 0.5;
  const auto draw = [&](double u) {
    return SampleCategorical(logits_BA, {}, at::full({1}, u, at::kDouble))->action_B.item<int64_t>();
  };
  EXPECT_EQ(draw(0), 300);
  EXPECT_EQ(draw(std::nextafter(1.0, 0.0)), 555);
}

TEST(CategoricalTest, ChoicesDoNotDependOnThreadsOrOnTheBatch) {
  const at::Tensor logits_BA = NormalTensor(Key(5), {64, 3000});
  const at::Tensor uniform_B = UniformTensor(Key(6), {64}, at::kDouble);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one_B = SampleCategorical(logits_BA, {}, uniform_B)->action_B;
  at::set_num_threads(3);
  const at::Tensor three_B = SampleCategorical(logits_BA, {}, uniform_B)->action_B;
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one_B, three_B));
  const at::Tensor last_B = SampleCategorical(logits_BA.slice(0, 63), {}, uniform_B.slice(0, 63))->action_B;
  EXPECT_EQ(one_B[63].item<int64_t>(), last_B[0].item<int64_t>());
}

TEST(CategoricalTest, BadRowsAreNamedOnBothRoads) {
  const at::Tensor uniform_B = at::full({3}, 0.5, at::kDouble);
  at::Tensor mask_BA = at::ones({3, 20}, at::kBool);
  mask_BA[1].fill_(false);
  at::Tensor nan_BA = at::zeros({3, 20});
  nan_BA[2][17] = NAN;
  at::Tensor inf_BA = at::zeros({3, 20});
  inf_BA[0][3] = INFINITY;
  for (const auto sample : {&SampleCategorical, &SampleWithAten}) {
    EXPECT_THAT(Message(sample(at::zeros({3, 20}), mask_BA, uniform_B).status()),
                HasSubstr("row 1 of 3: no legal action among 20"));
    EXPECT_THAT(Message(sample(nan_BA, {}, uniform_B).status()), HasSubstr("row 2 of 3: a logit is NaN or +inf"));
    EXPECT_THAT(Message(sample(inf_BA, {}, uniform_B).status()), HasSubstr("row 0 of 3"));
    EXPECT_TRUE(sample(nan_BA, at::arange(20) < 10, uniform_B).ok()) << "illegal logits may be anything";
  }
}

TEST(MaskedLogSoftmaxTest, RenormalisesOverLegalActionsWithExactGradients) {
  const at::Tensor logits_BA = NormalTensor(Key(7), {4, 9}, at::kDouble).set_requires_grad(true);
  at::Tensor mask_BA = RandomMask(7, {4, 9}, 0.6);
  mask_BA.select(1, 0).fill_(true);
  const at::Tensor log_q_BA = MaskedLogSoftmax(logits_BA, mask_BA);
  EXPECT_TRUE(AllClose(log_q_BA.exp().sum(1), at::ones({4}, at::kDouble), Tolerance{1e-12}));
  EXPECT_TRUE(at::equal(log_q_BA.isinf(), mask_BA.logical_not()));

  log_q_BA.select(1, 0).sum().backward();
  const at::Tensor expected_BA = -log_q_BA.detach().exp();  // d log q_0 / d logits = one hot of 0 - q
  expected_BA.select(1, 0).add_(1);
  EXPECT_TRUE(AllClose(logits_BA.grad(), expected_BA, Tolerance{1e-12}));
  EXPECT_EQ(MaskedLogSoftmax(at::zeros({1, 2}, at::kBFloat16)).scalar_type(), at::kFloat);
}

TEST(BehaviourTest, TemperatureTopKAndTopPByHand) {
  const at::Tensor logits_BA = at::tensor({0.5, 0.25, 0.125, 0.125}, at::kDouble).log().reshape({1, 4});
  const auto kept = [](const at::Tensor& x) { return x.isfinite().sum().item<int64_t>(); };
  EXPECT_NEAR(MaskedLogSoftmax(WithTemperature(logits_BA, 0.5)).exp()[0][0].item<double>(), 0.25 / (0.25 + 0.0625 + 0.03125),
              1e-12);
  EXPECT_EQ(kept(WithTopK(logits_BA, 2)), 2);
  EXPECT_EQ(kept(WithTopK(logits_BA, 3)), 4) << "equals of the k-th stay";
  EXPECT_EQ(kept(WithTopK(logits_BA, 100)), 4);
  EXPECT_EQ(kept(WithTopP(logits_BA, 0.49)), 1);
  EXPECT_EQ(kept(WithTopP(logits_BA, 0.51)), 2);
  EXPECT_EQ(kept(WithTopP(logits_BA, 0.01)), 1);
  EXPECT_EQ(kept(WithTopP(logits_BA, 1)), 4);
  const at::Tensor masked_BA = ApplyMask(logits_BA, at::arange(4) > 0);
  EXPECT_EQ(kept(masked_BA), 3);
  EXPECT_EQ(kept(WithTopP(masked_BA, 0.49)), 1) << "probabilities are those of the legal actions";
}

TEST(BehaviourTest, TheArgumentIsNeverChanged) {
  const at::Tensor logits_BA = NormalTensor(Key(8), {2, 5});
  const at::Tensor copy_BA = logits_BA.clone();
  ApplyMask(logits_BA, {}).fill_(0);
  WithTopK(logits_BA, 9).fill_(0);
  WithTopP(logits_BA, 1).fill_(0);
  WithTemperature(logits_BA, 1).fill_(0);
  EXPECT_TRUE(at::equal(logits_BA, copy_BA));
}

TEST(LogSumExpTest, TensorAndSpanAndEmptyRows) {
  const at::Tensor x = at::tensor({1000.0, 1000.0, -INFINITY, -INFINITY}, at::kDouble).reshape({2, 2}).set_requires_grad(true);
  const at::Tensor y = LogSumExp(x);
  EXPECT_NEAR(y[0].item<double>(), 1000 + std::log(2.0), 1e-9);
  EXPECT_EQ(y[1].item<double>(), -INFINITY);
  y[0].backward();
  EXPECT_TRUE(at::equal(x.grad(), at::tensor({0.5, 0.5, 0.0, 0.0}, at::kDouble).reshape({2, 2})));

  const std::vector<double> values = {std::log(1.0), std::log(2.0), -INFINITY};
  EXPECT_NEAR(LogSumExp(values), std::log(3.0), 1e-12);
  EXPECT_NEAR(LogMeanExp(values), 0, 1e-12);
  EXPECT_EQ(LogSumExp(std::vector<double>{}), -INFINITY);
}

}  // namespace
}  // namespace gfn
