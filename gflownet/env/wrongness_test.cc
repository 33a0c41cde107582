// Results that look right and are not: each mistake made on purpose, and the guard that has to stop it. Without the guard the
// test fails, since the run goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gflownet/base/test_folder.h"
#include "gflownet/core/checked_policy.h"
#include "gflownet/core/rollout.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/env/training_fixture.h"

namespace gfn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr double kMaxDrift = 1e-3;

// A policy that samples by one policy and scores by another.
class TwoPolicies : public Policy {
 public:
  TwoPolicies(const Policy& sampler, const Policy& scorer) : sampler_(sampler), scorer_(scorer) {}
  Needs Provides() const override { return scorer_.Provides(); }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& ids) const override {
    return sampler_.StartRollout(ids);
  }
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
    return scorer_.Score(batch, options);
  }

 private:
  const Policy& sampler_;
  const Policy& scorer_;
};

// Scores in another type, and far from 0.
class ScaledScores : public Policy {
 public:
  ScaledScores(const Policy& policy, at::ScalarType type, double scale) : policy_(policy), type_(type), scale_(scale) {}
  Needs Provides() const override { return policy_.Provides(); }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& ids) const override {
    return policy_.StartRollout(ids);
  }
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
    TrajectoryScores scores = policy_.Score(batch, options);
    scores.log_pf_BT = scores.log_pf_BT.mul(scale_).to(type_);
    return scores;
  }

 private:
  const Policy& policy_;
  at::ScalarType type_;
  double scale_;
};

// log R = value of every object.
class ConstantReward : public PrefixReward {
 public:
  explicit ConstantReward(double value) : value_(value) {}
  StatusOr<RewardValueAlong> LogRewardAlong(const TrajectoryBatch& batch) const override {
    return RewardValueAlong{at::full(batch.actions_BT.sizes(), value_, at::kDouble), {}};
  }
  std::string Digest() const override { return "constant"; }

 private:
  double value_;
};

class WrongnessTest : public testing::Test {
 protected:
  static PrefixTree Tree(int64_t min_length, int64_t max_length = 4) {
    return PrefixTree(PrefixTreeConfig{.num_symbols = 3, .num_stops = 1, .min_length = min_length, .max_length = max_length});
  }
  TrainingSetup Setup() const {
    TrainingSetup setup{.environment = &tree_, .reward = &reward_, .conditions = {"a", "b"}, .objective = ModifiedSubTbConfig{}};
    setup.trainer.conditions_per_step = 2;
    setup.trainer.rollouts = 6;
    setup.trainer.behaviour = {.on_policy = 0.4,
                               .tempered = 0.3,
                               .replay = 0.3,
                               .per_rollout = true,
                               .exploration = {.epsilon = 0.1, .temperature_min = 0.5, .temperature_max = 2}};
    return setup;
  }
  // A run whose sampler is `sampler` (the trained policy itself where null), watched. The status of its first bad step.
  Status RunWatched(const Policy* sampler, double* largest_drift) const {
    std::unique_ptr<TwoPolicies> pair;
    const CheckedPolicy* checked = nullptr;
    TrainingSetup setup = Setup();
    setup.wrap = [&](const Policy& policy) {
      pair = std::make_unique<TwoPolicies>(sampler != nullptr ? *sampler : policy, policy);
      auto watched = std::make_unique<CheckedPolicy>(*pair, tree_);
      checked = watched.get();
      return watched;
    };
    TrainingRun run(setup);
    RETURN_IF_ERROR(run.status());
    CheckedLoop loop(run.trainer(), *checked, kMaxDrift);
    for (int i = 0; i < 10; ++i) {
      ASSIGN_OR_RETURN(const StepMetrics metrics, loop.Step());
      const double* drift = metrics.Find("sampler_drift");
      if (drift == nullptr) return Internal("nothing was compared");
      *largest_drift = std::max(*largest_drift, *drift);
    }
    return OkStatus();
  }

  // A policy of zeros, which nobody trains, on some world.
  struct Untrained {
    explicit Untrained(const EnumerableEnvironment& world)
        : policy(world, {HashCondition("a"), HashCondition("b")}, parameters,
                 {.learned_backward = false, .flow = true, .dtype = at::kFloat}) {}
    ParameterSet parameters;
    TabularPolicy policy;
  };

  const PrefixTree tree_ = Tree(1);
  const PrefixTreeReward reward_{tree_, 2, 1};
};

TEST_F(WrongnessTest, TheSamplerThatIsTrainedPasses) {
  double drift = 0;
  const Status status = RunWatched(nullptr, &drift);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_LT(drift, 1e-5);
}

TEST_F(WrongnessTest, ASamplerWithoutTheTrainedParametersIsStopped) {
  const Untrained untrained(tree_);
  double drift = 0;
  EXPECT_THAT(Message(RunWatched(&untrained.policy, &drift)),
              AllOf(HasSubstr("the sampler and the scorer disagree"), HasSubstr("step 2")))
      << "the first step samples from zeros anyway, the second must not";
}

TEST_F(WrongnessTest, ASamplerWithOtherMasksIsStopped) {
  // What is compared is the sampler's choice under the world's own masks, so masks that differ show in the scores.
  const PrefixTree other = Tree(2);
  const Untrained scorer(other), sampler(tree_);
  const TwoPolicies pair(sampler.policy, scorer.policy);
  const CheckedPolicy checked(pair, tree_);
  const TrajectoryBatch batch = Rollout(tree_, checked, RolloutRows({HashCondition("a")}, 8), {1, RngPurpose::kTest, 0}).value();
  (void)checked.Score(batch, {.needs = Need::kLogPf, .with_grad = false});
  EXPECT_GT(checked.TakeDrift().value, 0.05);
}

TEST_F(WrongnessTest, AStepThatComparesNothingIsStopped) {
  // The guard hears what is sampled, but the trainer scores past it.
  std::unique_ptr<CheckedPolicy> checked;
  TrainingSetup setup = Setup();
  setup.wrap = [&](const Policy& policy) {
    checked = std::make_unique<CheckedPolicy>(policy, tree_);
    return std::make_unique<TwoPolicies>(*checked, policy);
  };
  TrainingRun run(setup);
  ASSERT_TRUE(run.status().ok()) << run.status();
  CheckedLoop loop(run.trainer(), *checked, kMaxDrift);
  EXPECT_THAT(Message(loop.Step().status()), AllOf(HasSubstr("step 1"), HasSubstr("none was scored")));
}

TEST_F(WrongnessTest, EveryMicroBatchIsCompared) {
  const CheckedPolicy* watched = nullptr;
  TrainingSetup setup = Setup();
  setup.trainer.conditions_per_step = 2;
  setup.trainer.micro_batch_conditions = 1;
  setup.trainer.behaviour = {};
  setup.wrap = [&](const Policy& policy) {
    auto wrapped = std::make_unique<CheckedPolicy>(policy, tree_);
    watched = wrapped.get();
    return wrapped;
  };
  TrainingRun run(setup);
  run.Steps(1);
  const CheckedPolicy::Drift drift = watched->TakeDrift();
  EXPECT_EQ(drift.num_sampled, 2 * CheckedPolicyOptions{}.rows);
  EXPECT_EQ(drift.num_compared, drift.num_sampled);
}

TEST_F(WrongnessTest, TheReplayBufferHoldsRewardsWithoutTemperature) {
  const TestFolder folder;
  TrainingSetup setup = Setup();
  setup.trainer.reward_temperature = {.start = 2, .end = 2, .steps = 0};
  TrainingRun run(setup), resumed(setup);
  const auto expect_untempered = [&](const TrajectoryBatch& stored) {
    ASSERT_GT(stored.size(), 0);
    TrajectoryBatch again = stored;
    ASSERT_TRUE(EvaluateReward(reward_, again, true).ok());
    EXPECT_TRUE(stored.log_reward_B.equal(again.log_reward_B));
  };
  run.Steps(3);
  expect_untempered(run.trainer().replay().Contents());
  ASSERT_TRUE(run.trainer().Save(folder.path()).ok());
  ASSERT_TRUE(resumed.trainer().Load(folder.path()).ok());
  resumed.Steps(3);
  expect_untempered(resumed.trainer().replay().Contents());
}

TEST_F(WrongnessTest, ObjectsOfAnotherConfigurationAreNotReplayed) {
  const TestFolder folder;
  TrainingRun run(Setup());
  run.Steps(2);
  ASSERT_TRUE(run.trainer().Save(folder.path()).ok());
  const PrefixTree shorter = Tree(0);
  const PrefixTreeReward reward(shorter, 2, 1);
  TrainingSetup setup = Setup();
  setup.environment = &shorter;
  setup.reward = &reward;
  TrainingRun other(setup);
  const Status status = other.trainer().Load(folder.path());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("of another support"), HasSubstr(tree_.SupportDigest()), HasSubstr(shorter.SupportDigest())));
}

TEST_F(WrongnessTest, ObjectsOfConditionsThatLeftTheDataAreForgotten) {
  const TestFolder folder;
  TrainingSetup setup = Setup();
  setup.conditions = {"a", "b", "c"};
  setup.trainer.conditions_per_step = 3;
  TrainingRun run(setup);
  run.Steps(2);
  const ReplayBuffer& stored = run.trainer().replay();
  ASSERT_GT(stored.NumItems(HashCondition("c")), 0);
  ASSERT_TRUE(run.trainer().Save(folder.path()).ok());
  // The same tables of parameters, another set of conditions.
  setup.conditions = {"a", "b", "d"};
  TrainingRun edited(setup);
  ASSERT_TRUE(edited.trainer().Load(folder.path()).ok());
  EXPECT_EQ(edited.trainer().replay().NumItems(), stored.NumItems() - stored.NumItems(HashCondition("c")));
  EXPECT_TRUE(edited.trainer().Step().ok());
}

TEST_F(WrongnessTest, RewardsThatAreNotFiniteStopTheStep) {
  for (const double value : std::vector<double>{-INFINITY, INFINITY, std::nan("")}) {
    const ConstantReward reward(value);
    TrainingSetup setup = Setup();
    setup.reward = &reward;
    TrainingRun run(setup);
    const auto metrics = run.trainer().Step();
    ASSERT_FALSE(metrics.ok()) << value;
    EXPECT_THAT(Message(metrics.status()), AllOf(HasSubstr("log R is "), HasSubstr("expected a finite number")));
    EXPECT_EQ(run.trainer().num_steps(), 0);
  }
}

TEST_F(WrongnessTest, AnOverflowOfHalfPrecisionInTheLossStopsTheStep) {
  // Half precision overflows in the loss; bfloat16, with the range of float32, in its gradient. Each has a guard of its own.
  struct Overflow {
    at::ScalarType type;
    double scale;
    const char* message;
  };
  for (const auto& [type, scale, message] :
       {Overflow{at::kHalf, 7e4, "the loss of condition"}, Overflow{at::kBFloat16, 1e30, "is not finite"}}) {
    TrainingSetup setup = Setup();
    setup.wrap = [&, type = type, scale = scale](const Policy& policy) {
      return std::make_unique<ScaledScores>(policy, type, scale);
    };
    TrainingRun run(setup);
    std::vector<at::Tensor> before;
    for (const Parameter& parameter : run.parameters()) before.push_back(parameter.value.detach().clone());
    const auto metrics = run.trainer().Step();
    ASSERT_FALSE(metrics.ok()) << type;
    EXPECT_THAT(Message(metrics.status()), testing::HasSubstr(message)) << type;
    for (size_t i = 0; i < before.size(); ++i)
      EXPECT_TRUE(run.parameters()[i].value.equal(before[i])) << "a refused step changes nothing";
  }
}

}  // namespace
}  // namespace gfn
