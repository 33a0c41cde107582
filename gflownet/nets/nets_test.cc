#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gflownet/nets/attention.h"
#include "gflownet/nets/embedding.h"
#include "gflownet/nets/linear.h"
#include "gflownet/nets/norm.h"
#include "gflownet/nets/test_gradients.h"
#include "gflownet/nets/transformer.h"
#include "gflownet/tensor/tolerances.h"

namespace gfn {
namespace {

using Table = ParametrisationTable;

NetScope ScopeOf(ParameterSet& set, at::ScalarType dtype = at::kDouble) {
  return {.parameters = &set, .name = "net", .group = "policy", .key = {5, RngPurpose::kInit, 0}, .dtype = dtype};
}

double Number(const at::Tensor& tensor) { return tensor.item<double>(); }

TEST(NetScopeTest, EveryParameterHasItsRoleNameAndSpread) {
  ParameterSet set(Parametrisation{Table::kMupTable9, {}});
  const NetScope scope = ScopeOf(set);
  const Linear input(scope.In("input"), {50}, {400, 100}), hidden(scope.In("hidden"), {400, 100}, {400, 100}),
      output(scope.In("output"), {400, 100}, {50}, {.bias = false, .gain = 3});
  const Embedding tied(scope.In("tied"), 60, {400, 100}, {.tied = true, .gain = 0.5});
  const std::vector<std::pair<std::string, ParameterRole>> expected = {
      {"net.input.weight", ParameterRole::kInput},   {"net.input.bias", ParameterRole::kVector},
      {"net.hidden.weight", ParameterRole::kHidden}, {"net.hidden.bias", ParameterRole::kVector},
      {"net.output.weight", ParameterRole::kOutput}, {"net.tied.weight", ParameterRole::kTied}};
  ASSERT_EQ(set.size(), expected.size());
  for (size_t i = 0; i < set.size(); ++i) {
    EXPECT_EQ(set[i].name, expected[i].first);
    EXPECT_EQ(set[i].group, "policy");
    EXPECT_EQ(set[i].tag->shape.role, expected[i].second);
    if (set[i].tag->shape.role == ParameterRole::kVector) {
      EXPECT_EQ(Number(set[i].value.abs().max()), 0);
      continue;
    }
    const double gain = set[i].name == "net.output.weight" ? 3 : set[i].name == "net.tied.weight" ? 0.5 : 1;
    const double expected_spread = gain * std::sqrt(set[i].tag->factors.init_variance);
    EXPECT_NEAR(Number(set[i].value.std()) / expected_spread, 1, 0.03) << set[i].name;  // 20,000 numbers: 0.5 %
    EXPECT_NEAR(Number(set[i].value.mean()) / expected_spread, 0, 0.03) << set[i].name;
  }
}

TEST(EmbeddingTest, LooksUpRowsAndReadsOutWithTheirMultipliers) {
  for (const Table table : {Table::kStandard, Table::kMupTable3, Table::kMupTable9}) {
    ParameterSet set(Parametrisation{table, {}});
    const Embedding embedding(ScopeOf(set), 5, {8, 2}, {.tied = true});
    const ParameterFactors& factors = set[0].tag->factors;
    const at::Tensor ids = at::tensor(std::vector<int64_t>{3, 0, 3, 1}).view({2, 2});
    const at::Tensor rows = embedding.Apply(ids), weight = set.Get("net.weight");
    const at::Tensor x = TestInput({2, 8}, 1), logits = embedding.Readout(x);
    for (int64_t b = 0; b < 2; ++b) {
      for (int64_t t = 0; t < 2; ++t) {
        EXPECT_TRUE(AllClose(rows[b][t], weight[ids[b][t].item<int64_t>()] * factors.multiplier, Tolerance{1e-12}));
      }
      for (int64_t v = 0; v < 5; ++v) {
        double sum = 0;
        for (int64_t i = 0; i < 8; ++i) sum += Number(x[b][i]) * Number(weight[v][i]);
        EXPECT_NEAR(Number(logits[b][v]), sum * factors.readout_multiplier, 1e-12);
      }
    }
    ExpectGradientsOfFiniteDifferences(set, {x}, [&] { return Mixed(embedding.Apply(ids)) + Mixed(embedding.Readout(x)); });
  }
}

TEST(EmbeddingDeathTest, OneThatIsNotTiedHasNoOutput) {
  ParameterSet set;
  const Embedding embedding(ScopeOf(set), 5, {8}, {});
  EXPECT_DEATH(embedding.Readout(at::zeros({1, 8}, at::kDouble)), "not tied");
}

TEST(LinearTest, AppliesItsMultipliers) {
  ParameterSet set(Parametrisation{Table::kMupTable9, {}});
  const Linear layer(ScopeOf(set), {3}, {8, 2});
  Perturb(set, 0.3);
  const at::Tensor x = TestInput({4, 3}, 2);
  // Both are twice what is stored: sqrt(8 / 2).
  const at::Tensor expected = x.matmul(set.Get("net.weight").t()) * 2 + set.Get("net.bias") * 2;
  EXPECT_TRUE(AllClose(layer.Apply(x), expected, Tolerance{1e-12}));
  ExpectGradientsOfFiniteDifferences(set, {x}, [&] { return Mixed(layer.Apply(x)); });
}

TEST(NormTest, EqualsItsFormula) {
  for (const NetNorm kind : {NetNorm::kLayerNorm, NetNorm::kRmsNorm}) {
    ParameterSet set(Parametrisation{Table::kMupTable9, {}});
    const Norm norm(ScopeOf(set), kind, {8, 2}, 1e-3);
    const at::Tensor x = TestInput({2, 3, 8}, 3);
    const at::Tensor start = norm.Apply(x);
    EXPECT_NEAR(Number(start.square().mean()), 1, 0.01);  // gain 1 and bias 0, whatever is stored
    Perturb(set, 0.2);
    const at::Tensor y = norm.Apply(x);
    for (int64_t b = 0; b < 2; ++b) {
      for (int64_t t = 0; t < 3; ++t) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < 8; ++i) mean += Number(x[b][t][i]) / 8;
        if (kind == NetNorm::kRmsNorm) mean = 0;
        for (int64_t i = 0; i < 8; ++i) square += std::pow(Number(x[b][t][i]) - mean, 2) / 8;
        for (int64_t i = 0; i < 8; ++i) {
          double expected = (Number(x[b][t][i]) - mean) / std::sqrt(square + 1e-3) * 2 * Number(set.Get("net.weight")[i]);
          if (kind == NetNorm::kLayerNorm) expected += 2 * Number(set.Get("net.bias")[i]);
          EXPECT_NEAR(Number(y[b][t][i]), expected, 1e-12);
        }
      }
    }
    ExpectGradientsOfFiniteDifferences(set, {x}, [&] { return Mixed(norm.Apply(x)); });
  }
}

// One query and one key at a time.
at::Tensor SlowAttention(const ParameterSet& set, const at::Tensor& queries, const at::Tensor& memory, const at::Tensor& mask,
                         int64_t num_heads, double scale) {
  const auto project = [&](const at::Tensor& x, const std::string& name) {
    return at::linear(x, set.Get("net." + name + ".weight"), set.Get("net." + name + ".bias"));
  };
  const at::Tensor q = project(queries, "query"), k = project(memory, "key"), v = project(memory, "value");
  const int64_t size = q.size(2) / num_heads;
  at::Tensor mixed = at::zeros_like(q);
  for (int64_t b = 0; b < q.size(0); ++b) {
    for (int64_t h = 0; h < num_heads; ++h) {
      const auto head = [&](const at::Tensor& x, int64_t row) { return x[b][row].narrow(0, h * size, size); };
      for (int64_t t = 0; t < q.size(1); ++t) {
        double total = 0;
        at::Tensor sum = at::zeros({size}, at::kDouble);
        for (int64_t s = 0; s < k.size(1); ++s) {
          if (!mask[b][h][t][s].item<bool>()) continue;
          const double weight = std::exp(scale * Number(head(q, t).dot(head(k, s))));
          total += weight;
          sum = sum + head(v, s) * weight;
        }
        if (total > 0) head(mixed, t).copy_(sum / total);
      }
    }
  }
  return project(mixed, "output");
}

TEST(AttentionTest, EqualsADoubleLoopWithAndWithoutMasks) {
  for (const Table table : {Table::kStandard, Table::kMupTable3}) {
    ParameterSet set(Parametrisation{table, {}});
    const MultiHeadAttention attention(ScopeOf(set), {6, 3}, {{2}, {4, 1}});
    Perturb(set, 0.2);
    const double scale = table == Table::kStandard ? 0.5 : 0.25;
    const at::Tensor queries = TestInput({2, 3, 6}, 4), memory = TestInput({2, 4, 6}, 5);
    const at::Tensor lengths = LengthMask(at::tensor(std::vector<int64_t>{3, 1}), 4);
    at::Tensor rows = at::ones({1, 1, 3, 4}, at::kBool);
    rows[0][0][1].fill_(false);  // a query that sees nothing
    for (const at::Tensor& mask : {at::Tensor(), lengths, rows, lengths.logical_and(rows)}) {
      const at::Tensor full = mask.defined() ? mask.expand({2, 2, 3, 4}) : at::ones({2, 2, 3, 4}, at::kBool);
      const auto apply = [&] { return attention.Apply(queries, memory, mask); };
      const at::NoGradGuard no_grad;
      const Closeness close = AllClose(apply(), SlowAttention(set, queries, memory, full, 2, scale), Tolerance{1e-12});
      EXPECT_TRUE(close) << close.worst;
      const at::AutoGradMode with_grad(true);
      ExpectGradientsOfFiniteDifferences(set, {queries, memory}, [&] { return Mixed(apply()); });
    }
  }
}

TEST(AttentionTest, HiddenKeysHaveNoInfluenceInFloat32AndHalf) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    ParameterSet set;
    const MultiHeadAttention attention(ScopeOf(set, dtype), {8}, {{2}, {4}});
    const at::Tensor x = TestInput({1, 5, 8}, 6).detach().to(dtype);
    const at::Tensor mask = LengthMask(at::tensor(std::vector<int64_t>{3}), 5);
    at::Tensor other = x.clone();
    other[0].narrow(0, 3, 2).fill_(50);
    EXPECT_TRUE(at::equal(attention.Apply(x, x, mask), attention.Apply(x, other, mask)));
    EXPECT_FALSE(at::equal(attention.Apply(x, x), attention.Apply(x, other)));
  }
}

TEST(TransformerTest, IsItsPartsInOrderAndRespectsTheMask) {
  ParameterSet set(Parametrisation{Table::kMupTable8, 1.0});
  const TransformerConfig config = {
      .width = {6, 3}, .heads = {{2, 1}, {3}}, .feed_forward = {10, 5}, .depth = {2, 1}, .norm = NetNorm::kRmsNorm};
  const TransformerEncoder encoder(ScopeOf(set), config);
  Perturb(set, 0.1);
  const at::Tensor x = TestInput({2, 4, 6}, 7), mask = CausalMask(4);
  const auto rms = [&](const at::Tensor& y, const std::string& name) {
    return y / (y.square().mean(-1, true) + 1e-5).sqrt() * set.Get("net." + name + ".weight");
  };
  const auto linear = [&](const at::Tensor& y, const std::string& name) {
    return at::linear(y, set.Get("net." + name + ".weight"), set.Get("net." + name + ".bias"));
  };
  at::Tensor y = x;
  for (const std::string block : {"0.", "1."}) {
    const at::Tensor normed = rms(y, block + "attention_norm");
    const auto heads = [&](const std::string& name) {
      return linear(normed, block + "attention." + name).view({2, 4, 2, 3}).transpose(1, 2);
    };
    const at::Tensor mixed = at::scaled_dot_product_attention(heads("query"), heads("key"), heads("value"), mask);
    y = y + linear(mixed.transpose(1, 2).reshape({2, 4, 6}), block + "attention.output") / 2;
    y = y + linear(at::gelu(linear(rms(y, block + "feed_forward_norm"), block + "expand")), block + "contract") / 2;
  }
  const Closeness close = AllClose(encoder.Apply(x, mask), rms(y, "norm"), Tolerance{1e-12});
  EXPECT_TRUE(close) << close.worst;
  ExpectGradientsOfFiniteDifferences(set, {x}, [&] { return Mixed(encoder.Apply(x, mask)); });
  for (const Parameter& parameter : set) {
    EXPECT_EQ(parameter.tag->shape.depth, parameter.name == "net.norm.weight" ? Width{1} : (Width{2, 1})) << parameter.name;
  }
}

// The modules apply the multipliers: what the tables say is one function, and stays so under plain gradient steps.
TEST(TransformerTest, IsTheSameFunctionInEveryTableOfMup) {
  const auto run = [](Table table) {
    ParameterSet set(Parametrisation{table, 1.0});
    const NetScope scope = ScopeOf(set);
    const Embedding embedding(scope.In("embedding"), 7, {12, 4}, {.tied = true});
    const TransformerEncoder encoder(
        scope.In("encoder"),
        {.width = {12, 4}, .heads = {{3, 1}, {4}}, .feed_forward = {20, 4}, .depth = {2, 1}, .norm = NetNorm::kLayerNorm});
    const Linear head(scope.In("head"), {12, 4}, {3});
    const at::Tensor ids = at::arange(10, at::kLong).remainder(7).view({2, 5});
    std::vector<at::Tensor> outputs;
    for (int step = 0; step < 4; ++step) {
      const at::Tensor encoded = encoder.Apply(embedding.Apply(ids));
      const at::Tensor output = at::cat({embedding.Readout(encoded), head.Apply(encoded)}, -1);
      outputs.push_back(output.detach());
      set.ZeroGrad();
      Mixed(output).backward();
      for (const Parameter& parameter : set) {
        parameter.value.detach().sub_(parameter.value.grad(), 0.01 * parameter.tag->factors.sgd_learning_rate);
      }
    }
    return at::stack(outputs);
  };
  const at::Tensor expected = run(Table::kMupTable3);
  EXPECT_GT(Number((expected[0] - expected[3]).abs().max()), 0.01);
  for (const Table table : {Table::kMupTable8, Table::kMupTable9}) {
    const Closeness close = AllClose(run(table), expected, Tolerance{1e-10});
    EXPECT_TRUE(close) << EnumName(table) << " " << close.worst;
  }
  EXPECT_FALSE(AllClose(run(Table::kStandard), expected, Tolerance{1e-3}));
}

}  // namespace
}  // namespace gfn
