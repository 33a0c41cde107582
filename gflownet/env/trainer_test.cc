#include "gflownet/core/trainer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gflownet/core/trajectory_io.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/env/training_fixture.h"

namespace gfn {
namespace {

class TrainerTest : public testing::Test {
 protected:
  TrainerTest() : folder_(std::filesystem::temp_directory_path() / ("gfn_trainer_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~TrainerTest() override { std::filesystem::remove_all(folder_); }

  // Three conditions, everything switched on.
  TrainingSetup Setup() const {
    TrainingSetup setup{
        .environment = &tree_, .reward = &reward_, .conditions = {"a", "b", "c"}, .objective = ModifiedSubTbConfig{}};
    setup.trainer.conditions_per_step = 2;
    setup.trainer.rollouts = 6;
    setup.trainer.reward_temperature = {.start = 1.2, .end = 0.8, .steps = 4};
    setup.trainer.behaviour = {.on_policy = 0.4,
                               .tempered = 0.3,
                               .replay = 0.3,
                               .per_rollout = true,
                               .exploration = {.epsilon = 0.1, .temperature_min = 0.5, .temperature_max = 2}};
    return setup;
  }
  // One finished sequence of a condition.
  TrajectoryBatch Given(const std::string& condition, const std::vector<int64_t>& actions) const {
    TrajectoryBatch batch;
    batch.condition_ids = {HashCondition(condition)};
    batch.lengths_B = at::full({1}, static_cast<int64_t>(actions.size()), at::kLong);
    batch.actions_BT = at::tensor(actions, at::kLong).unsqueeze(0);
    return batch;
  }
  std::string Refusal(const TrainingSetup& setup) const { return Message(TrainingRun(setup).status()); }
  std::string Folder(const std::string& name) const {
    std::filesystem::create_directories(folder_ / name);
    return (folder_ / name).string();
  }

  PrefixTree tree_{PrefixTreeConfig{.num_symbols = 3, .num_stops = 1, .min_length = 1, .max_length = 4}};
  PrefixTreeReward reward_{tree_, 2, 1};
  std::filesystem::path folder_;
};

bool SameParameters(ParameterSet& a, ParameterSet& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!a[i].value.equal(b[i].value)) return false;
  }
  return true;
}

TEST_F(TrainerTest, MicroBatchesChangeNothing) {
  TrainingSetup setup = Setup();
  setup.trainer.conditions_per_step = 3;
  TrainingRun whole(setup);
  setup.trainer.micro_batch_conditions = 1;
  TrainingRun cut(setup);
  setup.trainer.micro_batch_conditions = 2;
  TrainingRun uneven(setup);
  for (int64_t step = 0; step < 8; ++step) {
    const StepMetrics expected = whole.Steps(1);
    for (TrainingRun* other : {&cut, &uneven}) {
      const StepMetrics found = other->Steps(1);
      ASSERT_EQ(found.values().size(), expected.values().size());
      for (const auto& [name, value] : expected.values()) {
        EXPECT_NEAR(*found.Find(name), value, 1e-4 * std::max(1.0, std::abs(value))) << name << " at step " << step;
      }
    }
  }
}

TEST_F(TrainerTest, SeveralUpdatesUseTheSameRollouts) {
  TrainingSetup setup = Setup();
  setup.objective = PpoConfig{};
  setup.trainer.behaviour = {};
  TrainingRun one(setup);
  setup.trainer.updates_per_batch = 3;
  TrainingRun three(setup);
  const StepMetrics first = one.Steps(1), again = three.Steps(1);
  EXPECT_EQ(*first.Find("sampled_actions"), *again.Find("sampled_actions"));
  EXPECT_EQ(*first.Find("elbo"), *again.Find("elbo")) << "of the policy that drew the rollouts";
  EXPECT_FALSE(SameParameters(one.parameters(), three.parameters()));
}

TEST_F(TrainerTest, SaveAndLoadGoOnIdentically) {
  TrainingRun straight(Setup());
  straight.Steps(5);
  TrainingRun first(Setup());
  first.Steps(3);
  const std::string folder = Folder("save");
  ASSERT_TRUE(first.trainer().Save(folder).ok());
  TrainingRun second(Setup());
  const Status status = second.trainer().Load(folder);
  ASSERT_TRUE(status.ok()) << Message(status);
  EXPECT_EQ(second.trainer().num_steps(), 3);
  EXPECT_EQ(second.trainer().replay().NumItems(), first.trainer().replay().NumItems());
  second.Steps(2);
  EXPECT_TRUE(SameParameters(straight.parameters(), second.parameters()));
  EXPECT_EQ(straight.Steps(1), second.Steps(1));
}

TEST_F(TrainerTest, LoadRefusesDamage) {
  TrainingRun run(Setup());
  run.Steps(1);
  const std::string folder = Folder("save");
  ASSERT_TRUE(run.trainer().Save(folder).ok());
  std::ofstream(folder + "/trainer.json", std::ios::trunc) << "{\"step\": -3}";
  TrainingRun other(Setup());
  EXPECT_EQ(other.trainer().Load(folder).code(), absl::StatusCode::kDataLoss);
}

TEST_F(TrainerTest, LoadEvaluatesRewardsOfAnotherRewardAgain) {
  TrainingRun run(Setup());
  run.Steps(4);
  const std::string folder = Folder("save");
  ASSERT_TRUE(run.trainer().Save(folder).ok());
  const PrefixTreeReward other_reward(tree_, 99, 1);
  TrainingSetup setup = Setup();
  setup.reward = &other_reward;
  TrainingRun other(setup);
  const Status status = other.trainer().Load(folder);
  ASSERT_TRUE(status.ok()) << Message(status);
  TrajectoryBatch stored = other.trainer().replay().Contents();
  ASSERT_GT(stored.size(), 0);
  const at::Tensor kept = stored.log_reward_B;
  ASSERT_TRUE(EvaluateReward(other_reward, stored).ok());
  EXPECT_TRUE(kept.allclose(stored.log_reward_B));
}

TEST_F(TrainerTest, ReplayIsDrawnAndFilledUp) {
  TrainingSetup setup = Setup();
  setup.trainer.conditions_per_step = 3;
  setup.trainer.behaviour = {.on_policy = 0, .tempered = 0, .replay = 1};
  setup.trainer.replay.tolerance = 0;
  TrainingRun run(setup);
  const StepMetrics first = run.Steps(1);
  EXPECT_EQ(*first.Find("replayed"), 0) << "nothing is there yet: all on-policy";
  EXPECT_GT(*first.Find("sampled_actions"), 0);
  EXPECT_GT(*first.Find("replay_items"), 3);
  const StepMetrics second = run.Steps(1);
  EXPECT_EQ(*second.Find("replayed"), std::min(18.0, *first.Find("replay_items")));
}

TEST_F(TrainerTest, GivenObjectsSeedTheReplayBuffer) {
  TrainingSetup setup = Setup();
  setup.trainer.replay_given = true;
  setup.given = Concatenate({Given("a", {0, 1, 2, 3}), Given("b", {2, 3})});
  TrainingRun run(setup);
  ASSERT_TRUE(run.status().ok()) << Message(run.status());
  run.Steps(1);
  const TrajectoryBatch stored = run.trainer().replay().Contents(HashCondition("b"));
  EXPECT_GE(stored.size(), 1);
  EXPECT_EQ(stored.actions_BT[0][0].item<int64_t>(), 2);
}

TEST_F(TrainerTest, WarmStartMaximisesTheLikelihoodOfGivenObjects) {
  TrainingSetup setup = Setup();
  setup.trainer.warm_start_steps = 60;
  setup.given = Concatenate({Given("a", {0, 1, 2, 3}), Given("a", {1, 1, 3}), Given("b", {2, 3})});
  TrainingRun run(setup);
  ASSERT_TRUE(run.status().ok()) << Message(run.status());
  const StepMetrics first = run.Steps(1);
  EXPECT_EQ(first.Find("elbo"), nullptr) << "no reward was evaluated";
  const StepMetrics last = run.Steps(59);
  EXPECT_LT(*last.Find("loss"), 0.8);  // the entropy of the data is about 0.5
  EXPECT_EQ(*last.Find("sampled_actions"), 0);
  EXPECT_NE(run.Steps(1).Find("elbo"), nullptr) << "then the objective takes over";
}

TEST_F(TrainerTest, ImportanceWarmStartMovesTowardsTheTarget) {
  TrainingSetup setup = Setup();
  setup.warm_start = MaximumLikelihoodConfig{.importance = true};
  setup.trainer.warm_start_steps = 100;
  setup.trainer.conditions_per_step = 3;
  setup.trainer.rollouts = 64;
  setup.trainer.behaviour = {};
  TrainingRun run(setup);
  const auto log_reward = [&](ConditionId id) { return reward_.LogRewardOfObjects(id); };
  const double before = run.Worst(log_reward, 0.8).total_variation;
  run.Steps(100);
  EXPECT_LT(run.Worst(log_reward, 0.8).total_variation, before / 3);
}

TEST_F(TrainerTest, MetricsTellHowFarTheSamplerIs) {
  TrainingSetup setup = Setup();
  setup.trainer.conditions_per_step = 3;
  setup.trainer.rollouts = 64;
  setup.trainer.reward_temperature = {};
  setup.trainer.behaviour = {};
  TrainingRun run(setup);
  const StepMetrics before = run.Steps(1), after = run.Steps(300);
  EXPECT_GT(*before.Find("spread"), 0.5);
  EXPECT_LT(*after.Find("spread"), 0.1);
  double log_z = 0;
  for (const ConditionId id : run.ids()) log_z += reward_.LogRewardOfObjects(id).logsumexp(0).item<double>() / 3;
  EXPECT_NEAR(*after.Find("log_z"), log_z, 0.03);
  EXPECT_NEAR(*after.Find("elbo"), log_z, 0.03);
  EXPECT_LT(*before.Find("elbo"), log_z);
  EXPECT_NE(after.Find("reward.body"), nullptr);
}

class BrokenReward : public PrefixReward {
 public:
  StatusOr<RewardValueAlong> LogRewardAlong(const TrajectoryBatch& batch) const override {
    return RewardValueAlong{at::full(batch.actions_BT.sizes(), NAN, at::kDouble), {}};
  }
  std::string Digest() const override { return "broken"; }
};

TEST_F(TrainerTest, AFailedStepNamesTheTermAndSavesItsTrajectories) {
  const BrokenReward broken;
  TrainingSetup setup = Setup();
  setup.reward = &broken;
  setup.failure_folder = folder_.string();
  TrainingRun run(setup);
  const auto metrics = run.trainer().Step();
  ASSERT_FALSE(metrics.ok());
  const std::string message = Message(metrics.status());
  EXPECT_NE(message.find("step 0"), std::string::npos) << message;
  EXPECT_NE(message.find("log R is nan"), std::string::npos) << message;
  const auto stored = ReadTrajectories((folder_ / "failed_step_0.safetensors").string());
  ASSERT_TRUE(stored.ok()) << Message(stored.status());
  EXPECT_GT(stored->batch.size(), 0);
}

TEST_F(TrainerTest, ANonFiniteLossStopsTheStep) {
  TrainingSetup setup = Setup();
  setup.objective = TbConfig{};
  TrainingRun run(setup);
  {
    const at::NoGradGuard no_grad;
    run.parameters().Get("log_z").fill_(INFINITY);
  }
  const auto metrics = run.trainer().Step();
  ASSERT_FALSE(metrics.ok());
  EXPECT_NE(Message(metrics.status()).find("objective tb"), std::string::npos) << Message(metrics.status());
}

TEST_F(TrainerTest, PartsThatDoNotFitAreRefusedBeforeTheFirstStep) {
  auto refused = [&](auto change, const std::string& expected) {
    TrainingSetup setup = Setup();
    change(setup);
    const std::string message = Refusal(setup);
    EXPECT_NE(message.find(expected), std::string::npos) << "expected '" << expected << "' in: '" << message << "'";
  };
  refused([](TrainingSetup& s) { s.trainer.conditions_per_step = 4; }, "only 3 conditions");
  refused([](TrainingSetup& s) { s.trainer.rollouts = 1; }, "at least 2 rollouts");
  refused([](TrainingSetup& s) { s.trainer.rollouts = 0; }, "rollouts");
  refused([](TrainingSetup& s) { s.trainer.behaviour.replay = 0.9; }, "must be 1");
  refused([](TrainingSetup& s) { s.trainer.reward_temperature.end = 0; }, "end");
  refused([](TrainingSetup& s) { s.trainer.replay_given = true; }, "no objects are given");
  refused([](TrainingSetup& s) { s.trainer.warm_start_steps = 5; }, "needs given objects");
  refused([](TrainingSetup& s) { s.conditions = {"a", "b", "a"}; }, "listed twice");
  refused([&](TrainingSetup& s) { s.given = Given("a", {7, 3}); }, "action 7 is not legal");
  refused([](TrainingSetup& s) { s.trainer.backward_given = true; }, "backward_given is true, but no objects are given");
  refused([](TrainingSetup& s) { s.trainer.behaviour = {.on_policy = 0.5, .backward = 0.5}; }, "is a tree");
  refused([](TrainingSetup& s) { s.objective = ReinforceConfig{}; },
          "own rollouts only, but behaviour.on_policy is below 1; here fit: ");
  refused([](TrainingSetup& s) { s.objective = FlowMatchingConfig{}; }, "missing log_inflow");
  refused([](TrainingSetup& s) { s.objective = ModifiedDbConfig{}; }, "every state can stop");
  refused(
      [](TrainingSetup& s) {
        s.objective = ReinforceConfig{};
        s.trainer.behaviour = {};
        s.trainer.updates_per_batch = 2;
      },
      "one step on a batch only");
  // An objective whose inputs the policy does not have.
  class NoFlow : public Policy {
   public:
    explicit NoFlow(const Policy& policy) : policy_(policy) {}
    Needs Provides() const override { return policy_.Provides().Without(Need::kLogFlow); }
    std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& ids) const override {
      return policy_.StartRollout(ids);
    }
    TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
      return policy_.Score(batch, options);
    }

   private:
    const Policy& policy_;
  };
  refused(
      [](TrainingSetup& s) {
        s.objective = DbConfig{};
        s.wrap = [](const Policy& policy) { return std::make_unique<NoFlow>(policy); };
      },
      "missing log_flow");
  EXPECT_EQ(Refusal(Setup()), "");
}

}  // namespace
}  // namespace gfn
