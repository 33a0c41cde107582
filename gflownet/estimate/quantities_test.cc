// Every quantity by its name, with the exact value beside it, and refusals with their reason.
#include "gflownet/estimate/quantities.h"

#include <gtest/gtest.h>

#include "gflownet/core/log_z.h"
#include "gflownet/env/bayes_net.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/estimate/estimate_test_worlds.h"

namespace gfn {
namespace {

// Quantities that have an exact value are within four standard errors of it; `num` of them have one.
void ExpectExact(Estimand what, const Sampler& sampler, const EstimandRequest& request, int num) {
  SCOPED_TRACE(EnumName(what));
  const auto found = Estimate(what, sampler, request);
  ASSERT_TRUE(found.ok()) << Message(found.status());
  for (const Quantity& quantity : *found) {
    // Bounds of an entropy hold in expectation and are not the entropy.
    if (!quantity.exact.has_value() || quantity.name.starts_with("entropy_")) continue;
    ExpectCovers(quantity.estimate, *quantity.exact, 0.3, quantity.name.c_str());
    --num;
  }
  EXPECT_EQ(num, 0);
}

TEST(Quantities, OnADag) {
  const Hypergrid grid({.dimensions = 2, .side = 4});
  const HypergridReward reward(grid, {.r0 = 0.3});
  const RandomTable table(grid, kNone, 1);
  const Sampler sampler{.environment = &grid, .policy = &table.policy(), .reward = &reward, .temperature = 0.9};
  EstimandRequest request{.path = {1, 0}, .conditions = kNone, .options = {.num_samples = 4000}};
  ExpectExact(Estimand::kLogZ, sampler, request, 1);
  ExpectExact(Estimand::kFlow, sampler, request, 1);
  ExpectExact(Estimand::kFreeEnergy, sampler, request, 1);
  ExpectExact(Estimand::kMarginal, sampler, request, 3);
  EXPECT_EQ(Estimate(Estimand::kEntropy, sampler, request)->size(), 2u);
  request.path.clear();
  const auto entropy = Estimate(Estimand::kEntropy, sampler, request);
  ASSERT_TRUE(entropy.ok()) << Message(entropy.status());
  EXPECT_NEAR((*entropy)[0].estimate.mean, *(*entropy)[0].exact, 0.15);
  EXPECT_NEAR((*entropy)[1].estimate.mean, *(*entropy)[1].exact, 0.15);
  for (const Estimand what : {Estimand::kMutualInformation, Estimand::kConditionInformation}) {
    const auto refused = Estimate(what, sampler, request);
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(Message(refused.status()).find("hypergrid is not a tree"), std::string::npos) << Message(refused.status());
  }
}

TEST(Quantities, OnATree) {
  const std::vector<ConditionId> ids = {HashCondition("a"), HashCondition("b")};
  const PrefixTree tree({.num_symbols = 3, .min_length = 1, .max_length = 3});
  const PrefixTreeReward reward(tree, 3, 0.7);
  const RandomTable table(tree, ids, 2, 0.7);
  const Sampler sampler{.environment = &tree, .policy = &table.policy(), .reward = &reward, .condition = ids[1]};
  EstimandRequest request{.path = {1}, .conditions = ids, .options = {.num_samples = 4000}};
  for (const Estimand what : {Estimand::kLogZ, Estimand::kFlow, Estimand::kFreeEnergy, Estimand::kConditionInformation}) {
    ExpectExact(what, sampler, request, 1);
  }
  ExpectExact(Estimand::kMarginal, sampler, request, 3);
  request.path.clear();
  ExpectExact(Estimand::kEntropy, sampler, request, 1);
  ExpectExact(Estimand::kMutualInformation, sampler, request, 1);
  request.places = {0, 9};
  EXPECT_NE(Message(Estimate(Estimand::kMutualInformation, sampler, request).status()).find("place 9 is not one of 0 .. 3"),
            std::string::npos);
}

// A learned log Z around the policy of states, as runs have it, hides nothing.
TEST(Quantities, OfADecoratedPolicy) {
  const Hypergrid grid({.dimensions = 2, .side = 4});
  const HypergridReward reward(grid, {.r0 = 0.3});
  const RandomTable table(grid, kNone, 1);
  ConditionTable conditions;
  ASSERT_TRUE(conditions.Insert("").ok());
  ParameterSet parameters;
  const LogZPolicy policy(table.policy(), conditions, parameters, at::Tensor());
  const Sampler sampler{.environment = &grid, .policy = &policy, .reward = &reward};
  const EstimandRequest request{.path = {1, 0}, .options = {.num_samples = 3000}};
  ExpectExact(Estimand::kFlow, sampler, request, 1);
  ExpectExact(Estimand::kMarginal, sampler, request, 3);
}

TEST(Quantities, BelowIsRefusedInADagThatIsNotListed) {
  const BayesNet world({.num_nodes = 3});  // no rule tells which graphs contain another one
  const BayesNetReward reward(world, BayesNetRewardConfig{});
  const RandomTable table(world, kNone, 1);
  const Sampler sampler{.environment = &world, .policy = &table.policy(), .reward = &reward};
  const EstimandRequest request{.path = {1}, .max_states = 3, .options = {.num_samples = 10}};
  for (const Estimand what : {Estimand::kFreeEnergy, Estimand::kEntropy, Estimand::kMarginal}) {
    const auto refused = Estimate(what, sampler, request);
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(Message(refused.status()).find("neither a tree nor small enough to list"), std::string::npos)
        << Message(refused.status());
  }
  EXPECT_FALSE((*Estimate(Estimand::kFlow, sampler, request))[0].exact.has_value());
  EstimandRequest too_few = request;
  too_few.options.num_samples = 1;
  EXPECT_FALSE(Estimate(Estimand::kLogZ, sampler, too_few).ok());
}

}  // namespace
}  // namespace gfn
