// Entropies and mutual informations: by hand, and estimated against what enumeration gives.
#include "gflownet/estimate/entropy.h"

#include <gtest/gtest.h>

#include "gflownet/env/hypergrid.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/estimate/estimate_test_worlds.h"

namespace gfn {
namespace {

at::Tensor Log(const std::vector<double>& p) { return at::tensor(p, at::kDouble).log(); }
at::Tensor Labels(const std::vector<int64_t>& labels) { return at::tensor(labels, at::kLong); }

TEST(Entropy, ByHand) {
  EXPECT_NEAR(ExactEntropy(Log({1, 1, 1, 1})), std::log(4.0), 1e-12);
  EXPECT_NEAR(ExactEntropy(Log({0.5, 0.5, 0})), std::log(2.0), 1e-12);
  // Two equal bits share log 2, two independent ones nothing; labels are names, not numbers.
  EXPECT_NEAR(ExactMutualInformation(Log({1, 1}), Labels({-7, 40}), Labels({1, 0})), std::log(2.0), 1e-12);
  EXPECT_NEAR(ExactMutualInformation(Log({1, 2, 3, 6}), Labels({0, 0, 1, 1}), Labels({5, 9, 5, 9})), 0, 1e-12);
}

TEST(Entropy, OfATreeIsAScore) {
  const PrefixTree tree({.num_symbols = 3, .min_length = 1, .max_length = 3});
  const PrefixTreeReward reward(tree, 3, 1);
  const RandomTable table(tree, kNone, 4, 1);
  const Sampler sampler{.environment = &tree, .policy = &table.policy(), .reward = &reward};
  const auto estimate = EstimateEntropy(sampler, {}, {}, 1, {.num_samples = 3000});
  ASSERT_TRUE(estimate.ok()) << Message(estimate.status());
  EXPECT_EQ(estimate->low.mean, estimate->high.mean);
  ExpectCovers(estimate->low, ExactEntropy(ExactLogTerminating(tree, table.policy(), Unconditional())), 0.1, "entropy");
}

TEST(Entropy, OfADagIsEnclosed) {
  const Hypergrid grid({.dimensions = 2, .side = 5});
  const HypergridReward reward(grid, {});
  const RandomTable table(grid, kNone, 5);
  const Sampler sampler{.environment = &grid, .policy = &table.policy(), .reward = &reward};
  const double truth = ExactEntropy(ExactLogTerminating(grid, table.policy(), Unconditional()));
  double last_gap = INFINITY;
  for (const int64_t num_backward : {1, 64}) {
    const auto estimate = EstimateEntropy(sampler, {}, {}, num_backward, {.num_samples = 1000});
    ASSERT_TRUE(estimate.ok()) << Message(estimate.status());
    const double gap = estimate->high.mean - estimate->low.mean;
    EXPECT_LT(gap, last_gap / 2);
    last_gap = gap;
    // Bounds hold in expectation: up to the error of the mean.
    EXPECT_LE(estimate->low.mean, truth + 0.1);
    EXPECT_GE(estimate->high.mean, truth - 0.1);
  }
  EXPECT_LT(last_gap, 0.1);
}

// H(X | s): what the sampler makes from a state on.
TEST(Entropy, GivenAState) {
  const Hypergrid grid({.dimensions = 2, .side = 4});
  const HypergridReward reward(grid, {});
  const RandomTable table(grid, kNone, 6);
  const Sampler sampler{.environment = &grid, .policy = &table.policy(), .reward = &reward};
  const Walked walked = Walked::Of(grid, sampler);
  constexpr int64_t kState = 5;
  const std::vector<int64_t> path = PathTo(walked.graph, kState);
  const int64_t given = static_cast<int64_t>(path.size());
  const State there = Unroll(grid, walked.all)[given];
  const at::Tensor through_B = grid.StateIndex(there).eq(kState).logical_and(there.done_B().logical_not());
  // Trajectories are told apart by their last part: those with the actions of the path before it.
  const at::Tensor same_B = walked.all.actions_BT.slice(1, 0, given).eq(Labels(path).unsqueeze(0)).all(1).logical_and(through_B);
  const at::Tensor q_B = SumsAfter(sampler, walked.all, given).log_pf_B.exp() * same_B;
  const at::Tensor q_X = at::zeros({16}, at::kDouble).index_add(0, walked.object_B, q_B);
  ASSERT_NEAR(q_X.sum().item<double>(), 1, 1e-12);
  const auto estimate =
      EstimateEntropy(sampler, path, BelowState(grid, ReachedFrom(walked.graph, kState)), 16, {.num_samples = 1500});
  ASSERT_TRUE(estimate.ok()) << Message(estimate.status());
  const double truth = ExactEntropy(q_X.log());
  EXPECT_NEAR(estimate->low.mean, truth, 0.12);
  EXPECT_NEAR(estimate->high.mean, truth, 0.12);
}

TEST(MutualInformation, OfTwoPartsOfTheObject) {
  const PrefixTree tree({.num_symbols = 3, .min_length = 2, .max_length = 2});
  const PrefixTreeReward reward(tree, 3, 1);
  const RandomTable table(tree, kNone, 7, 1.5);
  const Sampler sampler{.environment = &tree, .policy = &table.policy(), .reward = &reward};
  const StateGraph graph = StateGraph::Build(tree, Unconditional()).value();
  const at::Tensor actions_XT = graph.OneTrajectoryEach(tree).value().actions_BT;
  const double truth = ExactMutualInformation(ExactLogTerminating(tree, table.policy(), Unconditional()), actions_XT.select(1, 0),
                                              actions_XT.select(1, 1));
  ASSERT_GT(truth, 0.05);
  const auto samples = SampleFrom(sampler, {}, {.num_samples = 4000});
  ASSERT_TRUE(samples.ok());
  std::vector<int64_t> a, b;
  for (int64_t i = 0; i < 4000; ++i) {
    a.push_back(samples->batch.actions_BT[i][0].item<int64_t>());
    b.push_back(samples->batch.actions_BT[i][1].item<int64_t>());
  }
  ExpectCovers(EstimateMutualInformation(a, b), truth, 0.08, "mutual information");
}

// Of 200 intervals of 95 % for independent parts about 10 miss 0; the first-order variance alone would let most of them miss.
TEST(MutualInformation, IntervalsOfIndependentPartsCoverZero) {
  int missed = 0;
  for (uint64_t stream = 0; stream < 200; ++stream) {
    std::vector<int64_t> a, b;
    for (uint64_t i = 0; i < 300; ++i) {
      a.push_back(UniformInt({11, RngPurpose::kTest, 0}, stream, 2 * i, 3));
      b.push_back(UniformInt({11, RngPurpose::kTest, 0}, stream, 2 * i + 1, 4));
    }
    const Interval interval = EstimateMutualInformation(a, b);
    missed += interval.low > 0 || interval.high < 0;
  }
  EXPECT_LE(missed, 20);
}

TEST(MutualInformation, OfObjectAndCondition) {
  const std::vector<ConditionId> ids = {HashCondition("a"), HashCondition("b"), HashCondition("c")};
  const PrefixTree tree({.num_symbols = 2, .max_length = 3});
  const PrefixTreeReward reward(tree, 3, 1);
  const RandomTable table(tree, ids, 8, 1.5);
  const Sampler sampler{.environment = &tree, .policy = &table.policy(), .reward = &reward};
  at::Tensor mixture_X;
  double conditional = 0;
  for (const ConditionId id : ids) {
    const at::Tensor q_X = ExactLogTerminating(tree, table.policy(), id).exp() / 3;
    mixture_X = mixture_X.defined() ? mixture_X + q_X : q_X;
    conditional += ExactEntropy(q_X.log()) / 3;
  }
  const double truth = ExactEntropy(mixture_X.log()) - conditional;
  const auto estimate = EstimateConditionInformation(sampler, ids, {.num_samples = 1500});
  ASSERT_TRUE(estimate.ok()) << Message(estimate.status());
  ExpectCovers(*estimate, truth, 0.1, "information");
  const Hypergrid grid({.dimensions = 2, .side = 3});
  Sampler on_dag = sampler;
  on_dag.environment = &grid;
  EXPECT_FALSE(EstimateConditionInformation(on_dag, ids, {.num_samples = 2}).ok());
}

}  // namespace
}  // namespace gfn
