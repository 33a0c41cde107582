// The trained sampler against the exact posterior of a real language model: vocabulary and length are cut so that every object
// can be listed, through the same code as a large model. Wrong variants of reward and loss must miss the same bars. Shapes: N
// objects of a condition, T steps.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <iostream>
#include <map>
#include <numeric>

#include "gflownet/core/trainer.h"
#include "gflownet/tensor/categorical.h"
#include "gflownet/tensor/device.h"
#include "llm/gfn/test_world.h"
#include "llm/gfn/trajectory_tokens.h"

namespace gfn {
namespace {

const std::string kModel = std::string(GFN_SOURCE_DIR) + "/tests/golden/small/llama";  // trained on stories

constexpr int32_t kBos = 1, kStop = 460;  // "."
// Three stories "X ? Y" in tokens of the model; the policy reads Y, then X.
SequenceCondition Story(std::vector<int32_t> x, std::vector<int32_t> y) {
  std::vector<int32_t> prompt = {kBos};
  prompt.insert(prompt.end(), y.begin(), y.end());
  prompt.insert(prompt.end(), x.begin(), x.end());
  x.insert(x.begin(), kBos);
  return {prompt, x, y};
}
std::vector<SequenceCondition> Stories() {
  return {Story({300, 269, 390, 327, 286, 276, 442, 460, 381, 327},
                {381, 343, 366, 343, 402, 320, 287, 312, 460}),  // The bus was late. She was ? She had not had one that day.
          Story({300, 269, 445, 461, 343, 261, 425, 456, 460, 346, 443, 327},
                {346, 443, 377, 292, 283, 436, 460}),  // The boy had a dog. It was ? It ran to him.
          Story({326, 265, 264, 291, 327, 355, 262, 425, 278, 460, 381, 327},
                // Her son was at the door. She was ? She had not had him there for a year.
                {381, 343, 366, 343, 436, 262, 274, 323, 261, 361, 378, 460})};
}
// it, her, with, not, one: with illegal ids between and around them.
const std::vector<int64_t> kLegal = {313, 329, 350, 366, 402};

// What is known of each object of one condition; index: tokens without the stop.
struct Exact {
  std::vector<double> log_reward, log_p_z, log_p_stop, log_p_y;  // [N]
  std::vector<double> log_p_renormalised;                        // [N] log p(z stop | x) over the legal tokens alone
};

double TotalVariation(const std::vector<double>& p, const std::vector<double>& q) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += std::abs(p[i] - q[i]);
  return sum / 2;
}

// exp(log_weight / temperature), normalised.
std::vector<double> Tempered(std::vector<double> log_weight, double temperature) {
  for (double& x : log_weight) x /= temperature;
  const double log_z = LogSumExp(log_weight);
  for (double& x : log_weight) x = std::exp(x - log_z);
  return log_weight;
}

// log R from a list of all objects: how mutants are made.
class ListedReward : public PrefixReward {
 public:
  using Table = std::map<std::pair<ConditionId, std::vector<int32_t>>, double>;
  explicit ListedReward(Table table) : table_(std::move(table)) {}
  StatusOr<RewardValueAlong> LogRewardAlong(const TrajectoryBatch& batch) const override {
    const TokenTrajectories tokens(batch);
    RewardValueAlong value;
    value.log_reward_along_BT = at::zeros({batch.size(), batch.num_steps()}, at::kDouble);
    for (int64_t b = 0; b < batch.size(); ++b) {
      for (size_t k = 0; k <= tokens.inner[b].size(); ++k) {
        if (!tokens.stop_legal[b][k]) continue;
        const std::vector<int32_t> prefix(tokens.inner[b].begin(), tokens.inner[b].begin() + k);
        value.log_reward_along_BT[b][k] = table_.at({batch.condition_ids[b], prefix});
      }
    }
    return value;
  }
  std::string Digest() const override { return "listed"; }

 private:
  Table table_;
};

constexpr double kTotalVariationBar = 0.05;

struct Error {
  double total_variation = 0, first_token = 0, log_z = 0;
};

class Truth : public testing::Test {
 protected:
  void SetUp() override {
    SetNumThreads(1);
    world_ = std::make_unique<TestWorld>(kModel, ModelDtype::kFloat32, Stories(), kLegal, std::vector<int64_t>{kStop}, 2, 4);
    objects_ = world_->Objects();
    ASSERT_EQ(objects_.size(), 25u + 125u + 625u);
    const SequencePolicy base(*world_->model, nullptr, nullptr, *world_->environment, PromptSource::kX);
    for (const ConditionId id : world_->conditions) {
      const auto texts =
          ScoreTexts(*world_->environment, base, *world_->reward, Repeat(id, static_cast<int64_t>(objects_.size())), objects_);
      ASSERT_TRUE(texts.ok()) << texts.status();
      batches_.push_back(
          MakeTokenBatch(*world_->environment, Repeat(id, static_cast<int64_t>(objects_.size())), objects_).value());
      Exact& exact = exact_.emplace_back();
      for (const SampledText& text : *texts) {
        exact.log_reward.push_back(text.log_reward);
        exact.log_p_z.push_back(text.terms.at("log_p_z"));
        exact.log_p_stop.push_back(text.terms.at("log_p_stop"));
        exact.log_p_y.push_back(text.terms.at("log_p_y"));
        exact.log_p_renormalised.push_back(text.log_q);
      }
    }
  }

  // The distance of a sampler from the posterior at T, the worst condition of each.
  Error ErrorOf(const Policy& policy, double temperature) const {
    Error worst;
    for (size_t c = 0; c < exact_.size(); ++c) {
      const TrajectoryScores scores = policy.Score(batches_[c], {.needs = Need::kLogPf, .with_grad = false});
      const at::Tensor log_q_N = scores.log_pf_BT.to(at::kDouble).sum(1).contiguous();
      const double* log_q = log_q_N.const_data_ptr<double>();
      const std::vector<double> target = Tempered(exact_[c].log_reward, temperature);
      std::vector<double> q, log_weight;
      std::map<int32_t, double> first;  // q - target of each first token
      double mean_a = 0;
      for (size_t i = 0; i < objects_.size(); ++i) {
        q.push_back(std::exp(log_q[i]));
        log_weight.push_back(exact_[c].log_reward[i] / temperature);
        mean_a += q[i] * (log_weight[i] - log_q[i]);
        first[objects_[i][0]] += q[i] - target[i];
      }
      EXPECT_NEAR(std::accumulate(q.begin(), q.end(), 0.0), 1, 1e-4) << "the policy is not a distribution over the objects";
      double first_token = 0;
      for (const auto& [token, difference] : first) first_token += std::abs(difference) / 2;
      worst.total_variation = std::max(worst.total_variation, TotalVariation(q, target));
      worst.first_token = std::max(worst.first_token, first_token);
      worst.log_z = std::max(worst.log_z, std::abs(mean_a - LogSumExp(log_weight)));
    }
    return worst;
  }

  // log R as a list, computed from what is known of each object.
  ListedReward ListOf(const std::function<double(const Exact&, size_t)>& log_reward) const {
    ListedReward::Table table;
    for (size_t c = 0; c < exact_.size(); ++c) {
      for (size_t i = 0; i < objects_.size(); ++i) {
        table[{world_->conditions[c], std::vector<int32_t>(objects_[i].begin(), objects_[i].end() - 1)}] =
            log_reward(exact_[c], i);
      }
    }
    return ListedReward(std::move(table));
  }

  // Trains a fresh adapter jointly on all conditions; the error of the sampler before and after.
  std::pair<Error, Error> Train(const Reward& reward, const ModifiedSubTbConfig& config, double temperature,
                                int64_t num_steps) const {
    return Train(reward, *MakeObjective(config).value(), temperature, num_steps);
  }
  std::pair<Error, Error> Train(const Reward& reward, const Objective& objective, double temperature, int64_t num_steps) const {
    TestSampler sampler(*world_, {.rank = 16, .alpha = 32, .targets = {}}, 3);
    OptimizerConfig optimizer_config;
    optimizer_config.learning_rate = kLearningRate;
    optimizer_config.beta2 = 0.99;
    optimizer_config.schedule = {
        .warmup_steps = 10, .decay = Decay::kCosine, .decay_steps = num_steps - 10, .final_fraction = 0.02};
    Optimizer optimizer = Optimizer::Create(optimizer_config, &sampler.parameters).value();
    TrainerConfig config;
    config.conditions_per_step = 3;
    config.rollouts = kRollouts;
    config.reward_temperature = {.start = temperature, .end = temperature};
    config.behaviour = {.on_policy = 0.5,
                        .tempered = 0.25,
                        .replay = 0.25,
                        .per_rollout = true,
                        .exploration = {.epsilon = 0.05, .temperature_min = 0.8, .temperature_max = 2}};
    config.replay.capacity = 100;
    config.replay.tolerance = 0;
    TrainerParts parts;
    parts.environment = world_->environment.get();
    parts.policy = sampler.policy.get();
    parts.reward = &reward;
    parts.objective = &objective;
    parts.parameters = &sampler.parameters;
    parts.optimizer = &optimizer;
    parts.conditions = world_->conditions;
    parts.seed = 5;
    const std::unique_ptr<Trainer> trainer = Trainer::Create(config, parts).value();
    const Error before = ErrorOf(*sampler.policy, temperature);
    for (int64_t step = 0; step < num_steps; ++step) {
      const auto metrics = trainer->Step();
      EXPECT_TRUE(metrics.ok()) << metrics.status();
      if (!metrics.ok()) break;
    }
    return {before, ErrorOf(*sampler.policy, temperature)};
  }

  static constexpr double kLearningRate = 5e-3;
  static constexpr int64_t kRollouts = 32, kSteps = 200, kMutantSteps = 100;

  std::unique_ptr<TestWorld> world_;
  std::vector<std::vector<int32_t>> objects_;
  std::vector<TrajectoryBatch> batches_;  // [conditions] all objects
  std::vector<Exact> exact_;              // [conditions]
};

class AtTemperature : public Truth, public testing::WithParamInterface<double> {};

TEST_P(AtTemperature, SamplerLearnsTheExactPosterior) {
  const auto [before, after] = Train(*world_->reward, ModifiedSubTbConfig{}, GetParam(), kSteps);
  EXPECT_GT(before.total_variation, 0.3);
  EXPECT_LT(after.total_variation, kTotalVariationBar);
  EXPECT_LT(after.first_token, 0.03);
  EXPECT_LT(after.log_z, 0.05);
}
INSTANTIATE_TEST_SUITE_P(Exact, AtTemperature, testing::Values(0.8, 1.0));

// ---- mutants: each is a mistake that is easily made, and each must miss the bar ----

// An objective that does not say what it needs of the world, and so is not refused where it is wrong.
class WithoutItsNeeds : public Objective {
 public:
  explicit WithoutItsNeeds(const ObjectiveConfig& config) : objective_(MakeObjective(config).value()) {}
  std::string Name() const override { return objective_->Name(); }
  Needs needs() const override { return objective_->needs(); }
  bool NeedsPrefixRewards() const override { return objective_->NeedsPrefixRewards(); }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    return objective_->Loss(scores, targets);
  }

 private:
  std::unique_ptr<Objective> objective_;
};

// Comparing prefixes within a trajectory alone cancels log q of the first min_len tokens: they never learn.
TEST_F(Truth, MutantWithFirstTokensDetachedFails) {
  const auto [before, after] = Train(ListOf([](const Exact& e, size_t i) { return e.log_reward[i]; }),
                                     WithoutItsNeeds(ModifiedSubTbConfig{.paper_compat = true}), 1, kSteps);
  EXPECT_GT(after.total_variation, kTotalVariationBar);
  EXPECT_GT(after.first_token, 0.03);
}

struct Mutant {
  std::string name;
  double temperature;  // at which the mistake shows: these posteriors are peaked, and squaring a T near 1 hardly moves them
  std::function<double(const Exact&, size_t)> log_reward;
};
void PrintTo(const Mutant& mutant, std::ostream* out) { *out << mutant.name; }

// A wrong log R: what its perfect sampler draws is far from the truth at that T, on every condition. Trained on it, the sampler
// does go there, so that the bar above does tell right from wrong.
class WrongReward : public Truth, public testing::WithParamInterface<Mutant> {};

TEST_P(WrongReward, MissesTheBar) {
  for (const Exact& exact : exact_) {
    std::vector<double> wrong;
    for (size_t i = 0; i < objects_.size(); ++i) wrong.push_back(GetParam().log_reward(exact, i));
    EXPECT_GT(TotalVariation(Tempered(wrong, GetParam().temperature), Tempered(exact.log_reward, GetParam().temperature)),
              kTotalVariationBar);
  }
  const auto [before, after] = Train(ListOf(GetParam().log_reward), ModifiedSubTbConfig{}, GetParam().temperature, kMutantSteps);
  EXPECT_GT(after.total_variation, kTotalVariationBar);
}
INSTANTIATE_TEST_SUITE_P(
    Mutants, WrongReward,
    testing::Values(Mutant{"renormalised_over_the_legal_vocabulary", 0.8,
                           [](const Exact& e, size_t i) { return e.log_p_renormalised[i] + e.log_p_y[i]; }},
                    Mutant{"temperature_applied_twice", 3, [](const Exact& e, size_t i) { return e.log_reward[i] / 3; }},
                    Mutant{"stop_missing", 0.8, [](const Exact& e, size_t i) { return e.log_p_z[i] + e.log_p_y[i]; }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace gfn
