// Every objective but modified SubTB (objective_test.cc) against a twin that spells its equation out in loops. What an objective
// holds constant is a second set of scores in the twin, so its gradient is checked by finite differences of the twin.
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "gflownet/core/objective_test_example.h"

namespace gfn {
namespace {

constexpr double kTemperature = 0.8;

// The scores of one row, read as in the papers.
struct Row {
  const Example& e;
  int64_t row;
  int64_t length() const { return e.batch.lengths_B.data_ptr<int64_t>()[row]; }
  int64_t group() const { return e.scores.group_B.data_ptr<int64_t>()[row]; }
  double pf(int64_t k) const { return At(e.scores.log_pf_BT, row, k); }
  double pb(int64_t k) const { return e.LogPb(row, k); }
  double stop(int64_t k) const { return At(e.scores.log_stop_BT, row, k); }
  double inflow(int64_t k) const { return At(e.scores.log_inflow_BT, row, k); }
  double log_z() const { return At(e.scores.log_z_G, group()); }
  double reward() const { return At(e.batch.log_reward_B, row) / kTemperature; }
  double along(int64_t k) const { return At(e.batch.log_reward_along_BT, row, k) / kTemperature; }
  // log F(s_k), k = 0 .. length.
  double flow(int64_t k, bool forward_looking = false) const {
    if (k == length()) return reward();
    return At(e.scores.log_flow_BT, row, k) + (forward_looking ? along(k) : 0);
  }
  // log F(s_i) + sum (pf - pb) - log F(s_j)
  double balance(int64_t i, int64_t j, bool forward_looking = false) const {
    double sum = flow(i, forward_looking) - flow(j, forward_looking);
    for (int64_t m = i; m < j; ++m) sum += pf(m) - pb(m);
    return sum;
  }
  double log_q() const {
    double sum = 0;
    for (int64_t k = 0; k < length(); ++k) sum += pf(k);
    return sum;
  }
  double sum_pb() const {
    double sum = 0;
    for (int64_t k = 0; k < length(); ++k) sum += pb(k);
    return sum;
  }
  double estimate() const { return reward() + sum_pb() - log_q(); }
};

// Sum and weight over all rows; the loss is their quotient.
struct Fraction {
  double sum = 0, weight = 0;
  void Add(double cost, double w = 1) {
    sum += w * cost;
    weight += w;
  }
  double value() const { return sum / weight; }
};

// `live` is what is differentiated, `held` what the objective holds constant.
struct Twin {
  const Example& live;
  const Example& held;

  template <class Function>
  double OverRows(Function function) const {
    Fraction loss;
    for (int64_t row = 0; row < kRows; ++row) function(loss, Row{live, row}, Row{held, row});
    return loss.value();
  }
  std::vector<Row> Group(const Example& e, int64_t group) const {
    std::vector<Row> rows;
    for (int64_t row = 0; row < kRows; ++row) {
      if (Row{e, row}.group() == group) rows.push_back({e, row});
    }
    return rows;
  }

  double operator()(const TbConfig& c) const {
    return OverRows([&](Fraction& loss, const Row& r, const Row&) { loss.Add(Cost(r.log_z() - r.estimate(), c.residual)); });
  }
  double operator()(const VarGradConfig&) const {
    Fraction loss;
    for (int64_t g = 0; g < kGroups; ++g) {
      // Half the mean squared difference of two different rollouts.
      Fraction pairs;
      for (const Row& a : Group(live, g)) {
        for (const Row& b : Group(live, g)) {
          if (a.row != b.row) pairs.Add(0.5 * std::pow(a.estimate() - b.estimate(), 2));
        }
      }
      loss.Add(pairs.value());
    }
    return loss.value();
  }
  double operator()(const MaximumLikelihoodConfig& c) const {
    if (!c.importance) {
      return OverRows([&](Fraction& loss, const Row& r, const Row&) { loss.Add(-r.log_q(), At(live.weights_B, r.row)); });
    }
    Fraction loss;
    for (int64_t g = 0; g < kGroups; ++g) {
      Fraction weighted;
      for (const Row& r : Group(live, g)) weighted.Add(-r.log_q(), std::exp(Row{held, r.row}.estimate()));
      loss.Add(weighted.value());
    }
    return loss.value();
  }
  double operator()(const ModifiedDbConfig& c) const {
    return OverRows([&](Fraction& loss, const Row& r, const Row&) {
      for (int64_t k = 0; k + 1 < r.length(); ++k) {
        if (!live.batch.stop_legal_BT[r.row][k].item<bool>()) continue;
        loss.Add(Cost(r.along(k) + r.pf(k) + r.stop(k + 1) - r.along(k + 1) - r.pb(k) - r.stop(k), c.residual));
      }
    });
  }
  double operator()(const FlowMatchingConfig& c) const {
    return OverRows([&](Fraction& loss, const Row& r, const Row&) {
      for (int64_t k = 0; k < r.length(); ++k) {
        const double in = std::log(c.epsilon + std::exp(r.inflow(k))), out = std::log(c.epsilon + std::exp(r.flow(k + 1)));
        loss.Add(Cost(in - out, c.residual));
      }
    });
  }
  double operator()(const DbConfig& c) const {
    return OverRows([&](Fraction& loss, const Row& r, const Row&) {
      for (int64_t k = 0; k < r.length(); ++k) loss.Add(Cost(r.balance(k, k + 1, c.forward_looking), c.residual));
    });
  }
  double operator()(const SubTbConfig& c) const {
    return OverRows([&](Fraction& loss, const Row& r, const Row&) {
      Fraction own;
      for (int64_t i = 0; i < r.length(); ++i) {
        for (int64_t j = i + 1; j <= r.length(); ++j) {
          own.Add(Cost(r.balance(i, j, c.forward_looking), c.residual), std::pow(c.lambda, j - i - 1));
        }
      }
      c.pooled ? loss.Add(own.value(), own.weight) : loss.Add(own.value());
    });
  }
  double operator()(const ReinforceConfig& c) const {
    return OverRows([&](Fraction& loss, const Row& r, const Row& constant) {
      double baseline = 0, fit = 0;
      if (c.baseline == Baseline::kLogZ) {
        baseline = constant.log_z();
        fit = std::pow(constant.estimate() - r.log_z(), 2);
      } else if (c.baseline == Baseline::kGroup) {
        Fraction others;
        for (const Row& other : Group(held, r.group())) {
          if (other.row != r.row) others.Add(other.estimate());
        }
        baseline = others.value();
      }
      loss.Add(fit - (constant.estimate() - baseline) * r.log_q() - r.sum_pb());
    });
  }
  double operator()(const PpoConfig& c) const {
    return OverRows([&](Fraction& loss, const Row& r, const Row& constant) {
      auto sampled = [&](int64_t k) { return At(live.sampled_log_pf_BT, r.row, k); };
      for (int64_t k = 0; k < r.length(); ++k) {
        double advantage = 0;
        for (int64_t j = k; j < r.length(); ++j) {
          const double delta = constant.pb(j) - sampled(j) + constant.flow(j + 1) - constant.flow(j);
          advantage += std::pow(c.gae_lambda, j - k) * delta;
        }
        const double ratio = std::exp(r.pf(k) - sampled(k));
        const double clipped = std::min(std::max(ratio, 1 - c.clip), 1 + c.clip);
        const double error = r.flow(k) - constant.flow(k) - advantage;
        loss.Add(c.value_weight * error * error - std::min(ratio * advantage, clipped * advantage) - r.pb(k));
      }
    });
  }
  double operator()(const GrpoConfig& c) const {
    // The return of a rollout under the policy that drew it.
    const auto return_of = [&](const Row& r) {
      double sum = r.reward() + r.sum_pb();
      for (int64_t k = 0; k < r.length(); ++k) sum -= At(live.sampled_log_pf_BT, r.row, k);
      return sum;
    };
    return OverRows([&](Fraction& loss, const Row& r, const Row& constant) {
      Fraction mean, square;
      for (const Row& other : Group(held, r.group())) mean.Add(return_of(other));
      for (const Row& other : Group(held, r.group())) square.Add(std::pow(return_of(other) - mean.value(), 2));
      const double advantage = (return_of(constant) - mean.value()) / (c.normalise ? std::sqrt(square.value()) + 1e-6 : 1.0);
      for (int64_t k = 0; k < r.length(); ++k) {
        const double ratio = std::exp(r.pf(k) - At(live.sampled_log_pf_BT, r.row, k));
        const double clipped = std::min(std::max(ratio, 1 - c.clip), 1 + c.clip);
        loss.Add(-std::min(ratio * advantage, clipped * advantage) - r.pb(k));
      }
    });
  }
  double operator()(const DpgConfig&) const {
    double sum = 0;
    std::set<int64_t> groups;
    OverRows([&](Fraction& loss, const Row& r, const Row& constant) {
      double total = 0, rows = 0;
      for (const Row& other : Group(held, r.group())) {
        total += std::exp(other.estimate() - constant.estimate());
        ++rows;
      }
      sum -= (1 / total - 1 / rows) * r.log_q();
      groups.insert(r.group());
      loss.Add(0);
    });
    return sum / static_cast<double>(groups.size());
  }
  double operator()(const SoftQConfig& c) const {
    return OverRows([&](Fraction& loss, const Row& r, const Row& constant) {
      for (int64_t k = 0; k < r.length(); ++k)
        loss.Add(Cost(r.flow(k) + r.pf(k) - constant.pb(k) - constant.flow(k + 1), c.residual));
    });
  }
  double operator()(const PathConsistencyConfig& c) const {
    return OverRows([&](Fraction& loss, const Row& r, const Row&) {
      for (int64_t k = 0; k < r.length(); ++k) loss.Add(Cost(r.balance(k, std::min(k + c.steps, r.length())), c.residual));
    });
  }
  double operator()(const ModifiedSubTbConfig&) const { return 0; }  // objective_test.cc
};

class ObjectiveTwin : public testing::TestWithParam<ObjectiveConfig> {};

TEST_P(ObjectiveTwin, ValueAndGradient) {
  for (const bool dag : {false, true}) {
    SCOPED_TRACE(dag ? "DAG" : "tree");
    Example e(0, 21, dag);
    e.batch.weight_B = e.weights_B;
    Targets targets = ApplyTemperature(e.batch, kTemperature);
    targets.sampled_log_pf_BT = e.sampled_log_pf_BT;
    const at::Tensor loss = StepLoss(Make(GetParam())->Loss(e.scores, targets));
    const auto slow = [&](const Example& held) { return std::visit(Twin{e, held}, GetParam()); };
    const double expected = slow(e);
    EXPECT_NEAR(loss.item<double>(), expected, 1e-10 * std::max(1.0, std::abs(expected)));
    loss.backward();

    const Example held = [&] {
      Example copy = e;
      for (at::Tensor* t : {&copy.scores.log_pf_BT, &copy.scores.log_pb_BT, &copy.scores.log_flow_BT, &copy.scores.log_z_G}) {
        if (t->defined()) *t = t->detach().clone();
      }
      return copy;
    }();
    const at::NoGradGuard no_grad;
    for (const at::Tensor& leaf : e.Leaves()) {
      double* values = leaf.data_ptr<double>();
      const at::Tensor gradient = leaf.grad().defined() ? leaf.grad().contiguous() : at::zeros_like(leaf);
      for (int64_t i = 0; i < leaf.numel(); ++i) {
        constexpr double kStep = 1e-5;
        const double kept = values[i];
        values[i] = kept + kStep;
        const double above = slow(held);
        values[i] = kept - kStep;
        const double below = slow(held);
        values[i] = kept;
        const double found = gradient.data_ptr<double>()[i];
        EXPECT_NEAR(found, (above - below) / (2 * kStep), 2e-6 * std::max({1.0, std::abs(found), std::abs(above)}))
            << "entry " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ObjectiveTwin,
    testing::Values(ObjectiveConfig(TbConfig{}), TbConfig{HuberResidual{2}}, TbConfig{ShiftedCoshResidual{3}},
                    TbConfig{LinexResidual{.alpha = 0.5, .limit = 4}}, VarGradConfig{}, MaximumLikelihoodConfig{},
                    MaximumLikelihoodConfig{.importance = true}, ModifiedDbConfig{}, ModifiedDbConfig{LinexResidual{.limit = 2}},
                    FlowMatchingConfig{}, FlowMatchingConfig{.epsilon = 1e-8, .residual = ShiftedCoshResidual{}}, DbConfig{},
                    DbConfig{.forward_looking = true}, DbConfig{.residual = LinexResidual{.alpha = -1}}, SubTbConfig{},
                    SubTbConfig{.lambda = 1}, SubTbConfig{.lambda = 0.7, .pooled = true}, SubTbConfig{.forward_looking = true},
                    SubTbConfig{.residual = LinexResidual{}}, ReinforceConfig{}, ReinforceConfig{Baseline::kNone},
                    ReinforceConfig{Baseline::kLogZ}, PpoConfig{}, PpoConfig{.clip = 0.05, .gae_lambda = 1}, GrpoConfig{},
                    GrpoConfig{.clip = 0.05, .normalise = false}, DpgConfig{}, SoftQConfig{}, SoftQConfig{HuberResidual{}},
                    PathConsistencyConfig{}, PathConsistencyConfig{.steps = 1}, PathConsistencyConfig{.steps = 9}));

// ---- residuals alone ----

TEST(Residuals, ValuesAndSlopes) {
  const std::vector<ResidualConfig> all = {SquaredResidual{}, HuberResidual{2}, ShiftedCoshResidual{3}, LinexResidual{},
                                           LinexResidual{.alpha = -0.5, .limit = 1.5}};
  for (size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(i);
    const std::unique_ptr<Residual> residual = MakeResidual(all[i]);
    const at::Tensor x = at::arange(-79, 80, 2, at::kDouble).div(10).requires_grad_();  // none at a limit
    const at::Tensor cost = residual->Cost(x);
    cost.sum().backward();
    for (int64_t n = 0; n < x.numel(); ++n) {
      const double at = At(x, n), expected = Cost(at, all[i]);
      EXPECT_NEAR(At(cost, n), expected, 1e-12 * std::max(1.0, expected)) << at;
      EXPECT_NEAR(At(x.grad(), n), (Cost(at + 1e-6, all[i]) - Cost(at - 1e-6, all[i])) / 2e-6, 1e-6 * std::max(1.0, expected))
          << at;
      EXPECT_GT(At(cost, n), 0);
    }
    // x^2 near 0, where the digits stay.
    const at::Tensor small = residual->Cost(at::full({1}, 1e-7, at::kDouble));
    EXPECT_NEAR(At(small, 0), 1e-14, 1e-20);
    EXPECT_EQ(residual->IsSymmetric(), At(cost, 0) == At(cost, x.numel() - 1));
    EXPECT_TRUE(residual->Cost(at::full({1}, -1e4, at::kDouble)).isfinite().item<bool>());
  }
}

// Shortfall of probability is what Linex with alpha > 0 punishes.
TEST(Residuals, LinexTellsTheSidesApart) {
  const auto linex = MakeResidual(LinexResidual{});
  const at::Tensor cost = linex->Cost(at::tensor(std::vector<double>{-3, 3}));
  EXPECT_GT(At(cost, 0), 5 * At(cost, 1));
}

}  // namespace
}  // namespace gfn
