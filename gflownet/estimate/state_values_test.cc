// Flows, free energies and bounds of log Z of every state against sums over all trajectories; worlds that begin in any state.
#include "gflownet/estimate/state_values.h"

#include <gtest/gtest.h>

#include "gflownet/core/backward_rollout.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/estimate/estimate_test_worlds.h"
#include "gflownet/estimate/rooted_world.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

class OnGrid : public testing::Test {
 protected:
  Hypergrid grid_{{.dimensions = 2, .side = 4}};
  HypergridReward reward_{grid_, {.r0 = 0.1, .r1 = 0.5, .r2 = 2}};
  RandomTable table_{grid_, kNone, 1};
  Sampler sampler_{.environment = &grid_, .policy = &table_.policy(), .reward = &reward_};
  Walked walked_ = Walked::Of(grid_, sampler_);
  at::Tensor log_flow_ =
      ExactLogFlow(walked_.graph, ExactLogPb(grid_, table_.policy(), walked_.graph, Unconditional()), walked_.log_reward_X);
  // The cell (1, 1), reached in two ways, with more parents above it than below the root (1, 0).
  static constexpr int64_t kState = 5;
};

TEST_F(OnGrid, FlowIsTheSumOverTrajectoriesThroughAState) {
  const at::Tensor mass_B = (walked_.all.log_reward_B + walked_.log_pb_B).exp();
  at::Tensor flow_N = at::zeros({grid_.NumStates()}, at::kDouble);
  for (const State& state : Unroll(grid_, walked_.all)) {
    const at::Tensor live_M = state.done_B().logical_not().nonzero().squeeze(1);
    if (live_M.numel() > 0) flow_N.index_add_(0, grid_.StateIndex(state).index_select(0, live_M), mass_B.index_select(0, live_M));
  }
  ExpectClose(log_flow_.slice(0, 0, grid_.NumStates()).exp(), flow_N, {1e-12}, "flow");
  EXPECT_NEAR(log_flow_[0].item<double>(), walked_.log_reward_X.logsumexp(0).item<double>(), 1e-12);
}

TEST_F(OnGrid, FreeEnergySumsWhatCanBeReached) {
  const at::Tensor cells = at::arange(16, at::kLong), r_X = walked_.log_reward_X.exp();
  for (int64_t s = 0; s < 16; ++s) {
    const at::Tensor below_X = cells.div(4, "floor").ge(s / 4).logical_and(cells.remainder(4).ge(s % 4));
    EXPECT_NEAR(ExactLogSumBelow(walked_.graph, s, walked_.log_reward_X), (r_X * below_X).sum().log().item<double>(), 1e-12) << s;
    EXPECT_GE(ExactLogSumBelow(walked_.graph, s, walked_.log_reward_X), log_flow_[s].item<double>() - 1e-12) << s;
  }
  // The two are different numbers in a DAG, and the same at the root.
  EXPECT_GT(ExactLogSumBelow(walked_.graph, kState, walked_.log_reward_X), log_flow_[kState].item<double>() + 0.1);
  EXPECT_NEAR(ExactLogSumBelow(walked_.graph, 0, walked_.log_reward_X), log_flow_[0].item<double>(), 1e-12);
}

TEST_F(OnGrid, EstimatesOfAnyState) {
  const EstimateOptions options{.num_samples = 3000, .rows_at_a_time = 2000};
  for (const int64_t s : {int64_t{0}, kState, int64_t{11}}) {
    const std::vector<int64_t> path = PathTo(walked_.graph, s);
    const auto flow = EstimateLogFlow(sampler_, path, options);
    ASSERT_TRUE(flow.ok()) << Message(flow.status());
    ExpectCovers(flow->log_z, log_flow_[s].item<double>(), 0.25, "log flow");
    const auto below = EstimateLogSumBelow(sampler_, path, BelowState(grid_, ReachedFrom(walked_.graph, s)), options);
    ASSERT_TRUE(below.ok()) << Message(below.status());
    ExpectCovers(below->log_z, ExactLogSumBelow(walked_.graph, s, walked_.log_reward_X), 0.25, "minus free energy");
    for (const LogZEstimate& estimate : {*flow, *below}) {
      EXPECT_LE(estimate.elbo.mean, estimate.log_z.mean);
      EXPECT_LE(estimate.log_z.mean, estimate.snis.mean);
      EXPECT_LE(estimate.ess, 3000 * (1 + 1e-12));
    }
  }
}

TEST_F(OnGrid, BoundsOfLogZAreTheExactOnes) {
  const double log_z = walked_.log_reward_X.logsumexp(0).item<double>();
  const at::Tensor log_w_B = walked_.all.log_reward_B + walked_.log_pb_B - walked_.log_pf_B;
  const double elbo = (walked_.log_pf_B.exp() * log_w_B).sum().item<double>();
  const double eubo = ((walked_.all.log_reward_B + walked_.log_pb_B - log_z).exp() * log_w_B).sum().item<double>();
  const auto estimate = EstimateLogFlow(sampler_, {}, {.num_samples = 4000});
  ASSERT_TRUE(estimate.ok());
  ExpectCovers(estimate->elbo, elbo, 0.15, "elbo");
  ExpectCovers(estimate->snis, eubo, 0.35, "self-normalised mean from the sampler's samples");

  // From exact samples of the target, walked back by P_B.
  const at::Tensor cumulative_X = (walked_.log_reward_X - log_z).exp().cumsum(0).contiguous();
  std::vector<int64_t> objects;
  std::vector<uint64_t> streams;
  for (uint64_t i = 0; i < 4000; ++i) {
    const double* begin = cumulative_X.const_data_ptr<double>();
    const double u = Uniform({5, RngPurpose::kTest, 0}, i, 0);
    objects.push_back(std::min<int64_t>(std::upper_bound(begin, begin + 16, u) - begin, 15));
    streams.push_back(i);
  }
  const State x = grid_.ObjectsAt(at::tensor(objects, at::kLong), Unconditional());
  auto target = BackwardRollout(grid_, table_.policy(), x, Repeat(Unconditional(), 4000), streams, {5, RngPurpose::kBackward, 0});
  ASSERT_TRUE(target.ok()) << Message(target.status());
  ASSERT_TRUE(EvaluateReward(reward_, *target).ok());
  const Interval upper = UpperBoundFromTarget(sampler_, *target);
  ExpectCovers(upper, eubo, 0.15, "eubo from the target's samples");
  EXPECT_GT(upper.low, log_z);
}

TEST_F(OnGrid, WrongPathsAreRefused) {
  const auto refused = [&](const std::vector<int64_t>& path) {
    return Message(SampleFrom(sampler_, path, {.num_samples = 2}).status());
  };
  EXPECT_NE(refused({7}).find("action 7 at place 0 of the path is not one of 0 .. 2"), std::string::npos) << refused({7});
  EXPECT_NE(refused({0, 0, 0, 0}).find("place 3 of the path is not legal in (3, 0)"), std::string::npos) << refused({0, 0, 0, 0});
  EXPECT_NE(refused({0, 2}).find("finishes the object"), std::string::npos) << refused({0, 2});
}

TEST(OnTree, BothQuantitiesAgree) {
  const PrefixTree tree({.num_symbols = 3, .min_length = 1, .max_length = 3});
  const PrefixTreeReward reward(tree, 3, 1);
  const RandomTable table(tree, kNone, 2);
  const Sampler sampler{.environment = &tree, .policy = &table.policy(), .reward = &reward, .temperature = 0.8};
  const StateGraph graph = StateGraph::Build(tree, Unconditional()).value();
  const at::Tensor log_r_X = reward.LogRewardOfObjects(Unconditional()) / 0.8;
  const at::Tensor log_flow = ExactLogFlow(graph, ExactLogPb(tree, table.policy(), graph, Unconditional()), log_r_X);
  for (int64_t s = 0; s < tree.NumStates(); ++s)
    EXPECT_NEAR(log_flow[s].item<double>(), ExactLogSumBelow(graph, s, log_r_X), 1e-12);
  const auto below = EstimateLogSumBelow(sampler, PathTo(graph, 2), {}, {.num_samples = 3000});
  ASSERT_TRUE(below.ok()) << Message(below.status());
  ExpectCovers(below->log_z, log_flow[2].item<double>(), 0.45, "sum below");
}

TEST(RootedWorld, PassesTheSuiteOfEveryWorld) {
  const std::vector<ConditionId> roots = {HashCondition("start"), HashCondition("middle")};
  const Hypergrid grid({.dimensions = 2, .side = 4});
  const auto rooted = RootedWorld::Create(grid, Unconditional(), {{roots[0], 0}, {roots[1], 5}});
  ASSERT_TRUE(rooted.ok()) << Message(rooted.status());
  CheckEnvironment(**rooted, roots);
  const PrefixTree tree({.num_symbols = 2, .max_length = 3});
  const auto subtree = RootedWorld::Create(tree, Unconditional(), {{roots[0], 0}, {roots[1], 2}});
  ASSERT_TRUE(subtree.ok()) << Message(subtree.status());
  CheckEnvironment(**subtree, roots);
  const auto refused = RootedWorld::Create(grid, Unconditional(), {{roots[0], 16}});
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(Message(refused.status()).find("root 16 is not a state of hypergrid, which has 16"), std::string::npos);
}

TEST(RootedWorld, TrajectoriesBeginAtTheRoot) {
  const ConditionId id = HashCondition("middle");
  const Hypergrid grid({.dimensions = 2, .side = 4});
  const auto rooted = RootedWorld::Create(grid, Unconditional(), {{id, 5}});
  ASSERT_TRUE(rooted.ok());
  const RandomTable table(**rooted, {id}, 3);
  const at::Tensor log_q_X = ExactLogTerminating(**rooted, table.policy(), id);
  EXPECT_NEAR(log_q_X.exp().sum().item<double>(), 1, 1e-12);
  const at::Tensor reached_X = (*rooted)->Reached(id).slice(0, grid.NumStates());
  EXPECT_EQ(reached_X.sum().item<int64_t>(), 9);
  EXPECT_TRUE(log_q_X.isfinite().equal(reached_X));
}

}  // namespace
}  // namespace gfn
