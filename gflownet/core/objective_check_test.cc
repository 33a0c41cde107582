// Which objective fits where: a table of pairs, with the reason for each refusal and what is offered instead.
#include "gflownet/core/objective_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace gfn {
namespace {

// A discrete world with one stop action, legal everywhere, a reward at every prefix and a policy that offers everything.
ObjectiveSetting Everything() {
  ObjectiveSetting setting;
  setting.spec.name = "world";
  setting.spec.num_actions = 4;
  setting.spec.stop_actions = {3};
  setting.spec.stops_everywhere = true;
  setting.offered = Need::kLogPf | Need::kLogPb | Need::kLogStop | Need::kLogFlow | Need::kLogZ | Need::kLogInflow;
  setting.prefix_rewards = true;
  setting.learned_backward = true;
  setting.rollouts = 8;
  setting.has_given = true;
  return setting;
}

using Change = std::function<void(ObjectiveSetting&)>;
struct Pair {
  std::string name;
  ObjectiveConfig objective;
  Change change;
  std::string reason;  // part of the refusal
};
void PrintTo(const Pair& pair, std::ostream* out) { *out << pair.name; }

void Continuous(ObjectiveSetting& s) { s.spec.action = EnvironmentSpec::Action::kContinuous; }
void Stochastic(ObjectiveSetting& s) { s.spec.is_stochastic = true; }
void NoStops(ObjectiveSetting& s) {
  s.spec.stop_actions.clear();
  s.spec.stops_everywhere = s.prefix_rewards = false;
}
Change Without(Need need) {
  return [need](ObjectiveSetting& s) { s.offered = s.offered.Without(need); };
}
void LateStops(ObjectiveSetting& s) { s.spec.stops_everywhere = false; }
void TwoStops(ObjectiveSetting& s) { s.spec.stop_actions = {2, 3}; }
void FinishedOnly(ObjectiveSetting& s) { s.prefix_rewards = false; }
void OneRollout(ObjectiveSetting& s) { s.rollouts = 1; }
void OffPolicy(ObjectiveSetting& s) { s.on_policy = false; }
void FixedBackward(ObjectiveSetting& s) {
  s.spec.is_stochastic = true;
  s.learned_backward = false;
}
void StochasticTree(ObjectiveSetting& s) { s.spec.is_stochastic = s.spec.is_tree = true; }
void TwoUpdates(ObjectiveSetting& s) { s.updates_per_batch = 2; }

std::vector<Pair> Invalid() {
  return {
      {"fm_continuous", FlowMatchingConfig{}, Continuous, "sums over the parents of a state, but world is continuous"},
      {"fm_stochastic", FlowMatchingConfig{}, Stochastic, "nature decides in world"},
      {"soft_q_stochastic", SoftQConfig{}, Stochastic, "gives P_B no gradient, but in world, where nature decides"},
      {"likelihood_stochastic", MaximumLikelihoodConfig{}, Stochastic, "gives P_B no gradient"},
      {"fm_without_edge_flows", FlowMatchingConfig{}, Without(Need::kLogInflow), "missing log_inflow"},
      {"db_without_flow", DbConfig{}, Without(Need::kLogFlow), "missing log_flow"},
      {"subtb_without_flow", SubTbConfig{}, Without(Need::kLogFlow), "missing log_flow"},
      {"ppo_without_value", PpoConfig{}, Without(Need::kLogFlow), "missing log_flow"},
      {"soft_q_without_value", SoftQConfig{}, Without(Need::kLogFlow), "missing log_flow"},
      {"path_consistency_without_value", PathConsistencyConfig{}, Without(Need::kLogFlow), "missing log_flow"},
      {"tb_without_log_z", TbConfig{}, Without(Need::kLogZ), "missing log_z"},
      {"reinforce_without_log_z", ReinforceConfig{Baseline::kLogZ}, Without(Need::kLogZ), "missing log_z"},
      {"modified_db_late_stops", ModifiedDbConfig{}, LateStops, "every state can stop"},
      {"modified_db_two_stops", ModifiedDbConfig{}, TwoStops, "one stop action; world has 2"},
      {"modified_db_no_stops", ModifiedDbConfig{}, NoStops, "needs a world with stop actions"},
      {"modified_subtb_no_stops", ModifiedSubTbConfig{}, NoStops, "needs a world with stop actions"},
      {"modified_subtb_finished_only", ModifiedSubTbConfig{}, FinishedOnly, "finished objects only"},
      {"modified_subtb_one_rollout", ModifiedSubTbConfig{}, OneRollout, "at least 2 rollouts of a condition, found rollouts = 1"},
      {"fl_db_finished_only", DbConfig{.forward_looking = true}, FinishedOnly, "finished objects only"},
      {"fl_db_two_stops", DbConfig{.forward_looking = true}, TwoStops, "at most one stop action; world has 2"},
      {"fl_subtb_no_energies", SubTbConfig{.forward_looking = true}, NoStops, "needs energies of unfinished objects"},
      {"vargrad_one_rollout", VarGradConfig{}, OneRollout, "at least 2 rollouts"},
      {"reinforce_off_policy", ReinforceConfig{}, OffPolicy, "own rollouts only"},
      {"reinforce_two_updates", ReinforceConfig{}, TwoUpdates, "one step on a batch only, found updates_per_batch = 2"},
      {"ppo_off_policy", PpoConfig{}, OffPolicy, "own rollouts only"},
      {"grpo_off_policy", GrpoConfig{}, OffPolicy, "own rollouts only"},
      {"grpo_one_rollout", GrpoConfig{}, OneRollout, "at least 2 rollouts"},
      {"dpg_two_updates", DpgConfig{}, TwoUpdates, "one step on a batch only, found updates_per_batch = 2"},
      {"importance_off_policy", MaximumLikelihoodConfig{.importance = true}, OffPolicy, "own rollouts only"},
      {"within_trajectories_late_stops", ModifiedSubTbConfig{.paper_compat = true}, LateStops, "every state can stop"},
      {"within_trajectories_two_stops", ModifiedSubTbConfig{.paper_compat = true}, TwoStops, "one stop action; world has 2"},
      {"likelihood_without_objects", MaximumLikelihoodConfig{}, [](ObjectiveSetting& s) { s.has_given = false; },
       "needs given objects"}};
}

class InvalidPairs : public testing::TestWithParam<Pair> {};

TEST_P(InvalidPairs, AreRefusedWithTheReasonAndTheChoices) {
  const auto objective = MakeObjective(GetParam().objective).value();
  ObjectiveSetting setting = Everything();
  EXPECT_TRUE(CheckObjective(*objective, setting).ok()) << Message(CheckObjective(*objective, setting));
  GetParam().change(setting);
  const Status status = CheckObjective(*objective, setting);
  ASSERT_FALSE(status.ok());
  const std::string message = Message(status);
  EXPECT_EQ(message.find("objective " + objective->Name() + " "), 0) << message;
  EXPECT_NE(message.find(GetParam().reason), std::string::npos) << message;
  // What is offered instead fits, and is named.
  const std::vector<std::string> fitting = FittingObjectives(setting);
  ASSERT_FALSE(fitting.empty());
  for (const std::string& name : fitting)
    EXPECT_NE(message.substr(message.find("; here fit: ")).find(name), std::string::npos) << name;
}

INSTANTIATE_TEST_SUITE_P(Table, InvalidPairs, testing::ValuesIn(Invalid()),
                         [](const testing::TestParamInfo<Pair>& info) { return info.param.name; });

// Where no objective is right the reason stands alone.
TEST(ObjectiveCheck, AStochasticWorldNeedsALearnedBackwardPolicy) {
  const std::vector<std::pair<Change, std::string>> changes = {{FixedBackward, "cannot be right with a fixed P_B in world"},
                                                               {StochasticTree, "a tree in which nature decides"}};
  for (const auto& [change, reason] : changes) {
    ObjectiveSetting setting = Everything();
    change(setting);
    EXPECT_TRUE(FittingObjectives(setting).empty());
    for (const ObjectiveConfig& config :
         {ObjectiveConfig(TbConfig{}), ObjectiveConfig(DbConfig{}), ObjectiveConfig(ModifiedSubTbConfig{}),
          ObjectiveConfig(ReinforceConfig{}), ObjectiveConfig(VarGradConfig{})}) {
      const std::string message = Message(CheckObjective(*MakeObjective(config).value(), setting));
      EXPECT_NE(message.find(reason), std::string::npos) << message;
      EXPECT_NE(message.find("; no other objective fits either"), std::string::npos) << message;
    }
  }
}

// What a policy is given only where an objective asks for it does not keep that objective out of the list.
TEST(ObjectiveCheck, WhatThePolicyCouldOfferCountsForTheAlternatives) {
  ObjectiveSetting setting = Everything();
  OneRollout(setting);
  setting.offered = Need::kLogPf | Need::kLogPb | Need::kLogStop;
  const std::string without = Message(CheckObjective(*MakeObjective(VarGradConfig{}).value(), setting));
  EXPECT_EQ(without.find(" tb"), std::string::npos) << without;
  setting.could_offer = Need::kLogZ | Need::kLogFlow;
  const std::string message = Message(CheckObjective(*MakeObjective(VarGradConfig{}).value(), setting));
  EXPECT_NE(message.find("; here fit: tb, db, "), std::string::npos) << message;
  EXPECT_FALSE(CheckObjective(*MakeObjective(TbConfig{}).value(), setting).ok()) << "it is not offered yet";
}

TEST(ObjectiveCheck, WhatFitsIsListed) {
  const std::vector<std::string> all = FittingObjectives(Everything());
  EXPECT_EQ(all, (std::vector<std::string>{"modified_subtb", "tb", "vargrad", "db", "forward-looking db", "subtb",
                                           "forward-looking subtb", "maximum_likelihood", "modified_db", "fm", "reinforce", "ppo",
                                           "grpo", "dpg", "soft_q", "path_consistency"}));
  ObjectiveSetting continuous = Everything();
  Continuous(continuous);
  NoStops(continuous);
  continuous.offered = Need::kLogPf | Need::kLogPb;
  EXPECT_EQ(FittingObjectives(continuous),
            (std::vector<std::string>{"vargrad", "maximum_likelihood", "reinforce", "grpo", "dpg"}));
  ObjectiveSetting energies = Everything();
  NoStops(energies);
  energies.energies = true;
  EXPECT_TRUE(CheckObjective(*MakeObjective(DbConfig{.forward_looking = true}).value(), energies).ok());
}

}  // namespace
}  // namespace gfn
