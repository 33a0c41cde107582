#include "gflownet/env/bayes_net.h"

#include <gtest/gtest.h>

#include "gflownet/env/state_graph.h"
#include "gflownet/tensor/random.h"
#include "tests/support/conformance.h"
#include "tests/support/world_conformance.h"

namespace gfn {
namespace {

std::map<std::string, double> AllScores(const BayesNet& world, const BayesNetReward& reward) {
  const State objects = world.ObjectsAt(at::arange(world.NumObjects(), at::kLong), Unconditional());
  const at::Tensor log_reward = reward.LogRewardOf(objects);
  std::map<std::string, double> scores;
  for (int64_t i = 0; i < world.NumObjects(); ++i) scores[world.Format(objects, i)] = log_reward[i].item<double>();
  return scores;
}

TEST(BayesNet, IsAWorld) {
  CheckWorld(CreateWorld(BayesNetConfig{.num_nodes = 3, .reward = {.num_samples = 20}}).value(), "bayes_net");
}

TEST(BayesNet, ThereAreAsManyGraphsAsRobinsonCounts) {
  const BayesNet four({.num_nodes = 4}), five({.num_nodes = 5});
  EXPECT_EQ(four.NumStates(), 543);
  EXPECT_EQ(five.NumStates(), 29281);
  EXPECT_EQ(BayesNet({.num_nodes = 10}).NumStates(), 4175098976430598143);
  EXPECT_FALSE(CheckListable(BayesNet({.num_nodes = 12})).ok());
  CheckNumbering(five);  // the listing finds 29281 of them
}

// The marginal likelihood of one variable is a product of predictive Student t densities.
TEST(BayesNet, OneVariableIsAProductOfPredictives) {
  const at::Tensor data = NormalTensor({3, RngPurpose::kTest, 0}, {6, 1}, at::kDouble) + 0.7;
  const double alpha_mu = 1.5;
  const BayesNet world({.num_nodes = 1});
  const double found = AllScores(world, BayesNetReward(world, data, alpha_mu)).at("{} stop");
  // Gamma(a, b) on the precision, mean 0 with kappa prior observations: alpha_w = 3, T = alpha_mu / (alpha_mu + 1).
  double a = 1.5, b = alpha_mu / (alpha_mu + 1) / 2, kappa = alpha_mu, mean = 0, expected = 0;
  for (int64_t i = 0; i < 6; ++i) {
    const double x = data[i][0].item<double>(), freedom = 2 * a, scale = b * (kappa + 1) / (a * kappa);
    expected += std::lgamma((freedom + 1) / 2) - std::lgamma(freedom / 2) - 0.5 * std::log(freedom * M_PI * scale) -
                (freedom + 1) / 2 * std::log1p((x - mean) * (x - mean) / (freedom * scale));
    b += kappa * (x - mean) * (x - mean) / (2 * (kappa + 1));
    mean = (kappa * mean + x) / (kappa + 1);
    kappa += 1;
    a += 0.5;
  }
  EXPECT_NEAR(found, expected, 1e-10);
}

// Graphs with the same independences have the same score (Heckerman & Geiger 1995); a collider has others.
TEST(BayesNet, EquivalentGraphsScoreTheSame) {
  const BayesNet world({.num_nodes = 3});
  const auto scores = AllScores(world, BayesNetReward(world, {.num_samples = 30, .edges_per_node = 1}));
  const double chain = scores.at("{0->1 1->2} stop");
  EXPECT_NEAR(scores.at("{1->0 2->1} stop"), chain, 1e-9);
  EXPECT_NEAR(scores.at("{1->0 1->2} stop"), chain, 1e-9);
  EXPECT_GT(std::abs(scores.at("{0->1 2->1} stop") - chain), 1e-3);
  EXPECT_NEAR(scores.at("{0->1 0->2 1->2} stop"), scores.at("{1->0 2->0 2->1} stop"), 1e-9) << "complete graphs";
  // Without data every graph is as good as any other.
  for (const auto& [graph, score] : AllScores(world, BayesNetReward(world, {.num_samples = 0})))
    EXPECT_NEAR(score, 0, 1e-12) << graph;
}

TEST(BayesNet, ThePosteriorFindsAStrongEdge) {
  // x1 = 2 x0 + noise, x2 independent.
  const at::Tensor x0 = NormalTensor({5, RngPurpose::kTest, 0}, {200}, at::kDouble),
                   x2 = NormalTensor({6, RngPurpose::kTest, 0}, {200}, at::kDouble);
  const at::Tensor data = at::stack({x0, 2 * x0 + 0.3 * NormalTensor({7, RngPurpose::kTest, 0}, {200}, at::kDouble), x2}, 1);
  const BayesNet world({.num_nodes = 3});
  const State objects = world.ObjectsAt(at::arange(25, at::kLong), Unconditional());
  const at::Tensor posterior = BayesNetReward(world, data, 1.0).LogRewardOf(objects).softmax(0);
  const at::Tensor edges = (posterior.unsqueeze(1) * BayesNet::Edges(objects)).sum(0).view({3, 3});
  EXPECT_GT((edges[0][1] + edges[1][0]).item<double>(), 0.999);
  EXPECT_LT((edges[0][2] + edges[2][0]).item<double>(), 0.4);
}

}  // namespace
}  // namespace gfn
