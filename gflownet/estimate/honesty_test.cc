// What is said of samplers that are wrong: collapsed to an object, blind to a part of the target, not trained at all; and that
// nothing is said of one that is right. Each against the exact values of its world, with them and without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/env/hypergrid.h"
#include "gflownet/env/ising.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/estimate/entropy.h"
#include "gflownet/estimate/estimate_test_worlds.h"
#include "gflownet/estimate/exact_values.h"
#include "gflownet/estimate/quantities.h"

namespace gfn {
namespace {

using testing::AnyOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Forward logits by a rule; P_B is uniform.
class RulePolicy : public StatePolicy {
 public:
  using Rule = std::function<at::Tensor(const State&)>;
  RulePolicy(const Environment& environment, Rule rule) : StatePolicy(environment), rule_(std::move(rule)) {}
  StateValues Evaluate(const State& state) const override { return {rule_(state), {}, {}}; }
  bool HasFlow() const override { return false; }
  bool HasLearnedBackward() const override { return false; }

 private:
  Rule rule_;
};

RulePolicy Untrained(const Environment& world) {
  return {world, [&world](const State& state) { return at::zeros({state.batch_size(), world.Spec().num_actions}, at::kDouble); }};
}
// The legal action with the largest number takes nearly all.
RulePolicy Collapsed(const Environment& world, double strength) {
  return {world, [&world, strength](const State& state) {
            return (strength * at::arange(world.Spec().num_actions, at::kDouble)).expand({state.batch_size(), -1});
          }};
}
// The first action is never the one (or nearly so), the others are the target's: flows of a listed world.
RulePolicy Ideal(const EnumerableEnvironment& world, const Reward& reward, double first_action_0) {
  const StateGraph graph = StateGraph::Build(world, Unconditional()).value();
  const at::Tensor log_r_X = ExactLogReward(world, graph, reward, Unconditional()).value();
  const RulePolicy any = Untrained(world);
  const at::Tensor log_pb_E = ExactLogPb(world, any, graph, Unconditional());
  const at::Tensor log_flow = ExactLogFlow(graph, log_pb_E, log_r_X);
  const at::Tensor logits_NA = at::full({world.NumStates(), world.Spec().num_actions}, -100, at::kDouble);
  logits_NA.index_put_({graph.parent_E(), graph.action_E()}, log_flow.index_select(0, graph.child_E()) + log_pb_E);
  logits_NA[0][0] += first_action_0;
  return {world, [&world, logits_NA](const State& state) { return logits_NA.index_select(0, world.StateIndex(state)); }};
}

const Quantity& Named(const std::vector<Quantity>& quantities, const std::string& name) {
  for (const Quantity& quantity : quantities) {
    if (quantity.name == name) return quantity;
  }
  ADD_FAILURE() << "no " << name;
  return quantities.front();
}

std::vector<Quantity> All(const std::vector<Estimand>& what, const Sampler& sampler, const EstimandRequest& request) {
  auto found = Estimate(what, sampler, request);
  EXPECT_TRUE(found.ok()) << Message(found.status());
  return found.ok() ? *found : std::vector<Quantity>();
}

class OnGrid10 : public testing::Test {
 protected:
  Hypergrid grid_{{.dimensions = 2, .side = 10}};
  HypergridReward reward_{grid_, {.r0 = 0.01}};
  Sampler Of(const Policy& policy) const { return {.environment = &grid_, .policy = &policy, .reward = &reward_}; }
  static EstimandRequest Request(int64_t max_states) {
    return {.path = {0}, .max_states = max_states, .options = {.num_samples = 1000}};
  }
  static constexpr int64_t kListed = 1 << 18, kUnlisted = 3;
  const std::vector<Estimand> what_ = {Estimand::kLogZ, Estimand::kFlow, Estimand::kFreeEnergy, Estimand::kMarginal};
};

TEST_F(OnGrid10, ARightSamplerIsLeftAlone) {
  const RulePolicy policy = Ideal(grid_, reward_, 0);
  for (const int64_t max_states : {kListed, kUnlisted}) {
    for (const Quantity& quantity : All({Estimand::kLogZ, Estimand::kFlow}, Of(policy), Request(max_states))) {
      EXPECT_THAT(quantity.warnings, IsEmpty()) << quantity.name << ", states listed: " << max_states;
      EXPECT_FALSE(quantity.misses_exact) << quantity.name;
    }
  }
  // Its steps are the target's for its own P_B, so the weights below (1, 0) vary: many samples are needed for these.
  EstimandRequest many = Request(kListed);
  many.options.num_samples = 20000;
  for (const Quantity& quantity : All({Estimand::kMarginal}, Of(policy), many)) {
    EXPECT_FALSE(quantity.misses_exact) << quantity.name << " " << quantity.estimate.low << " .. " << quantity.estimate.high
                                        << " against " << *quantity.exact << ", ESS " << quantity.ess.value_or(0);
  }
  for (const Quantity& quantity : All({Estimand::kEntropy}, Of(policy), Request(kListed)))
    EXPECT_FALSE(quantity.misses_exact) << quantity.name << " " << quantity.estimate.mean << " against " << *quantity.exact;
}

TEST_F(OnGrid10, ACollapsedSamplerMissesWhatIsExact) {
  const RulePolicy policy = Collapsed(grid_, 40);  // stops at once
  const auto found = All(what_, Of(policy), Request(kListed));
  const Quantity& log_z = Named(found, "log_z");
  EXPECT_TRUE(log_z.misses_exact);
  EXPECT_EQ(log_z.distinct, 1);
  EXPECT_FALSE(std::isfinite(log_z.estimate.low)) << "one object is no interval";
  EXPECT_FALSE(log_z.ess.has_value());
  EXPECT_THAT(log_z.warnings, Contains(HasSubstr("misses the exact value by")));
  EXPECT_THAT(log_z.warnings, Contains(HasSubstr("1000 samples are 1 distinct object")));
  EXPECT_TRUE(Named(found, "log_flow").misses_exact);
  EXPECT_TRUE(Named(found, "free_energy").misses_exact);
  // The exact values are those of the target.
  const at::Tensor log_r_X = reward_.LogRewardOf(grid_.ObjectsAt(at::arange(100, at::kLong), Unconditional()));
  EXPECT_NEAR(*log_z.exact, log_r_X.logsumexp(0).item<double>(), 1e-10);
}

TEST_F(OnGrid10, ProbabilitiesStayProbabilities) {
  // A sampler that stops at once at the origin draws cells below (1, 0) by force alone: its ratio of sums is far above 1.
  const RulePolicy policy{grid_, [this](const State& state) {
                            const at::Tensor at_origin_B = Hypergrid::Position(state).eq(0).all(1);
                            at::Tensor logits = at::zeros({state.batch_size(), 3}, at::kDouble);
                            logits.select(1, 2).add_(20 * at_origin_B.to(at::kDouble));
                            return logits;
                          }};
  for (const int64_t max_states : {kListed, kUnlisted}) {
    const auto found = All({Estimand::kMarginal}, Of(policy), Request(max_states));
    const Quantity& by_flow = Named(found, "marginal_by_flow");
    EXPECT_EQ(by_flow.estimate.mean, 1);
    EXPECT_EQ(by_flow.estimate.low, 0);
    EXPECT_EQ(by_flow.estimate.high, 1);
    EXPECT_THAT(by_flow.warnings, Contains(AllOf(HasSubstr("came out as"), HasSubstr("does not cover the set"))));
    for (const Quantity& quantity : found) {
      EXPECT_GE(quantity.estimate.low, 0) << quantity.name;
      EXPECT_LE(quantity.estimate.high, 1) << quantity.name;
      EXPECT_FALSE(quantity.warnings.empty()) << quantity.name << " of a sampler that has seen nothing of the set";
    }
    // A share of 0 of 500 is not certain.
    EXPECT_EQ(Named(found, "marginal_counted").estimate.mean, 0);
    EXPECT_GT(Named(found, "marginal_counted").estimate.high, 0.005);
  }
}

TEST_F(OnGrid10, WithoutExactValuesObjectsFoundElsewhereSpeak) {
  const RulePolicy collapsed = Collapsed(grid_, 40), blind = Ideal(grid_, reward_, -60), untrained = Untrained(grid_);
  const at::Tensor log_r_X = reward_.LogRewardOf(grid_.ObjectsAt(at::arange(100, at::kLong), Unconditional()));
  const double log_z = log_r_X.logsumexp(0).item<double>();
  for (const RulePolicy* policy : {&collapsed, &blind}) {
    const auto found = All({Estimand::kLogZ, Estimand::kEntropy}, Of(*policy), {.max_states = kUnlisted});
    const Quantity& estimate = Named(found, "log_z");
    EXPECT_FALSE(estimate.exact.has_value());
    EXPECT_LT(estimate.estimate.mean, log_z - 0.3);
    EXPECT_THAT(estimate.warnings, Contains(HasSubstr("the sampler does not draw them")));
    EXPECT_THAT(estimate.warnings, Contains(HasSubstr("forward and backward disagree")));
    EXPECT_GT(Named(found, "log_z_reverse").estimate.mean, log_z) << "above log Z where the forward estimate is below";
    EXPECT_THAT(Named(found, "entropy_lower").warnings, Contains(HasSubstr("is of the sampler, which does not cover")));
  }
  // Badly trained, but without a hole: the estimate is right, and so it stands.
  const Quantity fair = Named(All({Estimand::kLogZ}, Of(untrained), {.max_states = kUnlisted}), "log_z");
  EXPECT_THAT(fair.warnings, Not(Contains(HasSubstr("does not draw them"))));
}

// Every quantity of the sampler says so where its target's is another one.
TEST(Honesty, QuantitiesOfTheSamplerAreToldFromThoseOfTheTarget) {
  const PrefixTree tree({.num_symbols = 3, .min_length = 1, .max_length = 3});
  const PrefixTreeReward reward(tree, 3, 1);
  const RulePolicy collapsed = Collapsed(tree, 40), blind = Ideal(tree, reward, -60), right = Ideal(tree, reward, 0);
  const std::vector<Estimand> what = {Estimand::kEntropy, Estimand::kMutualInformation};
  for (const RulePolicy* policy : {&collapsed, &blind}) {
    const Sampler sampler{.environment = &tree, .policy = policy, .reward = &reward};
    for (const Quantity& quantity : All(what, sampler, {.options = {.num_samples = 1000}})) {
      ASSERT_TRUE(quantity.exact && quantity.of_target) << quantity.name;
      EXPECT_GT(std::abs(*quantity.exact - *quantity.of_target), 1e-3);
      EXPECT_THAT(quantity.warnings, Contains(HasSubstr("is of the sampler; of its target it is exactly"))) << quantity.name;
    }
    for (const Quantity& quantity : All(what, sampler, {.max_states = 3, .options = {.num_samples = 1000}})) {
      EXPECT_THAT(quantity.warnings, Contains(HasSubstr("is of the sampler, which does not cover"))) << quantity.name;
    }
  }
  const Sampler sampler{.environment = &tree, .policy = &right, .reward = &reward};
  for (const int64_t max_states : {1 << 18, 3}) {
    for (const Quantity& quantity : All(what, sampler, {.max_states = max_states, .options = {.num_samples = 4000}}))
      EXPECT_THAT(quantity.warnings, IsEmpty()) << quantity.name;
  }
}

// H(X | s) by dynamic programming from the state on, against sums over trajectories.
TEST(Honesty, EntropyAfterAStateIsExact) {
  const Hypergrid grid({.dimensions = 2, .side = 4});
  const HypergridReward reward(grid, {});
  const RandomTable table(grid, kNone, 6);
  const Sampler sampler{.environment = &grid, .policy = &table.policy(), .reward = &reward};
  const Walked walked = Walked::Of(grid, sampler);
  const at::Tensor begins_B =
      walked.all.actions_BT.select(1, 0).eq(1).logical_and(walked.all.lengths_B.gt(1)).nonzero().squeeze(1);
  const TrajectoryBatch batch = walked.all.Gather(begins_B);
  const at::Tensor q_X =
      at::zeros({16}, at::kDouble)
          .index_add(0, walked.object_B.index_select(0, begins_B), SumsAfter(sampler, batch, 1).log_pf_B.exp());
  ASSERT_NEAR(q_X.sum().item<double>(), 1, 1e-12);
  const auto found = All({Estimand::kEntropy}, sampler, {.path = {1}, .options = {.num_samples = 200}});
  for (const Quantity& quantity : found) {
    ASSERT_TRUE(quantity.exact.has_value());
    EXPECT_NEAR(*quantity.exact, ExactEntropy(q_X.log()), 1e-10);
    EXPECT_FALSE(quantity.misses_exact);
  }
}

// Three roads to what is exact of one world: its states, its objects, the transfer matrix. They agree.
TEST(Honesty, ExactValuesOfIsingByStatesObjectsAndTransferMatrix) {
  const Ising world({.side = 3});
  const IsingReward reward(world, {.beta = 0.3, .coupling_spread = 0.5, .field = 0.2});
  const RulePolicy policy = Untrained(world);
  const Sampler sampler{.environment = &world, .policy = &policy, .reward = &reward, .temperature = 1.3};
  const std::vector<int64_t> path = {1, 2 * 4};
  const auto by_states = ExactValues::Find(sampler, path, 1 << 18), by_objects = ExactValues::Find(sampler, path, 600),
             by_matrix = ExactValues::Find(sampler, path, 3);
  ASSERT_TRUE(by_states.ok() && by_objects.ok() && by_matrix.ok());
  EXPECT_TRUE(by_states->graph().has_value());
  EXPECT_TRUE(!by_objects->graph() && by_objects->log_reward_X());
  EXPECT_FALSE(by_matrix->log_reward_X().has_value());
  EXPECT_EQ(by_states->NumBelow(), 128);
  for (const ExactValues* values : {&*by_objects, &*by_matrix}) {
    EXPECT_NEAR(*values->LogZ(), *by_states->LogZ(), 1e-9);
    EXPECT_NEAR(*values->LogSumBelow(), *by_states->LogSumBelow(), 1e-9);
    EXPECT_NEAR(*values->EntropyBelow(), *by_states->EntropyBelow(), 1e-5);
  }
  // The world that cannot be listed has its marginals, its target's entropy, and estimates that meet them.
  const Ising large({.side = 5});
  const IsingReward warm(large, {.beta = 0.05, .field = 0.1});
  const RulePolicy any = Untrained(large);
  const Sampler unlisted{.environment = &large, .policy = &any, .reward = &warm};
  const auto found = All({Estimand::kLogZ, Estimand::kMarginal}, unlisted, {.path = path, .options = {.num_samples = 2000}});
  EXPECT_FALSE(Named(found, "log_z").misses_exact);
  for (const char* name : {"marginal_weighted", "marginal_by_flow"}) {
    ASSERT_TRUE(Named(found, name).exact.has_value()) << name;
    EXPECT_NEAR(Named(found, name).estimate.mean, *Named(found, name).exact, 0.1) << name;
  }
  EXPECT_TRUE(Named(All({Estimand::kEntropy}, unlisted, {.num_backward = 1, .options = {.num_samples = 50}}), "entropy_lower")
                  .of_target.has_value());
}

// A collapsed sampler of a lattice that has no exact method either.
TEST(Honesty, ALatticeWithoutAnyExactMethod) {
  const Ising world({.side = 12, .order = AssignmentOrder::kLeftToRight});
  const IsingReward reward(world, {.beta = 0.2});
  const RulePolicy collapsed = Collapsed(world, 5), untrained = Untrained(world);
  const auto log_z_of = [&](const Policy& policy) {
    const Sampler sampler{.environment = &world, .policy = &policy, .reward = &reward};
    return Named(
        All({Estimand::kLogZ}, sampler, {.coverage = {.num_chains = 32, .num_moves = 4}, .options = {.num_samples = 200}}),
        "log_z");
  };
  const Quantity of_collapsed = log_z_of(collapsed);
  EXPECT_FALSE(of_collapsed.exact.has_value());
  EXPECT_THAT(of_collapsed.warnings, Contains(HasSubstr("forward and backward disagree")));
  EXPECT_THAT(log_z_of(untrained).warnings,
              Contains(AnyOf(HasSubstr("forward and backward disagree"), HasSubstr("rests on few samples"))));
}

// Both totals of the target's entropy come from samplers that can be wrong.
TEST(Honesty, TargetEntropyOfCollapsedSamplers) {
  const Hypergrid grid({.dimensions = 2, .side = 6});
  const HypergridReward reward(grid, {});
  const EntropyReward entropy_reward(reward, 2);
  const RulePolicy collapsed = Collapsed(grid, 40);
  const Sampler sampler{.environment = &grid, .policy = &collapsed, .reward = &reward};
  EstimandRequest request{.second = Sampler{.environment = &grid, .policy = &collapsed, .reward = &entropy_reward}};
  const Quantity listed = All({Estimand::kTargetEntropy}, sampler, request)[0];
  EXPECT_TRUE(listed.misses_exact);
  EXPECT_GE(listed.estimate.mean, 0);
  EXPECT_LE(listed.estimate.mean, std::log(36.0) + 1e-12);
  request.max_states = 3;
  EXPECT_THAT(All({Estimand::kTargetEntropy}, sampler, request)[0].warnings, Contains(HasSubstr("of the total of the second")));
}

TEST(Honesty, InformationOfConditionsIsComparedWithTheTarget) {
  const std::vector<ConditionId> ids = {HashCondition("a"), HashCondition("b")};
  const PrefixTree tree({.num_symbols = 3, .min_length = 1, .max_length = 3});
  const PrefixTreeReward reward(tree, 3, 2);
  const RulePolicy collapsed = Collapsed(tree, 40);
  const Sampler sampler{.environment = &tree, .policy = &collapsed, .reward = &reward, .condition = ids[0]};
  const EstimandRequest request{.conditions = ids, .options = {.num_samples = 300}};
  const Quantity information = All({Estimand::kConditionInformation}, sampler, request)[0];
  EXPECT_NEAR(*information.exact, 0, 1e-6);
  EXPECT_GT(*information.of_target, 0.05);
  EXPECT_THAT(information.warnings, Contains(HasSubstr("of its target it is exactly")));
}

TEST(Honesty, AnIntervalOfFewSamplesIsNotBelieved) {
  Measured measured{
      .name = "log_z", .estimate = {.mean = 1, .low = 0.9, .high = 1.1, .num_values = 1000}, .exact = 1.15, .ess = 5};
  Quantity quantity = Judge(measured);
  EXPECT_TRUE(quantity.misses_exact);
  EXPECT_THAT(quantity.warnings, ElementsAre(HasSubstr("by chance about 1 interval in 20"), HasSubstr("worth 5 of 1000")));
  measured.exact = 1.09, measured.ess = 500, measured.distinct = 900;
  quantity = Judge(measured);
  EXPECT_FALSE(quantity.misses_exact);
  EXPECT_THAT(quantity.warnings, IsEmpty());
  // All objects that there are need no spread.
  measured = {.name = "log_z", .estimate = {1, 1, 1, 1000}, .distinct = 4, .num_objects = 4};
  EXPECT_THAT(Judge(measured).warnings, IsEmpty());
  measured.num_objects = 5;
  EXPECT_THAT(Judge(measured).warnings, ElementsAre(HasSubstr("4 distinct objects")));
}

}  // namespace
}  // namespace gfn
