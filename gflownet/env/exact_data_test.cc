// Where the trajectories come from decides how fast a sampler learns, not what: every source trains a table to the exact target.
#include <gtest/gtest.h>

#include "gflownet/core/log_z_network.h"
#include "gflownet/env/tiny_worlds.h"
#include "gflownet/env/training_fixture.h"

namespace gfn {
namespace {

struct Source {
  std::string name;
  BehaviourConfig behaviour;
  ReplayConfig replay{.tolerance = 0};
  ObjectiveConfig objective = TbConfig{};
  BackwardPart backward = BackwardPart::kUniform;
};
void PrintTo(const Source& source, std::ostream* out) { *out << source.name; }

std::vector<Source> Sources() {
  const ExplorationConfig falling{.epsilon = 0.5, .epsilon_end = 0.01, .epsilon_steps = 100};
  return {
      {"on_policy", {}},
      {"epsilon", {.on_policy = 0, .tempered = 1, .exploration = {.epsilon = 0.2}}},
      {"epsilon_schedule", {.on_policy = 0, .tempered = 1, .exploration = falling}},
      {"temperature", {.on_policy = 0.5, .tempered = 0.5, .exploration = {.temperature_min = 0.7, .temperature_max = 2}}},
      {"replay_uniform", {.on_policy = 0.5, .replay = 0.5}, {.tolerance = 0, .uniform = true}},
      {"replay_by_reward", {.on_policy = 0.5, .replay = 0.5}},
      {"replay_diverse", {.on_policy = 0.5, .replay = 0.5}, {.tolerance = 0.15}},
      {"backward", {.on_policy = 0.5, .backward = 0.5, .per_rollout = true}},
      {"backward_learned", {.on_policy = 0.5, .backward = 0.5}, {.tolerance = 0}, TbConfig{}, BackwardPart::kLearned},
      {"backward_max_entropy", {.on_policy = 0.5, .backward = 0.5}, {.tolerance = 0}, DbConfig{}, BackwardPart::kMaxEntropy},
      {"local_search", {.on_policy = 0.5, .local_search = 0.5, .per_rollout = true, .search = {.iterations = 2, .max_undo = 3}}},
      {"local_search_greedy", {.on_policy = 0.5, .local_search = 0.5, .search = {.iterations = 2, .greedy = true}}},
      {"everything",
       {.on_policy = 0.2,
        .tempered = 0.2,
        .replay = 0.2,
        .backward = 0.2,
        .local_search = 0.2,
        .per_rollout = true,
        .exploration = falling,
        .search = {.iterations = 1}},
       {.tolerance = 0},
       ModifiedSubTbConfig{}}};
}

class EverySource : public testing::TestWithParam<Source> {};

TEST_P(EverySource, LeadsToTheSameTarget) {
  const TinyWorld world = TinyWorlds().front().make();
  ASSERT_FALSE(world.environment->Spec().is_tree);
  TrainingSetup setup{.environment = world.environment.get(), .reward = world.reward.get(), .objective = GetParam().objective};
  setup.trainer.rollouts = 32;
  setup.trainer.behaviour = GetParam().behaviour;
  setup.trainer.replay = GetParam().replay;
  setup.backward = GetParam().backward;
  TrainingRun run(setup);
  ASSERT_TRUE(run.status().ok()) << Message(run.status());
  const auto log_reward = [&](ConditionId id) { return LogRewardOfObjects(world, id); };
  DistributionError error;
  for (int64_t round = 0; round < 20; ++round) {
    run.Steps(40);
    error = run.Worst(log_reward, 1);
    if (error.total_variation < 0.01) break;
  }
  EXPECT_LT(error.total_variation, 0.025);
}

INSTANTIATE_TEST_SUITE_P(Exact, EverySource, testing::ValuesIn(Sources()),
                         [](const testing::TestParamInfo<Source>& info) { return info.param.name; });

// One number for each condition, or one network for all.
TEST(LogZNetwork, LearnsLogZOfEveryCondition) {
  const TinyWorld world = TinyWorlds()[1].make();
  std::vector<ConditionId> ids;
  for (const std::string& content : world.conditions) ids.push_back(HashCondition(content));
  ASSERT_GT(ids.size(), 1u);
  ParameterSet parameters;
  const TabularPolicy table(*world.environment, ids, parameters, {});
  const auto features = [&](const std::vector<ConditionId>& conditions) {
    const at::Tensor one_hot = at::zeros({static_cast<int64_t>(conditions.size()), static_cast<int64_t>(ids.size())}, at::kFloat);
    for (size_t g = 0; g < conditions.size(); ++g) {
      const auto place = std::find(ids.begin(), ids.end(), conditions[g]);
      one_hot[static_cast<int64_t>(g)][place - ids.begin()] = 1;
    }
    return one_hot;
  };
  const LogZNetworkPolicy policy(table, features, static_cast<int64_t>(ids.size()), parameters, {.width = 16, .depth = 1},
                                 {1, RngPurpose::kInit, 0});
  EXPECT_TRUE(policy.Provides().Has(Need::kLogZ));
  OptimizerConfig optimizer_config;
  optimizer_config.learning_rate = 0.1;
  optimizer_config.clip_norm = 0;
  Optimizer optimizer = Optimizer::Create(optimizer_config, &parameters).value();
  const auto objective = MakeObjective(TbConfig{}).value();
  TrainerConfig config;
  config.conditions_per_step = static_cast<int64_t>(ids.size());
  config.rollouts = 24;
  TrainerParts parts;
  parts.environment = world.environment.get();
  parts.policy = &policy;
  parts.reward = world.reward.get();
  parts.objective = objective.get();
  parts.parameters = &parameters;
  parts.optimizer = &optimizer;
  parts.conditions = ids;
  auto trainer = Trainer::Create(config, parts);
  ASSERT_TRUE(trainer.ok()) << Message(trainer.status());
  for (int64_t step = 0; step < 200; ++step) ASSERT_TRUE((*trainer)->Step().ok());
  const at::Tensor log_z_G = policy.LogZ(ids);
  for (size_t g = 0; g < ids.size(); ++g) {
    EXPECT_NEAR(log_z_G[static_cast<int64_t>(g)].item<double>(), LogRewardOfObjects(world, ids[g]).logsumexp(0).item<double>(),
                0.1);
  }
}

}  // namespace
}  // namespace gfn
