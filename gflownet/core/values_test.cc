// The small value types: conditions, states, supports, trajectories, and their files; behaviour and exploration.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "gflownet/base/config_reader.h"
#include "gflownet/core/behaviour.h"
#include "gflownet/core/condition.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/state.h"
#include "gflownet/core/support.h"
#include "gflownet/core/trajectory_io.h"

namespace gfn {
namespace {

at::Tensor Longs(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }
at::Tensor Bools(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong).to(at::kBool); }

TEST(Condition, IdsAreHashesOfContent) {
  ConditionTableOf<int> table;
  const ConditionId a = table.Insert("a", 10).value(), b = table.Insert("b", 20).value();
  EXPECT_NE(a, b);
  EXPECT_EQ(table.Insert("a", 30).value(), a);
  EXPECT_EQ(table.size(), 2);
  EXPECT_EQ(table.Get(a), 10) << "the first payload stays";
  EXPECT_EQ(table.Content(b), "b");
  EXPECT_EQ(ParseConditionId(a.ToString()).value(), a);
  EXPECT_FALSE(ParseConditionId("xyz").ok());
  EXPECT_DEATH(table.Index(HashCondition("c")), "not among the 2 conditions");
}

TEST(State, GatherWhereConcatenate) {
  State a(Bools({0, 1, 0}));
  a.Set("x", Longs({1, 2, 3, 4, 5, 6}).view({3, 2}));
  const State b = a.Gather(Longs({2, 0, 2}));
  EXPECT_TRUE(b.Get("x").equal(Longs({5, 6, 1, 2, 5, 6}).view({3, 2})));
  EXPECT_TRUE(b.done_B().equal(Bools({0, 0, 0})));
  EXPECT_TRUE(State::Where(Bools({1, 0, 1}), a, b).Get("x").equal(Longs({1, 2, 1, 2, 5, 6}).view({3, 2})));
  EXPECT_EQ(State::Concatenate({a, b}).batch_size(), 6);
  EXPECT_TRUE(State::Concatenate({a, b}).Gather(Longs({3, 4, 5})).Equals(b));
  EXPECT_FALSE(a.Equals(b));
  EXPECT_DEATH(a.Get("y"), "no tensor 'y'");
}

// Five actions of which 3 and 4 stop; action 1 is never legal.
Support TextSupport() {
  Support support;
  support.num_actions = 5;
  support.stops_S = Longs({3, 4});
  support.vocabulary_A = Bools({1, 0, 1, 0, 0});
  support.stop_legal_B = Bools({0, 1, 1, 1, 1});
  support.inner_legal_B = Bools({1, 1, 0, 1, 1});
  support.forced_B = Longs({-1, -1, -1, 2, -1});
  support.done_B = Bools({0, 0, 0, 0, 1});
  return support;
}

TEST(Support, FollowsTheRule) {
  const Support support = TextSupport();
  const at::Tensor expected = Bools({1, 0, 1, 0, 0,    // too short to stop
                                     1, 0, 1, 1, 1,    // free
                                     0, 0, 0, 1, 1,    // at the maximum length
                                     0, 0, 1, 0, 0,    // forced
                                     0, 0, 0, 0, 0});  // done
  EXPECT_TRUE(support.Dense().equal(expected.view({5, 5})));
  for (int64_t action = 0; action < 5; ++action) {
    EXPECT_TRUE(support.IsLegal(at::full({5}, action, at::kLong)).equal(expected.view({5, 5}).select(1, action)));
  }
  EXPECT_FALSE(support.IsLegal(at::full({5}, 5, at::kLong)).any().item<bool>());
  EXPECT_FALSE(support.IsLegal(at::full({5}, -1, at::kLong)).any().item<bool>());
}

TEST(Support, LogProbsRenormaliseAndForcedActionsAreCertain) {
  const Support support = TextSupport();
  const at::Tensor logits = at::arange(25, at::kDouble).view({5, 5}).sin().requires_grad_();
  const at::Tensor log_probs = support.LogProbs(logits);
  EXPECT_TRUE(log_probs.exp().sum(1).slice(0, 0, 4).allclose(at::ones({4}, at::kDouble)));
  EXPECT_EQ(log_probs[3][2].item<double>(), 0);
  EXPECT_TRUE(log_probs[4].isneginf().all().item<bool>());
  at::where(log_probs.isfinite(), log_probs, at::zeros_like(log_probs)).sum().backward();
  EXPECT_TRUE(logits.grad().isfinite().all().item<bool>());
  EXPECT_TRUE(logits.grad().masked_select(support.Dense().logical_not()).eq(0).all().item<bool>());
}

TrajectoryBatch TwoRows() {
  TrajectoryBatch batch;
  batch.condition_ids = {HashCondition("a"), HashCondition("b")};
  batch.actions_BT = Longs({1, 2, 9, 9, 0, 0}).view({2, 3});
  batch.lengths_B = Longs({3, 1});
  batch.stop_legal_BT = batch.StepMask();
  batch.log_reward_B = at::tensor(std::vector<double>{-1, -2});
  batch.reward_terms["part"] = at::tensor(std::vector<double>{-3, -4});
  return batch;
}

TEST(Trajectories, GatherConcatenateCheck) {
  const TrajectoryBatch batch = TwoRows();
  EXPECT_TRUE(batch.Check().ok());
  EXPECT_TRUE(batch.StepMask().equal(Bools({1, 1, 1, 1, 0, 0}).view({2, 3})));
  const TrajectoryBatch second = batch.Gather(std::vector<int64_t>{1});
  EXPECT_EQ(second.num_steps(), 1) << "cut to the longest row";
  const TrajectoryBatch both = Concatenate({second, TrajectoryBatch(), batch});
  EXPECT_EQ(both.size(), 3);
  EXPECT_EQ(both.num_steps(), 3);
  EXPECT_TRUE(both.Check().ok());
  EXPECT_EQ(both.reward_terms.at("part")[2].item<double>(), -4);
  TrajectoryBatch without = batch;
  without.log_reward_B = at::Tensor();
  EXPECT_FALSE(Concatenate({batch, without}).log_reward_B.defined());

  TrajectoryBatch wrong = batch;
  wrong.lengths_B = Longs({4, 1});
  EXPECT_NE(Message(wrong.Check()).find("lengths"), std::string::npos);
  wrong = batch;
  wrong.log_reward_B = at::zeros({3}, at::kDouble);
  EXPECT_NE(Message(wrong.Check()).find("log_reward"), std::string::npos);
}

TEST(Trajectories, FilesRoundTripAndRefuseStrangers) {
  const std::string path = (std::filesystem::temp_directory_path() / ("gfn_trajectories_" + std::to_string(getpid()))).string();
  const TrajectoryBatch batch = TwoRows();
  ASSERT_TRUE(WriteTrajectories(path, batch, {{"note", "x"}}).ok());
  const auto stored = ReadTrajectories(path);
  ASSERT_TRUE(stored.ok()) << Message(stored.status());
  EXPECT_EQ(stored->metadata.at("note"), "x");
  EXPECT_EQ(stored->batch.condition_ids, batch.condition_ids);
  EXPECT_TRUE(stored->batch.actions_BT.equal(batch.actions_BT));
  EXPECT_TRUE(stored->batch.stop_legal_BT.equal(batch.stop_legal_BT));
  EXPECT_TRUE(stored->batch.reward_terms.at("part").equal(batch.reward_terms.at("part")));

  TrajectoryBatch wrong = batch;
  wrong.lengths_B = Longs({300, 1});
  ASSERT_TRUE(WriteTrajectories(path, wrong, {}).ok());
  EXPECT_EQ(ReadTrajectories(path).status().code(), absl::StatusCode::kDataLoss);
  wrong = batch;
  wrong.log_reward_B = at::full({2}, NAN, at::kDouble);
  ASSERT_TRUE(WriteTrajectories(path, wrong, {}).ok());
  EXPECT_EQ(ReadTrajectories(path).status().code(), absl::StatusCode::kDataLoss);
  std::filesystem::remove(path);
}

class FixedReward : public PrefixReward {
 public:
  explicit FixedReward(double value, double term = 0) : value_(value), term_(term) {}
  StatusOr<RewardValueAlong> LogRewardAlong(const TrajectoryBatch& batch) const override {
    return RewardValueAlong{at::full(batch.actions_BT.sizes(), value_, at::kDouble),
                            {{"part", at::full({batch.size()}, term_, at::kDouble)}}};
  }
  std::string Digest() const override { return "fixed"; }

 private:
  double value_, term_;
};

TEST(Reward, ValuesThatAreNotFiniteAreRefusedByName) {
  for (const double value : {double{NAN}, double{INFINITY}, -double{INFINITY}}) {
    TrajectoryBatch batch = TwoRows();
    for (const bool along : {false, true}) {
      const Status status = EvaluateReward(FixedReward(value), batch, along);
      EXPECT_NE(Message(status).find("log R"), std::string::npos) << Message(status);
      EXPECT_NE(Message(status).find(batch.condition_ids[0].ToString()), std::string::npos) << Message(status);
    }
    EXPECT_NE(Message(EvaluateReward(FixedReward(0, value), batch)).find("term part"), std::string::npos);
  }
  TrajectoryBatch batch = TwoRows();
  EXPECT_TRUE(EvaluateReward(FixedReward(-1), batch, true).ok());
  EXPECT_EQ(batch.log_reward_along_BT[1][2].item<double>(), 0) << "padding is 0";
}

TEST(Behaviour, PlansFollowTheProbabilitiesAndTheKey) {
  BehaviourConfig config{.on_policy = 0.25, .tempered = 0.5, .replay = 0.25};
  config.exploration = {.temperature_min = 0.5, .temperature_max = 2};
  for (const bool per_rollout : {false, true}) {
    config.per_rollout = per_rollout;
    std::map<Behaviour, int> counts;
    for (uint64_t slot = 0; slot < 2000; ++slot) {
      const BehaviourPlan plan = PlanBehaviour(config, 4, {1, RngPurpose::kBehaviour, 0}, slot);
      const std::set<Behaviour> kinds(plan.behaviour.begin(), plan.behaviour.end());
      EXPECT_TRUE(per_rollout || kinds.size() == 1);
      for (int64_t n = 0; n < 4; ++n) {
        counts[plan.behaviour[n]]++;
        const double temperature = plan.exploration[n].temperature;
        EXPECT_TRUE(plan.behaviour[n] == Behaviour::kTempered || plan.exploration[n].IsOnPolicy());
        EXPECT_TRUE(temperature >= 0.5 && temperature <= 2);
      }
      EXPECT_EQ(plan.behaviour, PlanBehaviour(config, 4, {1, RngPurpose::kBehaviour, 0}, slot).behaviour);
    }
    EXPECT_NEAR(counts[Behaviour::kOnPolicy] / 8000.0, 0.25, 0.05);
    EXPECT_NEAR(counts[Behaviour::kTempered] / 8000.0, 0.5, 0.05);
  }
  EXPECT_FALSE(CheckConfig(BehaviourConfig{.on_policy = 0.9}, "behaviour").ok());
  EXPECT_FALSE(CheckConfig(ExplorationConfig{.temperature_min = 2, .temperature_max = 1}, "exploration").ok());
}

TEST(Behaviour, FiveSourcesShareTheRollouts) {
  const BehaviourConfig config{
      .on_policy = 0.1, .tempered = 0.2, .replay = 0.3, .backward = 0.3, .local_search = 0.1, .per_rollout = true};
  std::map<Behaviour, int> counts;
  for (uint64_t slot = 0; slot < 2000; ++slot) {
    for (const Behaviour behaviour : PlanBehaviour(config, 4, {1, RngPurpose::kBehaviour, 0}, slot).behaviour)
      counts[behaviour]++;
  }
  EXPECT_NEAR(counts[Behaviour::kReplay] / 8000.0, 0.3, 0.05);
  EXPECT_NEAR(counts[Behaviour::kBackward] / 8000.0, 0.3, 0.05);
  EXPECT_NEAR(counts[Behaviour::kLocalSearch] / 8000.0, 0.1, 0.05);
}

TEST(Behaviour, EpsilonFollowsItsSchedule) {
  const ExplorationConfig config{.epsilon = 0.5, .epsilon_end = 0.1, .epsilon_steps = 4};
  EXPECT_TRUE(CheckConfig(config, "exploration").ok());
  auto at_step = [&](uint64_t step) { return DrawExploration(config, {1, RngPurpose::kBehaviour, step}, 0, 0).epsilon; };
  EXPECT_DOUBLE_EQ(at_step(0), 0.5);
  EXPECT_DOUBLE_EQ(at_step(1), 0.4);
  EXPECT_DOUBLE_EQ(at_step(4), 0.1);
  EXPECT_DOUBLE_EQ(at_step(400), 0.1);
  EXPECT_EQ(DrawExploration({.epsilon = 0.3}, {1, RngPurpose::kBehaviour, 9}, 0, 0).epsilon, 0.3);
  EXPECT_FALSE(CheckConfig(ExplorationConfig{.epsilon = 0.5, .epsilon_end = 0.1}, "exploration").ok());
}

TEST(Behaviour, EveryPassVisitsEveryCondition) {
  std::set<int64_t> seen;
  for (int64_t step = 0; step < 3; ++step) {
    for (const int64_t index : ConditionsOfStep(6, 2, 1, step)) EXPECT_TRUE(seen.insert(index).second);
  }
  EXPECT_EQ(seen.size(), 6u);
  EXPECT_EQ(ConditionsOfStep(6, 2, 1, 7), ConditionsOfStep(6, 2, 1, 7));
  // A remainder waits for another pass; a step never holds a condition twice.
  for (int64_t step = 0; step < 20; ++step) {
    const std::vector<int64_t> chosen = ConditionsOfStep(5, 3, 1, step);
    EXPECT_EQ(std::set<int64_t>(chosen.begin(), chosen.end()).size(), 3u);
  }
}

}  // namespace
}  // namespace gfn
