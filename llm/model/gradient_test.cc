// The head that never makes [R, V], and the hand-written backward pass: against ATen, finite differences and plain evaluation.
#include <gtest/gtest.h>

#include "llm/model/lm_head.h"
#include "llm/model/test_models.h"

namespace gfn {
namespace {

// fp32 against fp64 through two layers of random weights.
constexpr Tolerance kFloatGradientTolerance{2e-4};

class Gradients : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Golden, Gradients, testing::ValuesIn(kTinyModels), [](const auto& info) { return info.param; });

HeadQuery QueryOf(int64_t num_rows, bool with_mask) {
  HeadQuery query;
  for (int64_t r = 0; r < num_rows; ++r) query.targets.push_back(r % 5 == 4 ? -1 : (7 * r + 3) % 64);
  query.stop_ids = {5, 40};
  if (with_mask) {
    query.legal_V = at::zeros({64}, at::kByte);
    for (int64_t v = 0; v < 64; v += 3) query.legal_V[v] = 1;
  }
  return query;
}

// One number that depends on everything a loss reads, with different weights.
at::Tensor Scalar(const HeadScores& scores) {
  const auto weighted = [](const at::Tensor& x) {
    return (x * (at::arange(x.numel(), x.options()).view(x.sizes()) * 0.37).cos()).sum();
  };
  return weighted(scores.logit_target_R) + 2 * weighted(scores.logit_stop_RS) - 1.5 * weighted(scores.log_norm_R);
}

at::Tensor LossOf(const LanguageModel& model, const Adapter& adapter, const PackedForest& packed,
                  const std::vector<int64_t>& rows, bool with_grad) {
  const at::Tensor hidden = model.Forward(packed, rows, {.adapter = &adapter, .with_grad = with_grad, .dropout_key = {}});
  return Scalar(ScoreHead(model, hidden, QueryOf(static_cast<int64_t>(rows.size()), true)));
}

std::vector<at::Tensor> GradientsOf(const LanguageModel& model, const Adapter& adapter, const PackedForest& packed,
                                    const std::vector<int64_t>& rows) {
  for (const at::Tensor& tensor : adapter.Tensors()) tensor.mutable_grad() = at::Tensor();
  LossOf(model, adapter, packed, rows, true).backward();
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& tensor : adapter.Tensors()) gradients.push_back(tensor.grad().clone());
  return gradients;
}

TEST_P(Gradients, HeadIsLogSoftmaxOfLogits) {
  for (const ModelDtype dtype : {ModelDtype::kFloat32, ModelDtype::kFloat64}) {
    const auto model = LoadTiny(GetParam(), dtype);
    const Tolerance tolerance = dtype == ModelDtype::kFloat64 ? kTinyModelTolerance : ToleranceOf(at::kFloat);
    const at::Tensor hidden = PlainHidden(*model, RandomTokens(1, 0, 11, 64));
    const at::Tensor logits = model->Logits(hidden);
    for (const bool with_mask : {false, true}) {
      const HeadQuery query = QueryOf(hidden.size(0), with_mask);
      const HeadScores scores = ScoreHead(*model, hidden, query);
      const at::Tensor legal = with_mask ? logits.masked_fill(query.legal_V.eq(0), -INFINITY) : logits;
      ExpectAllClose(scores.log_norm_R, at::logsumexp(legal, -1), tolerance, "log_norm");
      ExpectAllClose(scores.logit_stop_RS, logits.index_select(1, at::tensor({5, 40}, at::kLong)), tolerance, "stops");
      for (int64_t r = 0; r < hidden.size(0); ++r) {
        const int64_t target = query.targets[r];
        ExpectAllClose(scores.logit_target_R[r], target < 0 ? at::zeros({}, logits.options()) : logits[r][target], tolerance,
                       "target");
      }
    }
  }
}

TEST_P(Gradients, KernelsAgreeWithFloat64) {
  const auto model = LoadTiny(GetParam(), ModelDtype::kFloat32), exact = LoadTiny(GetParam(), ModelDtype::kFloat64);
  const Adapter adapter = RandomAdapter(*model, 2, 9), exact_adapter = RandomAdapter(*exact, 2, 9);
  const PackedForest packed = PackForest(RandomForest(2, 64));
  const auto found = GradientsOf(*model, adapter, packed, AllRows(packed)),
             expected = GradientsOf(*exact, exact_adapter, packed, AllRows(packed));
  for (size_t i = 0; i < found.size(); ++i) {
    const double scale = std::max(1.0, expected[i].abs().max().item<double>());
    ExpectAllClose(found[i] / scale, expected[i] / scale, kFloatGradientTolerance, "tensor " + std::to_string(i));
  }
}

// Along random directions of every tensor: the difference quotient of the loss is the scalar product with the gradient.
TEST_P(Gradients, Float64AgreesWithFiniteDifferences) {
  const auto model = LoadTiny(GetParam(), ModelDtype::kFloat64);
  const Adapter adapter = RandomAdapter(*model, 2, 9);
  const PackedForest packed = PackForest(RandomForest(4, 64));
  const std::vector<int64_t> rows = {0, 3, packed.num_tokens() - 1, 6, 6};  // some, one of them twice
  const auto gradients = GradientsOf(*model, adapter, packed, rows);
  const std::vector<at::Tensor> tensors = adapter.Tensors();
  constexpr double kStep = 1e-5;
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor direction = NormalTensor({11, RngPurpose::kTest, 0}, tensors[i].sizes(), at::kDouble, i);
    const auto loss_at = [&](double step) {
      at::Tensor(tensors[i]).add_(direction, step);
      const double loss = LossOf(*model, adapter, packed, rows, false).item<double>();
      at::Tensor(tensors[i]).sub_(direction, step);
      return loss;
    };
    const double quotient = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep),
                 product = (gradients[i] * direction).sum().item<double>();
    EXPECT_NEAR(quotient, product, 1e-6 * std::max(1.0, std::abs(product))) << "tensor " << i;
  }
}

// A shared prefix gets the gradient of everything behind it: a forest is the sum of its sequences.
TEST_P(Gradients, ForestIsTheSumOfItsSequences) {
  const auto model = LoadTiny(GetParam(), ModelDtype::kFloat64);
  const Adapter adapter = RandomAdapter(*model, 2, 9);
  const Forest forest = RandomForest(5, 64);
  const PackedForest packed = PackForest(forest);
  const auto loss_of = [&](const at::Tensor& hidden, int64_t s) {
    HeadQuery query = QueryOf(1, true);
    query.targets[0] = (5 * s + 1) % 64;
    return Scalar(ScoreHead(*model, hidden, query));
  };
  std::vector<int64_t> last_rows;
  for (size_t s = 0; s < forest.segments().size(); ++s)
    last_rows.push_back(packed.starts[s] + static_cast<int64_t>(forest.segments()[s].tokens.size()) - 1);
  const ForwardContext context{.adapter = &adapter, .with_grad = true, .dropout_key = {}};
  const auto take = [&] {
    std::vector<at::Tensor> gradients;
    for (const at::Tensor& tensor : adapter.Tensors()) {
      gradients.push_back(tensor.grad().clone());
      tensor.mutable_grad() = at::Tensor();
    }
    return gradients;
  };
  const at::Tensor together = model->Forward(packed, last_rows, context);
  at::Tensor total = at::zeros({}, together.options());
  for (int64_t s = 0; s < together.size(0); ++s) total = total + loss_of(together.narrow(0, s, 1), s);
  total.backward();
  const auto of_forest = take();
  for (int64_t s = 0; s < together.size(0); ++s) {
    const at::Tensor alone = PlainHidden(*model, PathTokens(forest, static_cast<int32_t>(s)), context);
    loss_of(alone.narrow(0, alone.size(0) - 1, 1), s).backward();
  }
  const auto of_sequences = take();
  for (size_t i = 0; i < of_forest.size(); ++i)
    ExpectAllClose(of_forest[i], of_sequences[i], kTinyModelTolerance, "tensor " + std::to_string(i));
}

// Dropout: addressed (the same key, the same loss), different for another key, absent without one; the gradient sees the same
// mask.
TEST_P(Gradients, DropoutIsAddressed) {
  const auto model = LoadTiny(GetParam(), ModelDtype::kFloat64);
  Adapter adapter = RandomAdapter(*model, 2, 9);
  adapter.dropout = 0.4;
  const std::vector<int32_t> tokens = RandomTokens(8, 0, 9, 64);
  const auto hidden = [&](std::optional<uint64_t> seed, bool with_grad = false) {
    std::optional<RngKey> key;
    if (seed) key = RngKey{*seed, RngPurpose::kDropout, 0};
    return PlainHidden(*model, tokens, {.adapter = &adapter, .with_grad = with_grad, .dropout_key = key});
  };
  EXPECT_TRUE(hidden(1).equal(hidden(1, true).detach()));
  EXPECT_FALSE(hidden(1).equal(hidden(2)));
  EXPECT_FALSE(hidden(1).equal(hidden(std::nullopt)));
  hidden(1, true).sum().backward();
  const at::Tensor& tensor = adapter.layers[0][0].a;
  const at::NoGradGuard no_grad;
  const at::Tensor direction = NormalTensor({12, RngPurpose::kTest, 0}, tensor.sizes(), at::kDouble, 0);
  const auto loss_at = [&](double step) {
    at::Tensor(tensor).add_(direction, step);
    const double loss = hidden(1).sum().item<double>();
    at::Tensor(tensor).sub_(direction, step);
    return loss;
  };
  const double product = (tensor.grad() * direction).sum().item<double>();
  EXPECT_NEAR((loss_at(1e-5) - loss_at(-1e-5)) / 2e-5, product, 1e-6 * std::max(1.0, std::abs(product)));
}

}  // namespace
}  // namespace gfn
