// EM on the mixture, where the posterior is known: each way of an E-step against exact EM, and what a stop in the middle changes.
#include "lvm/em_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "gflownet/base/test_folder.h"
#include "gflownet/core/log_z_network.h"
#include "gflownet/env/state_policies.h"
#include "lvm/mixture/mixture_model.h"

namespace gfn {
namespace {

using testing::HasSubstr;

struct RunSetup {
  int64_t num_points = 300;
  double learning_rate = 5e-3;
  TrainerConfig trainer{.conditions_per_step = 300, .rollouts = 1};
};

SamplerEStepConfig Adaptive(double threshold, int64_t max_updates) {
  SamplerEStepConfig config;
  config.min_updates = 20;
  config.max_updates = max_updates;
  config.threshold = ScheduleConfig{.start = threshold, .end = threshold};
  return config;
}

EmConfig Config(decltype(EmConfig::e_step) e_step, decltype(EmConfig::m_step) m_step = ClosedFormMStepConfig{}) {
  EmConfig config;
  config.e_step = std::move(e_step);
  config.m_step = std::move(m_step);
  config.updates_per_step = 2000;
  return config;
}

// A mixture of width 0.5 whose means begin a good way from the truth, and a small network.
class EmRun {
 public:
  explicit EmRun(const EmConfig& config, const RunSetup& setup = {}) {
    MlpOptions network;
    network.width = 48;
    OptimizerConfig optimizer;
    optimizer.learning_rate = setup.learning_rate;
    optimizer.clip_norm = 10;
    const at::Tensor truth = MixtureModel::TrueMeans(4);
    const at::Tensor start = truth + at::tensor({0.6, -0.3, 0.2, 0.5, -0.4, -0.4, 0.5, 0.1}, at::kDouble).view({4, 2});
    model_ = MixtureModel::Create(0.5, MixtureModel::Simulate(truth, 0.5, setup.num_points, 5), start).value();
    reward_ = std::make_unique<ModelReward>(*model_, -30);
    policy_ = std::make_unique<MlpPolicy>(model_->world(),
                                          StateFeatures([this](const State& state) { return model_->Features(state); }),
                                          model_->NumFeatures(), parameters_, network, RngKey{1, RngPurpose::kInit, 0});
    with_log_z_ = std::make_unique<LogZNetworkPolicy>(
        *policy_, [this](const std::vector<ConditionId>& ids) { return model_->PointsOf(ids).to(at::kFloat); }, 2, parameters_,
        LogZNetworkOptions{.width = 48}, RngKey{1, RngPurpose::kInit, 1});
    optimizer_ = std::make_unique<Optimizer>(Optimizer::Create(optimizer, &parameters_).value());
    objective_ = MakeObjective(TbConfig{}).value();
    TrainerParts parts;
    parts.environment = &model_->world();
    parts.policy = with_log_z_.get();
    parts.reward = reward_.get();
    parts.objective = objective_.get();
    parts.parameters = &parameters_;
    parts.optimizer = optimizer_.get();
    parts.conditions = model_->conditions().ids();
    parts.seed = 1;
    trainer_ = Trainer::Create(setup.trainer, parts).value();
    EmParts em;
    em.environment = parts.environment;
    em.policy = parts.policy;
    em.reward = parts.reward;
    em.trainer = trainer_.get();
    em.model = model_.get();
    em.listed = &model_->world();
    em.seed = 1;
    em.conditions = parts.conditions;
    auto loop = EmTrainer::Create(config, em);
    status_ = loop.status();
    if (loop.ok()) loop_ = std::move(loop).value();
  }

  const Status& status() const { return status_; }
  EmTrainer& loop() { return *loop_; }
  MixtureModel& model() { return *model_; }
  Trainer& trainer() { return *trainer_; }
  const Reward& reward() const { return *reward_; }
  const Policy& policy() const { return *with_log_z_; }

  StepMetrics Steps(int64_t num) {
    StepMetrics last;
    for (int64_t i = 0; i < num; ++i) {
      auto metrics = loop_->Step();
      EXPECT_TRUE(metrics.ok()) << Message(metrics.status());
      if (metrics.ok()) last = *std::move(metrics);
    }
    return last;
  }
  double LogLikelihood() const { return model_->MeanLogLikelihood(); }
  // Mean over the points of the distance between q(z | x) and the posterior.
  double TotalVariation() const {
    const at::NoGradGuard no_grad;
    const TrajectoryBatch all = model_->world().EveryObject(model_->conditions().ids());
    const at::Tensor log_q_B = policy_->Score(all, {.needs = Need::kLogPf, .with_grad = false}).log_pf_BT.sum(1).to(at::kDouble);
    const at::Tensor q_CX = log_q_B.view({-1, 16}).exp(), p_CX = model_->LogJointTable().softmax(1);
    return ((q_CX - p_CX).abs().sum(1) / 2).mean().item<double>();
  }

 private:
  std::unique_ptr<MixtureModel> model_;
  std::unique_ptr<ModelReward> reward_;
  ParameterSet parameters_;
  std::unique_ptr<MlpPolicy> policy_;
  std::unique_ptr<LogZNetworkPolicy> with_log_z_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Trainer> trainer_;
  Status status_;
  std::unique_ptr<EmTrainer> loop_;
};

double ExactEm(int64_t iterations) {
  EmRun exact(Config(ExactEStepConfig{}));
  exact.Steps(iterations);
  return exact.LogLikelihood();
}

TEST(EmTrainer, ExactEmNeverLosesLikelihood) {
  EmRun run(Config(ExactEStepConfig{}));
  double before = run.LogLikelihood();
  const double first = before;
  for (int i = 0; i < 15; ++i) {
    run.Steps(1);
    EXPECT_GE(run.LogLikelihood(), before - 1e-12);
    before = run.LogLikelihood();
  }
  EXPECT_GT(before, first + 0.2);
}

TEST(EmTrainer, ASamplerReachesWhatExactEmReaches) {
  EmRun run(Config(Adaptive(0.1, 400)));
  const StepMetrics last = run.Steps(12);
  EXPECT_EQ(*last.Find("m_steps"), 12);
  EXPECT_NEAR(run.LogLikelihood(), ExactEm(12), 0.01);
  EXPECT_LT(run.TotalVariation(), 0.12);
}

TEST(EmTrainer, GradientStepsReachItToo) {
  GradientMStepConfig gradient;
  gradient.steps = 30;
  gradient.optimizer.learning_rate = 0.03;
  EmRun run(Config(ExactEStepConfig{}, gradient));
  run.Steps(30);
  EXPECT_NEAR(run.LogLikelihood(), ExactEm(30), 1e-3);
}

TEST(EmTrainer, ExactSamplesAndChainsReachItWithinTheirNoise) {
  const double exact = ExactEm(15);
  for (const decltype(EmConfig::e_step)& e_step : {decltype(EmConfig::e_step)(ExactSamplingEStepConfig{.samples = 4}),
                                                   decltype(EmConfig::e_step)(ChainEStepConfig{.steps = 60})}) {
    EmRun run(Config(e_step));
    run.Steps(15);
    EXPECT_NEAR(run.LogLikelihood(), exact, 0.03);
  }
}

// The weights of a mean-field E-step are a product of distributions of both choices, and the best one that coordinate ascent
// finds: its bound lies below the likelihood, and above that of other products.
TEST(EmTrainer, MeanFieldIsTheBestProduct) {
  EmRun run(Config(ExactEStepConfig{}));
  EStepParts parts;
  parts.model = &run.model();
  parts.listed = &run.model().world();
  const auto e_step = MakeEStep(Config(MeanFieldEStepConfig{.sweeps = 200}), parts).value();
  const TrajectoryBatch batch = e_step->Draw(run.model().conditions().ids(), 0).value();
  const at::Tensor q_C44 = batch.weight_B.view({-1, 4, 4}), log_joint_CX = run.model().LogJointTable();
  const at::Tensor group_C4 = q_C44.sum(2), petal_C4 = q_C44.sum(1);
  EXPECT_LT((q_C44 - group_C4.unsqueeze(2) * petal_C4.unsqueeze(1)).abs().max().item<double>(), 1e-9);
  const auto bound_C = [&](const at::Tensor& group, const at::Tensor& petal) {
    const at::Tensor q_CX = (group.unsqueeze(2) * petal.unsqueeze(1)).flatten(1);
    return (q_CX * (log_joint_CX - q_CX.clamp_min(1e-300).log())).sum(1);
  };
  const at::Tensor best_C = bound_C(group_C4, petal_C4);
  EXPECT_LE((best_C - log_joint_CX.logsumexp(1)).max().item<double>(), 1e-9);
  for (const int64_t value : {0, 3}) {
    const at::Tensor pull_4 = at::one_hot(at::tensor({value}), 4).to(at::kDouble);
    EXPECT_LT((bound_C(0.99 * group_C4 + 0.01 * pull_4, petal_C4) - best_C).max().item<double>(), 1e-6);
    EXPECT_LT((bound_C(group_C4, 0.99 * petal_C4 + 0.01 * pull_4) - best_C).max().item<double>(), 1e-6);
  }
}

TEST(EmTrainer, WakeSleepLearnsThePosteriorWithoutTheReward) {
  SamplerEStepConfig config;
  config.max_updates = 250;
  config.sleep = {.every = 1, .rows = 300, .only = true};
  EmRun run(Config(config));
  const double untrained = run.TotalVariation();
  const StepMetrics metrics = run.Steps(6);
  EXPECT_EQ(run.trainer().num_steps(), 0);
  EXPECT_NE(metrics.Find("sleep_loss"), nullptr);
  EXPECT_GT(untrained, 0.5);
  EXPECT_LT(run.TotalVariation(), 0.15);
  EXPECT_NEAR(run.LogLikelihood(), ExactEm(6), 0.05);
}

TEST(EmTrainer, AnMStepWaitsForTheLoss) {
  EmConfig config = Config(Adaptive(1e-9, 50));
  config.updates_per_step = 10;
  EmRun run(config);
  run.Steps(4);
  EXPECT_EQ(run.loop().num_m_steps(), 0) << "the loss is never so low, and max_updates is not reached";
  run.Steps(1);
  EXPECT_EQ(run.loop().num_m_steps(), 1);
  EXPECT_EQ(run.trainer().num_steps(), 50);
  EmRun soon(Config(Adaptive(1e9, 50)));
  soon.Steps(2);
  EXPECT_EQ(soon.trainer().num_steps(), 40) << "min_updates each";
}

// Rewards in the buffer are those of the model as it is.
TEST(EmTrainer, StoredRewardsFollowTheModel) {
  RunSetup setup;
  setup.trainer.behaviour.on_policy = 0.5;
  setup.trainer.behaviour.replay = 0.5;
  EmRun run(Config(Adaptive(1e9, 20)), setup);
  run.Steps(2);
  TrajectoryBatch stored = run.trainer().replay().Contents();
  ASSERT_GT(stored.size(), 100);
  const at::Tensor kept_B = stored.log_reward_B.clone();
  ASSERT_TRUE(EvaluateReward(run.reward(), stored).ok());
  EXPECT_LT((stored.log_reward_B - kept_B).abs().max().item<double>(), 1e-9);
}

TEST(EmTrainer, AStopInTheMiddleChangesNothing) {
  SamplerEStepConfig e_step = Adaptive(1e-9, 25);
  e_step.chain_steps = 2;
  e_step.sleep = {.every = 3, .rows = 50};
  EmConfig config = Config(e_step, GradientMStepConfig{});
  config.updates_per_step = 10;
  config.m_conditions = 100;
  EmRun through(config), first(config), second(config);
  const StepMetrics expected = through.Steps(7);
  first.Steps(4);  // 40 updates: in the middle of the second E-step
  const TestFolder folder;
  ASSERT_TRUE(first.loop().Save(folder.path()).ok());
  ASSERT_TRUE(second.loop().Load(folder.path()).ok());
  EXPECT_EQ(second.loop().num_steps(), 4);
  const StepMetrics found = second.Steps(3);
  EXPECT_EQ(found, expected);
  EXPECT_TRUE(second.model().means().equal(through.model().means()));
  // A damaged file is refused with its name.
  std::filesystem::resize_file(folder.path() + "/em.json", 10);
  EmRun third(config);
  EXPECT_THAT(Message(third.loop().Load(folder.path())), HasSubstr("em.json"));
}

TEST(EmTrainer, RefusesWhatTheModelHasNot) {
  class NoClosedForm : public GenerativeModel {
   public:
    ParameterSet& parameters() override { return parameters_; }
    StatusOr<at::Tensor> LogJoint(const TrajectoryBatch&) const override { return at::Tensor(); }
    StatusOr<TrajectoryBatch> SampleJoint(int64_t, const RngKey&) override { return TrajectoryBatch(); }
    std::string Digest() const override { return "without"; }

   private:
    ParameterSet parameters_;
  } model;
  EmRun run(Config(ExactEStepConfig{}));
  EmParts parts;
  parts.environment = &run.model().world();
  parts.reward = &run.reward();
  parts.trainer = &run.trainer();
  parts.model = &model;
  parts.conditions = run.model().conditions().ids();
  parts.policy = &run.policy();
  EXPECT_THAT(Message(EmTrainer::Create(Config(SamplerEStepConfig{}), parts).status()), HasSubstr("closed form"));
  EXPECT_THAT(Message(EmTrainer::Create(Config(MeanFieldEStepConfig{}, GradientMStepConfig{}), parts).status()),
              HasSubstr("list of all z"));
}

}  // namespace
}  // namespace gfn
