// What wraps a policy hides nothing of it, and the guard that listens to sessions hears whole rollouts too.
#include <gtest/gtest.h>

#include "gflownet/core/backward_policies.h"
#include "gflownet/core/checked_policy.h"
#include "gflownet/core/log_z.h"
#include "gflownet/core/log_z_network.h"
#include "gflownet/core/rollout.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/env/state_policies.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

class Decorators : public testing::Test {
 protected:
  // Parameters of one more decorator.
  ParameterSet& NewParameters() { return *sets_.emplace_back(std::make_unique<ParameterSet>()); }

  const PrefixTree tree_{{.num_symbols = 3, .num_stops = 1, .min_length = 1, .max_length = 3}};
  ConditionTable conditions_;
  std::vector<ConditionId> ids_ = {conditions_.Insert("a").value(), conditions_.Insert("b").value()};
  std::vector<std::unique_ptr<ParameterSet>> sets_;
  TabularPolicy table_{tree_, ids_, NewParameters(), {.flow = true}};
};

TEST_F(Decorators, LearnedLogZ) {
  CheckDecorator(
      tree_, table_,
      [this](const Policy& policy) { return std::make_unique<LogZPolicy>(policy, conditions_, NewParameters(), at::Tensor()); },
      ids_);
}

TEST_F(Decorators, LogZOfANetwork) {
  const ConditionFeatures features = [](const std::vector<ConditionId>& conditions) {
    return at::ones({static_cast<int64_t>(conditions.size()), 3}, at::kFloat);
  };
  CheckDecorator(
      tree_, table_,
      [&](const Policy& policy) {
        return std::make_unique<LogZNetworkPolicy>(policy, features, 3, NewParameters(), LogZNetworkOptions{8, 1},
                                                   RngKey{1, RngPurpose::kInit, 0});
      },
      ids_);
}

TEST_F(Decorators, CheckedPolicy) {
  CheckDecorator(
      tree_, table_, [this](const Policy& policy) { return std::make_unique<CheckedPolicy>(policy, tree_); }, ids_);
}

// The guard reads what a session that samples in one go said, and compares as many rows as step by step.
TEST(WholeRollouts, AreWatched) {
  const Hypergrid grid({.dimensions = 2, .side = 4});
  ParameterSet parameters;
  const FastWorld* world = FastFace(grid);
  const MlpPolicy fast(grid, StateFeatures(*world), world->NumRowFeatures(), parameters, {.heads = {}, .width = 16, .depth = 1},
                       {3, RngPurpose::kInit, 0});
  ASSERT_NE(fast.fast(), nullptr);
  const CheckedPolicy checked(fast, grid, {.rows = 5});
  const std::vector<RolloutRow> rows = RolloutRows({Unconditional()}, 20);
  const RngKey key{1, RngPurpose::kTest, 0};
  ASSERT_TRUE(checked.StartRollout({Unconditional()})->SampleWhole({rows[0]}, key).has_value());
  (void)checked.TakeDrift();
  const TrajectoryBatch batch = Rollout(grid, checked, rows, key).value();
  (void)checked.Score(batch, {.needs = Need::kLogPf, .with_grad = false});
  const CheckedPolicy::Drift drift = checked.TakeDrift();
  EXPECT_EQ(drift.num_sampled, 5);
  EXPECT_EQ(drift.num_compared, 5);
  EXPECT_LT(drift.value, 1e-5);
  EXPECT_LT(drift.scored, -0.1) << "the worst row was compared in full";

  // A scorer of other parameters is found.
  (void)Rollout(grid, checked, rows, key).value();
  {
    const at::NoGradGuard no_grad;
    parameters.Get("forward.bias").add_(at::tensor({0.0, 0.5, 1.0}, at::kFloat));
  }
  (void)checked.Score(batch, {.needs = Need::kLogPf, .with_grad = false});
  EXPECT_GT(checked.TakeDrift().value, 0.01);
}

// Policies that decide P_B themselves take whole rollouts from the policy that they wrap.
TEST(WholeRollouts, ArePassedOnByBackwardPolicies) {
  const Hypergrid grid({.dimensions = 2, .side = 4});
  ParameterSet parameters;
  const FastWorld* world = FastFace(grid);
  const MlpPolicy fast(grid, StateFeatures(*world), world->NumRowFeatures(), parameters, {.heads = {}, .width = 16, .depth = 1},
                       {3, RngPurpose::kInit, 0});
  const EdgeFlowPolicy edges(fast);
  const MaxEntropyBackwardPolicy entropy(fast, grid, Unconditional());
  const std::vector<RolloutRow> rows = RolloutRows({Unconditional()}, 3);
  const std::vector<ConditionId> conditions(3, Unconditional());
  for (const Policy* policy : std::vector<const Policy*>{&edges, &entropy}) {
    EXPECT_TRUE(policy->StartRollout(conditions)->SampleWhole(rows, {1, RngPurpose::kTest, 0}).has_value());
    CheckPolicy(grid, *policy, {Unconditional()}, {.tolerance = {1e-4}});
  }
}

}  // namespace
}  // namespace gfn
