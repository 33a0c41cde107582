// What `gfn doctor` finds on worlds: mistakes are made on purpose, one at a time, in rules, policies, rewards and objectives, and
// the checks of the command have to see each of them. The right samplers are green, whatever the world and the objective.
#include <gtest/gtest.h>

#include <iostream>
#include <set>

#include "gflownet/base/text_util.h"
#include "gflownet/core/objective_check.h"
#include "gflownet/tensor/device.h"
#include "tasks/test_decorators.h"
#include "tasks/world/hypergrid_world.h"
#include "tasks/world/small_worlds.h"
#include "tasks/world/world_checks.h"
#include "tasks/world/world_policy.h"

namespace gfn {
namespace {

struct BuiltWorld : MadePieces {
  std::unique_ptr<World> world;
  std::unique_ptr<Objective> objective;
  ParameterSet parameters;
  WorldPolicy policy;
  std::vector<ExactTruth> truth;
  WorldSampler sampler;
};

// An error where world and objective do not go together.
StatusOr<std::unique_ptr<BuiltWorld>> Build(std::unique_ptr<World> world, const ObjectiveConfig& config,
                                            BackwardKind backward = BackwardKind::kLearned) {
  auto built = std::make_unique<BuiltWorld>();
  built->world = std::move(world);
  ASSIGN_OR_RETURN(built->objective, MakeObjective(config));
  WorldSettings settings;
  settings.policy = MlpPolicyConfig{.width = 16, .depth = 2};
  settings.backward = backward;
  ASSIGN_OR_RETURN(built->policy, MakeWorldPolicy(*built->world, settings, built->objective->needs(), 3, built->parameters));
  ASSIGN_OR_RETURN(built->truth, FindTruth(*built->world, settings.metrics));
  built->sampler = {built->world->environment.get(),
                    &built->policy.trained(),
                    &built->policy.sampler(),
                    built->world->reward.get(),
                    built->objective.get(),
                    0.8,
                    &built->parameters};
  ObjectiveSetting setting = SettingOf(*built->sampler.environment, *built->sampler.trained, *built->sampler.reward);
  setting.rollouts = 8;
  setting.has_given = true;
  RETURN_IF_ERROR(CheckObjective(*built->objective, setting));
  return built;
}

std::unique_ptr<World> Grid() {
  HypergridWorld config;
  config.grid.dimensions = 2;
  config.grid.side = 4;
  return MakeWorld(config).value();
}
std::unique_ptr<World> Windy() {
  WindyGridConfig config;
  config.side = 4;
  return MakeWorld(config).value();
}

struct WorldMistake {
  std::string name;
  std::function<void(BuiltWorld&)> plant;
  ObjectiveConfig objective = TbConfig{};
  std::unique_ptr<World> (*world)() = Grid;
};

class TemperedWorldSession : public SessionDecorator {
 public:
  using SessionDecorator::SessionDecorator;
  at::Tensor Logits(const State& state) override { return session_->Logits(state) / 1.1; }
  // Step by step.
  std::optional<StatusOr<WholeRollout>> SampleWhole(const std::vector<RolloutRow>&, const RngKey&) override { return {}; }
};

// Whole rollouts, or steps, of another policy than the one that speaks.
class OtherRollouts : public PolicyDecorator {
 public:
  OtherRollouts(const Policy& policy, const Environment& environment, const Policy& drawn)
      : PolicyDecorator(policy), environment_(environment), drawn_(drawn) {}
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override {
    struct Session : SessionDecorator {
      Session(std::unique_ptr<RolloutSession> session, const OtherRollouts& owner)
          : SessionDecorator(std::move(session)), owner(owner) {}
      std::optional<StatusOr<WholeRollout>> SampleWhole(const std::vector<RolloutRow>& rows_B, const RngKey& key) override {
        auto batch = Rollout(owner.environment_, owner.drawn_, rows_B, key);
        if (!batch.ok()) return batch.status();
        return WholeRollout{*std::move(batch), {}};
      }
      const OtherRollouts& owner;
    };
    return std::make_unique<Session>(policy_.StartRollout(conditions_B), *this);
  }

 private:
  const Environment& environment_;
  const Policy& drawn_;
};

// Walks back as if all parents were alike.
class UniformWaysBack : public PolicyDecorator {
 public:
  using PolicyDecorator::PolicyDecorator;
  at::Tensor BackwardLogits(const State&) const override { return {}; }
};

class OtherRules : public EnvironmentDecorator {
 public:
  explicit OtherRules(const Environment& environment) : EnvironmentDecorator(environment) {}
  std::function<State(const State&, const at::Tensor&)> undo;
  std::function<at::Tensor(const at::Tensor&)> back, forward, outcomes;
  std::function<void(Support&)> parents;
  State Undo(const State& state, const at::Tensor& back_B) const override {
    return undo ? undo(state, back_B) : EnvironmentDecorator::Undo(state, back_B);
  }
  at::Tensor BackwardAction(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override {
    const at::Tensor right = EnvironmentDecorator::BackwardAction(state, actions_B, outcome_B);
    return back ? back(right) : right;
  }
  at::Tensor ForwardAction(const State& state, const at::Tensor& back_B) const override {
    const at::Tensor right = EnvironmentDecorator::ForwardAction(state, back_B);
    return forward ? forward(right) : right;
  }
  at::Tensor LogOutcomes(const State& state, const at::Tensor& actions_B) const override {
    const at::Tensor right = EnvironmentDecorator::LogOutcomes(state, actions_B);
    return outcomes ? outcomes(right) : right;
  }
  Support BackwardSupport(const State& state) const override {
    Support support = EnvironmentDecorator::BackwardSupport(state);
    if (parents) parents(support);
    return support;
  }
};

using WorldPlant = std::function<void(BuiltWorld&)>;

WorldPlant WithScores(const OtherScores::Change& change) {
  return [=](BuiltWorld& built) { built.sampler.trained = &built.Make<OtherScores>(*built.sampler.trained, change); };
}
WorldPlant WithTargets(const OtherObjective::Change& change) {
  return [=](BuiltWorld& built) { built.sampler.objective = &built.Make<OtherObjective>(*built.sampler.objective, change); };
}
WorldPlant WithRules(const std::function<void(OtherRules&)>& change) {
  return [=](BuiltWorld& built) {
    auto rules = std::make_shared<OtherRules>(*built.world->environment);
    change(*rules);
    built.pieces.push_back(rules);
    built.sampler.environment = rules.get();
  };
}
WorldPlant WithReward(const OtherReward::ChangeAlong& along, const OtherReward::ChangeWhole& whole) {
  return [=](BuiltWorld& built) {
    const auto& reward = dynamic_cast<const PrefixReward&>(*built.world->reward);
    built.sampler.reward = &built.Make<OtherReward>(reward, along, whole);
  };
}
// The same in every value.
WorldPlant WithEveryReward(const std::function<at::Tensor(const TrajectoryBatch&, const at::Tensor&)>& change) {
  return WithReward(
      [=](const TrajectoryBatch& batch, RewardValueAlong& value) {
        value.log_reward_along_BT = change(batch, value.log_reward_along_BT.t()).t();
      },
      [=](const TrajectoryBatch& batch, RewardValue& value) { value.log_reward_B = change(batch, value.log_reward_B); });
}

at::Tensor StepMaskOf(const TrajectoryBatch& batch) { return batch.StepMask().to(at::kFloat); }

std::vector<WorldMistake> PolicyMistakes() {
  const auto half = [](const at::Tensor& x) { return 0.5 * x + 0.5 * x.detach(); };
  return {
      {"the sampler has a temperature of its own",
       [](BuiltWorld& built) {
         built.sampler.trained = &built.Make<OtherSessions>(
             *built.sampler.trained, [](auto session) { return std::make_unique<TemperedWorldSession>(std::move(session)); });
       }},
      {"whole rollouts draw from another policy",
       [](BuiltWorld& built) {
         static ParameterSet other;
         other = {};
         std::shared_ptr<Policy> drawn =
             std::make_shared<MlpPolicy>(*built.world->environment, built.world->features, built.world->num_features, other,
                                         MlpOptions{.heads = {}, .width = 8, .depth = 1}, RngKey{9, RngPurpose::kInit, 0});
         built.pieces.push_back(drawn);
         built.sampler.trained = &built.Make<OtherRollouts>(*built.sampler.trained, *built.world->environment, *drawn);
       }},
      {"log P_F is not renormalised over the legal actions",
       WithScores([](const TrajectoryBatch& batch, TrajectoryScores& scores) {
         scores.log_pf_BT = scores.log_pf_BT - 0.01 * StepMaskOf(batch);
       })},
      {"log P_F of two rows is exchanged",
       WithScores([](const TrajectoryBatch&, TrajectoryScores& scores) { scores.log_pf_BT = scores.log_pf_BT.roll({1}, {0}); })},
      {"log P_B stands one step too late",
       WithScores([](const TrajectoryBatch&, TrajectoryScores& scores) { scores.log_pb_BT = scores.log_pb_BT.roll({1}, {1}); })},
      {"log P_B is not normalised over the parents", WithScores([](const TrajectoryBatch& batch, TrajectoryScores& scores) {
         scores.log_pb_BT = scores.log_pb_BT + 0.01 * StepMaskOf(batch);
       })},
      {"walks back go by another P_B than the loss",
       [](BuiltWorld& built) { built.sampler.trained = &built.Make<UniformWaysBack>(*built.sampler.trained); }},
      {"nature's probability is left out of log P_B",
       [](BuiltWorld& built) {
         const Environment& environment = *built.world->environment;
         built.sampler.trained =
             &built.Make<OtherScores>(*built.sampler.trained, [&](const TrajectoryBatch& batch, TrajectoryScores& scores) {
               const std::vector<State> states = Unroll(environment, batch);
               for (int64_t t = 0; t < batch.num_steps(); ++t) {
                 const at::Tensor log_o = environment.LogOutcomes(states[t], batch.actions_BT.select(1, t))
                                              .gather(1, batch.outcomes_BT.select(1, t).unsqueeze(1))
                                              .squeeze(1);
                 const at::Tensor column = log_o.masked_fill(batch.lengths_B.le(t), 0).to(scores.log_pb_BT.scalar_type());
                 scores.log_pb_BT =
                     scores.log_pb_BT +
                     at::one_hot(at::full({batch.size()}, t, at::kLong), batch.num_steps()).to(column.scalar_type()) *
                         column.unsqueeze(1);
               }
             });
       },
       TbConfig{}, Windy},
      {"log F stands one state too late", WithScores([](const TrajectoryBatch&, TrajectoryScores& scores) {
         scores.log_flow_BT = scores.log_flow_BT.roll({1}, {1});
       }),
       DbConfig{}},
      {"log P_F(stop) is that of the next state", WithScores([](const TrajectoryBatch&, TrajectoryScores& scores) {
         scores.log_stop_BT = scores.log_stop_BT.roll({-1}, {1});
       }),
       ModifiedSubTbConfig{}},
      {"P_B gets no gradient",
       WithScores([](const TrajectoryBatch&, TrajectoryScores& scores) { scores.log_pb_BT = scores.log_pb_BT.detach(); })},
      {"log Z gets no gradient", WithScores([](const TrajectoryBatch&, TrajectoryScores& scores) {
         if (scores.log_z_G.defined()) scores.log_z_G = scores.log_z_G.detach();
       })},
      {"P_F gets half its gradient",
       WithScores([=](const TrajectoryBatch&, TrajectoryScores& scores) { scores.log_pf_BT = half(scores.log_pf_BT); })},
      {"flows get no gradient",
       WithScores([](const TrajectoryBatch&, TrajectoryScores& scores) { scores.log_flow_BT = scores.log_flow_BT.detach(); }),
       SubTbConfig{}},
      {"the temperature is applied twice",
       WithTargets([](TrajectoryScores&, Targets& targets) { targets.log_reward_B = targets.log_reward_B / 0.8; })},
      {"the objective holds the first actions fixed", WithTargets([](TrajectoryScores& scores, Targets&) {
         scores.log_pf_BT = at::cat({scores.log_pf_BT.slice(1, 0, 1).detach(), scores.log_pf_BT.slice(1, 1)}, 1);
       })},
      {"the objective leaves P_B out",
       WithTargets([](TrajectoryScores& scores, Targets&) { scores.log_pb_BT = at::zeros_like(scores.log_pb_BT); })},
      {"the objective takes other rows' rewards",
       WithTargets([](TrajectoryScores&, Targets& targets) { targets.log_reward_B = targets.log_reward_B.roll({1}, {0}); })},
  };
}

std::vector<WorldMistake> RuleAndRewardMistakes() {
  return {
      {"Undo leads nowhere",
       WithRules([](OtherRules& rules) { rules.undo = [](const State& state, const at::Tensor&) { return state; }; })},
      {"Undo takes the other backward action", WithRules([](OtherRules& rules) {
         rules.undo = [&rules](const State& state, const at::Tensor& back) {
           return rules.EnvironmentDecorator::Undo(state, back.roll({1}, {0}));
         };
       })},
      {"the backward action recorded is another one",
       WithRules([](OtherRules& rules) { rules.back = [](const at::Tensor& back) { return (back + 1).remainder(2); }; })},
      {"the action found for a way back is another one", WithRules([](OtherRules& rules) {
         rules.forward = [](const at::Tensor& forward) { return (forward + 1).remainder(3); };
       })},
      {"a parent is missing from the ways back", WithRules([](OtherRules& rules) {
         rules.parents = [](Support& support) {
           at::Tensor legal = support.Dense().clone();
           legal.select(1, 0).fill_(false);
           support.mask_BA = legal;
         };
       })},
      {"a way back is offered that none came along", WithRules([](OtherRules& rules) {
         rules.parents = [](Support& support) {
           if (support.mask_BA.defined()) support.mask_BA = at::ones_like(support.mask_BA);
         };
       })},
      {"nature's probabilities are other ones than her draws'", WithRules([](OtherRules& rules) {
         rules.outcomes = [](const at::Tensor& log_p) { return (0.5 * log_p).log_softmax(1); };
       }),
       TbConfig{}, Windy},
      {"an action is illegal while sampling that the scorer allows",
       [](BuiltWorld& built) {
         built.sampler.environment = &built.Make<OtherSupport>(*built.world->environment, [](const State&, Support& support) {
           at::Tensor legal = support.Dense().clone();
           const at::Tensor others = legal.slice(1, 1).any(1);
           legal.select(1, 0).logical_and_(others.logical_not());
           support.mask_BA = legal;
         });
       }},
      {"R of two rows is exchanged",
       WithEveryReward([](const TrajectoryBatch&, const at::Tensor& values) { return values.roll({1}, {-1}); })},
      {"R depends on the way to the object", WithEveryReward([](const TrajectoryBatch& batch, const at::Tensor& values) {
         return values + 0.1 * batch.actions_BT.select(1, 0);
       })},
      {"R depends on how long the longest row is", WithEveryReward([](const TrajectoryBatch& batch, const at::Tensor& values) {
         return values + 0.01 * static_cast<double>(batch.num_steps());
       })},
      {"the temperature is applied by the reward too",
       WithEveryReward([](const TrajectoryBatch&, const at::Tensor& values) { return values / 0.8; })},
      {"R at the last stop is not that of the object",
       WithReward([](const TrajectoryBatch&,
                     RewardValueAlong& value) { value.log_reward_along_BT = value.log_reward_along_BT.roll({1}, {1}); },
                  {}),
       ModifiedSubTbConfig{}},
  };
}

void ExpectFound(const std::vector<WorldMistake>& mistakes, std::set<std::string>& finders) {
  for (const WorldMistake& mistake : mistakes) {
    const auto built = Build(mistake.world(), mistake.objective);
    ASSERT_TRUE(built.ok()) << mistake.name << ": " << built.status();
    mistake.plant(**built);
    const auto checks = CheckWorldSampler(*(*built)->world, (*built)->sampler, (*built)->truth);
    std::vector<std::string> found;
    if (!checks.ok()) found.push_back("refused: " + std::string(Message(checks.status())));
    for (const Check& check : checks.ok() ? *checks : std::vector<Check>{}) {
      if (check.ok()) continue;
      found.push_back(check.name + " " + FormatShort(check.found));
      finders.insert(check.name);
    }
    EXPECT_FALSE(found.empty()) << "not found: " << mistake.name;
    std::cout << "  " << mistake.name << " -> " << (found.empty() ? "MISSED" : Join(found, "; ")) << "\n";
  }
}

TEST(PlantedWorldTest, EveryMistakeIsFoundAndEveryCheckFindsOne) {
  SetNumThreads(1);
  std::set<std::string> finders;
  ExpectFound(PolicyMistakes(), finders);
  ExpectFound(RuleAndRewardMistakes(), finders);
  for (const char* name : {world_check::kUndo, world_check::kWaysBack, world_check::kSamplerIsScorer, world_check::kDrawn,
                           world_check::kBackward, world_check::kStates, world_check::kRowsAlone, world_check::kRewardRows,
                           world_check::kRewardAlong, world_check::kRewardOfObject, world_check::kRewardTruth,
                           world_check::kGradient, world_check::kObjective, world_check::kRight}) {
    EXPECT_TRUE(finders.contains(name)) << "finds none of the mistakes: " << name;
  }
}

// Whatever goes together is green, as `gfn doctor` would say.
TEST(PlantedWorldTest, RightSamplersAreGreen) {
  SetNumThreads(1);
  const std::vector<std::function<StatusOr<std::unique_ptr<World>>()>> worlds = {
      [] { return StatusOr<std::unique_ptr<World>>(Grid()); },
      [] { return StatusOr<std::unique_ptr<World>>(Windy()); },
      [] { return MakeWorld(BayesNetConfig{.num_nodes = 3}); },
      [] { return MakeWorld(BitSequenceConfig{.num_bits = 6, .word_bits = 2, .reward = {.num_modes = 2}}); },
      [] { return MakeWorld(BoxConfig{}); },
      [] { return MakeWorld(IsingConfig{.side = 2}); },
      [] { return MakeWorld(LayeredGraphConfig{.width = 3}); },
      [] { return MakeWorld(PhylogenyConfig{.num_species = 4}); },
      [] { return MakeWorld(PrefixTreeConfig{.max_length = 3}); },
      [] { return MakeWorld(SubsetConfig{.num_elements = 4, .max_size = 3}); },
  };
  const std::vector<ObjectiveConfig> objectives = {ModifiedSubTbConfig{}, TbConfig{},
                                                   VarGradConfig{},       DbConfig{},
                                                   SubTbConfig{},         MaximumLikelihoodConfig{},
                                                   ModifiedDbConfig{},    FlowMatchingConfig{},
                                                   ReinforceConfig{},     PpoConfig{},
                                                   GrpoConfig{},          DpgConfig{},
                                                   SoftQConfig{},         PathConsistencyConfig{}};
  int64_t num_green = 0;
  for (const auto& world : worlds) {
    for (const ObjectiveConfig& objective : objectives) {
      for (const BackwardKind backward : {BackwardKind::kLearned, BackwardKind::kUniform}) {
        auto made = world();
        ASSERT_TRUE(made.ok()) << made.status();
        const auto built = Build(*std::move(made), objective, backward);
        if (!built.ok()) continue;  // they do not go together
        SCOPED_TRACE((*built)->world->environment->Spec().name + ", " + (*built)->objective->Name());
        const auto checks = CheckWorldSampler(*(*built)->world, (*built)->sampler, (*built)->truth);
        ASSERT_TRUE(checks.ok()) << checks.status();
        for (const Check& check : *checks) {
          EXPECT_TRUE(check.ok()) << check.name << ": found " << check.found << ", allowed " << check.allowed << " "
                                  << check.detail;
        }
        ++num_green;
      }
    }
  }
  EXPECT_GT(num_green, 80);
}

}  // namespace
}  // namespace gfn
