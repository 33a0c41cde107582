// Every objective trains a table to its exact target, on a DAG and on a tree with several conditions; wrong variants of the code
// do not.
#include <gtest/gtest.h>

#include "gflownet/env/hypergrid.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/env/training_fixture.h"

namespace gfn {
namespace {

struct TrainingCase {
  std::string name;
  ObjectiveConfig objective;
};
void PrintTo(const TrainingCase& c, std::ostream* out) { *out << c.name; }

std::vector<TrainingCase> AllCases() {
  return {{"modified_subtb", ModifiedSubTbConfig{}},
          {"modified_subtb_root", ModifiedSubTbConfig{.root = true}},
          {"modified_subtb_lambda", ModifiedSubTbConfig{.lambda = 0.9, .root = true}},
          {"modified_subtb_huber", ModifiedSubTbConfig{.residual = HuberResidual{}}},
          {"modified_subtb_finals", ModifiedSubTbConfig{.prefix_weight = 0.1}},
          {"tb", TbConfig{}},
          {"vargrad", VarGradConfig{}},
          {"db", DbConfig{}},
          {"subtb", SubTbConfig{}}};
}
std::string NameOf(const testing::TestParamInfo<TrainingCase>& info) { return info.param.name; }

// ---- a DAG ----

class OnHypergrid : public testing::TestWithParam<TrainingCase> {
 protected:
  Hypergrid grid_{HypergridConfig{.dimensions = 2, .side = 8}};
  HypergridReward reward_{grid_, HypergridRewardConfig{}};
  at::Tensor LogReward() const { return reward_.LogRewardOf(grid_.ObjectsAt(at::arange(64, at::kLong), Unconditional())); }
};

TEST_P(OnHypergrid, LearnsTheReward) {
  TrainingSetup setup{.environment = &grid_, .reward = &reward_, .objective = GetParam().objective};
  setup.trainer.rollouts = 64;
  // A little uniform mixing keeps every cell visited; it never enters the loss.
  setup.trainer.behaviour = {.on_policy = 0, .tempered = 1, .exploration = {.epsilon = 0.2}};
  TrainingRun run(setup);
  ASSERT_TRUE(run.status().ok()) << Message(run.status());
  const auto log_reward = [&](ConditionId) { return LogReward(); };
  EXPECT_GT(run.Worst(log_reward, 1).total_variation, 0.3);
  DistributionError error;
  for (int64_t round = 0; round < 20; ++round) {
    run.Steps(40);
    error = run.Worst(log_reward, 1);
    if (error.total_variation < 0.015) break;
  }
  EXPECT_LT(error.total_variation, 0.02);
  if (run.UsesLogZ()) {
    EXPECT_NEAR(run.LearnedLogZ(0), error.log_z, 0.05);
  }
}

INSTANTIATE_TEST_SUITE_P(Exact, OnHypergrid, testing::ValuesIn(AllCases()), NameOf);

// ---- the shape of text: a tree, three conditions, minimum length, forced stop, two stops, a hole in the vocabulary ----

constexpr double kTemperature = 0.8;

class OnPrefixTree : public testing::TestWithParam<TrainingCase> {
 protected:
  PrefixTree tree_{PrefixTreeConfig{.num_symbols = 4, .num_stops = 2, .min_length = 2, .max_length = 3, .illegal_symbols = {1}}};
  PrefixTreeReward reward_{tree_, 5, 1.5};

  TrainingSetup Setup(const ObjectiveConfig& objective) const {
    TrainingSetup setup{.environment = &tree_, .reward = &reward_, .conditions = {"a", "b", "c"}, .objective = objective};
    setup.trainer.conditions_per_step = 3;
    setup.trainer.rollouts = 32;
    setup.trainer.reward_temperature = {.start = kTemperature, .end = kTemperature};
    setup.trainer.behaviour = {.on_policy = 0.4,
                               .tempered = 0.4,
                               .replay = 0.2,
                               .per_rollout = true,
                               .exploration = {.temperature_min = 0.7, .temperature_max = 2}};
    setup.trainer.replay.tolerance = 0;
    return setup;
  }
  DistributionError Worst(const TrainingRun& run) const {
    return run.Worst([&](ConditionId id) { return reward_.LogRewardOfObjects(id); }, kTemperature);
  }
  // Error after training in rounds until `target` is reached or the rounds are used up.
  DistributionError Train(TrainingRun& run, double target, int64_t max_rounds = 15) const {
    DistributionError error = Worst(run);
    EXPECT_GT(error.total_variation, 0.3);
    for (int64_t round = 0; round < max_rounds && error.total_variation > target; ++round) {
      run.Steps(40);
      error = Worst(run);
    }
    return error;
  }
};

TEST_P(OnPrefixTree, LearnsEveryCondition) {
  TrainingRun run(Setup(GetParam().objective));
  ASSERT_TRUE(run.status().ok()) << Message(run.status());
  EXPECT_LT(Train(run, 0.015).total_variation, 0.02);
}

INSTANTIATE_TEST_SUITE_P(Exact, OnPrefixTree, testing::ValuesIn(AllCases()), NameOf);

// ---- mutants: each is a mistake that is easily made, and each must miss the target ----

// log q of the first `num` actions without gradient.
class FirstActionsDetached : public Policy {
 public:
  FirstActionsDetached(const Policy& policy, int64_t num) : policy_(policy), num_(num) {}
  Needs Provides() const override { return policy_.Provides(); }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& ids) const override {
    return policy_.StartRollout(ids);
  }
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
    TrajectoryScores scores = policy_.Score(batch, options);
    const at::Tensor& all = scores.log_pf_BT;
    const at::Tensor first_T = at::arange(all.size(1), at::kLong).lt(num_).unsqueeze(0);
    scores.log_pf_BT = at::where(first_T, all.detach(), all);
    return scores;
  }

 private:
  const Policy& policy_;
  int64_t num_;
};

// log R of a right reward, changed.
class ChangedReward : public PrefixReward {
 public:
  using Change = std::function<at::Tensor(const TrajectoryBatch&, const at::Tensor& log_reward_along_BT)>;
  ChangedReward(const PrefixReward& reward, Change change) : reward_(reward), change_(std::move(change)) {}
  StatusOr<RewardValueAlong> LogRewardAlong(const TrajectoryBatch& batch) const override {
    auto value = reward_.LogRewardAlong(batch);
    value->log_reward_along_BT = change_(batch, value->log_reward_along_BT);
    return value;
  }
  std::string Digest() const override { return "changed " + reward_.Digest(); }

 private:
  const PrefixReward& reward_;
  Change change_;
};

class Mutants : public OnPrefixTree {
 protected:
  double TrainedError(const TrainingSetup& setup) const {
    TrainingRun run(setup);
    EXPECT_TRUE(run.status().ok()) << Message(run.status());
    return Train(run, 0.02, 6).total_variation;  // the right code needs 3
  }
};

// What the next test shows of it is why the pair is refused.
TEST_F(Mutants, WithinTrajectoriesTheFirstTokensNeverLearnAndAreRefused) {
  const TrainingRun run(Setup(ModifiedSubTbConfig{.paper_compat = true}));
  EXPECT_NE(Message(run.status()).find("some cannot: their actions would get no gradient"), std::string::npos)
      << Message(run.status());
}

TEST_F(Mutants, FirstTokensDetached) {
  TrainingSetup setup = Setup(ModifiedSubTbConfig{});
  setup.wrap = [](const Policy& policy) { return std::make_unique<FirstActionsDetached>(policy, 2); };
  EXPECT_GT(TrainedError(setup), 0.1);
}

TEST_F(Mutants, TemperatureAppliedTwice) {
  const ChangedReward cold(reward_,
                           [](const TrajectoryBatch&, const at::Tensor& log_reward) { return log_reward / kTemperature; });
  TrainingSetup setup = Setup(ModifiedSubTbConfig{});
  setup.reward = &cold;
  EXPECT_GT(TrainedError(setup), 0.03);
}

TEST_F(Mutants, TheRewardIgnoresWhichStopWasTaken) {
  const ChangedReward stopless(reward_, [this](const TrajectoryBatch& batch, const at::Tensor&) {
    TrajectoryBatch other = batch;
    other.actions_BT = batch.actions_BT.scatter(1, (batch.lengths_B - 1).unsqueeze(1), tree_.config().num_symbols);
    return reward_.LogRewardAlong(other)->log_reward_along_BT;
  });
  TrainingSetup setup = Setup(ModifiedSubTbConfig{});
  setup.reward = &stopless;
  EXPECT_GT(TrainedError(setup), 0.1);
}

}  // namespace
}  // namespace gfn
