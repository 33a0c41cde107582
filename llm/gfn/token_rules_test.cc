// Rules that force tokens, on a small random model: what a forced token is and is not, that a sampler with them learns the exact
// posterior, and that rules which differ between sampling and scoring are found. That sampling, scoring and reward agree under
// them, the suites of sequence_test.cc show.
#include "llm/gfn/token_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gflownet/core/replay_buffer.h"
#include "gflownet/core/rollout.h"
#include "gflownet/core/rollout_checks.h"
#include "gflownet/core/trainer.h"
#include "gflownet/tensor/categorical.h"
#include "gflownet/tensor/device.h"
#include "gflownet/tensor/random.h"
#include "llm/gfn/device_rollout.h"
#include "llm/gfn/test_world.h"
#include "llm/gfn/toy_rules.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

using testing::HasSubstr;
using Toy = ToyRules;

constexpr int64_t kMinLen = 1, kMaxLen = 5;
const std::vector<SequenceCondition> kContents = {{.prompt = {4, 30, 47}, .x = {30, 47, 2}, .y = {11, 12, 13}},
                                                  {.prompt = {4, 30, 48, 7}, .x = {8}, .y = {14}}};

TestWorld::MakeRules Rules(const Toy::Mistakes& mistakes = {}, int64_t max_len = kMaxLen) {
  return [=](int64_t vocab_size) { return std::make_unique<Toy>(vocab_size, kMinLen, max_len, mistakes); };
}
TestWorld World(ModelDtype dtype, const TestWorld::MakeRules& rules = Rules()) {
  return TestWorld(std::string(GFN_SOURCE_DIR) + "/tests/golden/models/tiny_llama", dtype, kContents, rules);
}

// An adapter that makes a difference.
std::unique_ptr<TestSampler> Changed(const TestWorld& world) {
  auto sampler = std::make_unique<TestSampler>(world, LoraConfig{.rank = 3, .alpha = 6, .targets = {}}, 1);
  const at::NoGradGuard no_grad;
  uint64_t stream = 0;
  for (const Parameter& parameter : sampler->parameters) {
    at::Tensor(parameter.value)
        .copy_(NormalTensor({1, RngPurpose::kTest, 3}, parameter.value.sizes(), at::kFloat, stream++) * 0.3);
  }
  sampler->parameters.RaiseVersion();
  return sampler;
}

// bool [B, T]: actions that the rules force.
at::Tensor ForcedOf(const SequenceEnvironment& environment, const TrajectoryBatch& batch) {
  at::Tensor forced_BT = at::zeros(batch.actions_BT.sizes(), at::kBool);
  const auto along = environment.SupportAlong(batch);
  for (int64_t b = 0; b < batch.size(); ++b) {
    for (size_t k = 0; k < along[b].size(); ++k) {
      if (along[b][k].forced != TokenChoice::kNone) forced_BT[b][static_cast<int64_t>(k)] = true;
    }
  }
  return forced_BT;
}

class TokenRulesTest : public testing::Test {
 protected:
  TrajectoryBatch All(const TestWorld& world) const {
    std::vector<TrajectoryBatch> parts;
    for (const ConditionId id : world.conditions) {
      const auto objects = world.Objects(id);
      parts.push_back(MakeTokenBatch(*world.environment, Repeat(id, static_cast<int64_t>(objects.size())), objects).value());
    }
    return Concatenate(parts);
  }
  TestWorld world_ = World(ModelDtype::kFloat64);
};

TEST_F(TokenRulesTest, AnswerByConditionAndTokens) {
  const TokenRules& rules = world_.environment->rules();
  const SequenceCondition &three = kContents[0], &one = kContents[1];  // x of three tokens and of one
  const auto after = [&](const SequenceCondition& condition, const std::vector<int32_t>& tokens) {
    return rules.After(condition, tokens);
  };
  EXPECT_EQ(after(three, {}), (TokenChoice{.token_class = 0, .stop_legal = false}));
  EXPECT_EQ(after(three, {Toy::kA}), TokenChoice::Forced(Toy::kB));
  EXPECT_EQ(after(three, {Toy::kA, Toy::kB}), TokenChoice::Forced(Toy::kC));
  EXPECT_EQ(after(three, {Toy::kA, Toy::kB, Toy::kC}), (TokenChoice{.token_class = 1, .stop_legal = true})) << "no room for a";
  EXPECT_EQ(after(three, {7, 7, Toy::kEquals}), TokenChoice::Forced(Toy::kDigits[2])) << "1 + 1 + 3 modulo 3";
  EXPECT_EQ(after(one, {7, 7, Toy::kEquals}), TokenChoice::Forced(Toy::kDigits[0])) << "1 + 1 + 1 modulo 3";
  EXPECT_EQ(after(one, {7, 7, 7, 7}), (TokenChoice{.token_class = 2, .stop_legal = true}));
  EXPECT_EQ(after(one, {7, 7, 7, 7, 7}), (TokenChoice{.stop_legal = true}));
  EXPECT_TRUE(rules.IsCertain(after(one, {7, 7, 7, 7, 7})) && rules.IsCertain(after(one, {Toy::kA})));
  EXPECT_FALSE(rules.IsCertain(after(one, {7})));
}

TEST_F(TokenRulesTest, SayWhyTokensAreNoObject) {
  const TokenRules& rules = world_.environment->rules();
  const auto why = [&](const std::vector<int32_t>& inner) { return rules.WhyNot(kContents[0], inner); };
  EXPECT_EQ(why({7, Toy::kEquals, 7}), "") << "1 + 3 modulo 3";
  EXPECT_EQ(why({7, Toy::kEquals, 6}), "token 6 at place 3 is not what must stand there, token 7");
  EXPECT_EQ(why({7, Toy::kA}), "it may not end behind 2 tokens");
  EXPECT_EQ(why({7, 7, 7, Toy::kA}), "token 5 at place 4 is not allowed there");
  EXPECT_EQ(why({7, 7, 7, 7, Toy::kEquals}), "token 9 at place 5 is not allowed as the last of 5");
  EXPECT_EQ(why({8}), "token 8 at place 1 is not allowed inside") << "it is only ever forced";
  EXPECT_EQ(why({}), "it has 0 tokens before its stop, expected 1 to 5");
}

// log q = 0 and no gradient; stopping inside is illegal and has no reward; log p of the tokens is in R.
TEST_F(TokenRulesTest, ForcedTokensAreCertainAndCountInTheReward) {
  const auto sampler = Changed(world_);
  TrajectoryBatch batch = All(world_);
  const at::Tensor forced_BT = ForcedOf(*world_.environment, batch);
  ASSERT_GT(forced_BT.sum().item<int64_t>(), 20);
  const auto score = [&](bool with_grad) {
    return sampler->policy->Score(batch, {.needs = Need::kLogPf | Need::kLogStop, .with_grad = with_grad});
  };
  const TrajectoryScores scores = score(false);
  EXPECT_TRUE(scores.log_pf_BT.masked_select(forced_BT).eq(0).all().item<bool>());
  EXPECT_TRUE(scores.log_stop_BT.masked_select(forced_BT).eq(0).all().item<bool>());
  const auto gradient = [&](const at::Tensor& of_BT) {
    sampler->parameters.ZeroGrad();
    score(true).log_pf_BT.masked_select(of_BT).sum().backward();
    return sampler->parameters.GradNorm().value();
  };
  EXPECT_EQ(gradient(forced_BT), 0);
  EXPECT_GT(gradient(forced_BT.logical_not()), 0);
  EXPECT_FALSE(batch.stop_legal_BT.logical_and(forced_BT).any().item<bool>());

  ASSERT_TRUE(EvaluateReward(*world_.reward, batch, /*along=*/true).ok());
  EXPECT_TRUE(batch.log_reward_along_BT.masked_select(forced_BT).eq(0).all().item<bool>()) << "undefined, hence masked";
  // The same objects in a world that forces nothing have the same reward.
  const TestWorld free(std::string(GFN_SOURCE_DIR) + "/tests/golden/models/tiny_llama", ModelDtype::kFloat64, kContents,
                       {5, 6, 7, 8, 9, 20, 33, 50}, {Toy::kStop}, kMinLen, kMaxLen);
  TrajectoryBatch again = batch;
  ASSERT_TRUE(CompleteBatch(*free.environment, again).ok());
  ASSERT_TRUE(EvaluateReward(*free.reward, again, true).ok());
  ExpectClose(batch.log_reward_B, again.log_reward_B, kTinyModelTolerance, "log R");
}

// However a row explores, its forced tokens are what they must be, and rows beside it are what they were without it.
TEST_F(TokenRulesTest, NothingExploresAForcedToken) {
  const auto sampler = Changed(world_);
  constexpr RngKey kKey{3, RngPurpose::kRollout, 1};
  std::vector<RolloutRow> rows = RolloutRows(world_.conditions, 40, {.epsilon = 1});
  const auto hot = RolloutRows(world_.conditions, 40, {.epsilon = 0.2, .temperature = 50, .top_p = 0.9}, 1000);
  rows.insert(rows.end(), hot.begin(), hot.end());
  const TrajectoryBatch batch = Rollout(*world_.environment, *sampler->policy, rows, kKey).value();
  ASSERT_GT(ForcedOf(*world_.environment, batch).sum().item<int64_t>(), 50);
  for (int64_t b = 0; b < batch.size(); ++b) {
    std::vector<int32_t> inner;
    for (int64_t k = 0; k + 1 < batch.lengths_B[b].item<int64_t>(); ++k)
      inner.push_back(static_cast<int32_t>(batch.actions_BT[b][k].item<int64_t>()));
    EXPECT_EQ(world_.environment->rules().WhyNot(world_.table.Get(batch.condition_ids[b]), inner), "") << "row " << b;
  }
  for (const size_t b : {size_t{0}, size_t{57}, rows.size() - 1}) {
    const TrajectoryBatch alone = Rollout(*world_.environment, *sampler->policy, {rows[b]}, kKey).value();
    EXPECT_TRUE(alone.actions_BT.equal(batch.Gather(std::vector<int64_t>{static_cast<int64_t>(b)}).actions_BT)) << "row " << b;
  }
}

// Forced tokens are stored with the trajectory; what comes back from a buffer is what went in, and a buffer of other rules is
// refused at the token that they would not have forced.
TEST_F(TokenRulesTest, ReplayIsIdentical) {
  TrajectoryBatch batch = All(world_);
  ASSERT_TRUE(EvaluateReward(*world_.reward, batch, true).ok());
  ReplayBuffer buffer({.capacity = 1000, .tolerance = 0}, "rules", world_.reward->Digest());
  EXPECT_EQ(buffer.Add(batch), batch.size());
  TrajectoryBatch again = buffer.Contents();
  const at::Tensor stop_legal_BT = again.stop_legal_BT;
  ASSERT_TRUE(CompleteBatch(*world_.environment, again).ok());
  EXPECT_TRUE(again.stop_legal_BT.equal(stop_legal_BT));
  EXPECT_EQ(ForcedOf(*world_.environment, again).sum().item<int64_t>(),
            ForcedOf(*world_.environment, batch).sum().item<int64_t>());
  const auto sampler = Changed(world_);
  const ScoreOptions options{.needs = Need::kLogPf, .with_grad = false};
  ExpectClose(sampler->policy->Score(again, options).log_pf_BT.sum(), sampler->policy->Score(batch, options).log_pf_BT.sum(),
              kTinyModelTolerance, "log q of all objects");
  const TestWorld other = World(ModelDtype::kFloat64, Rules({.wrong_sum = 1}));
  const Status refused = CompleteBatch(*other.environment, again);
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("is not legal in"));
}

TEST_F(TokenRulesTest, RulesOfTokensStayOnTheHost) {
  const auto sampler = Changed(world_);
  const std::vector<RolloutRow> rows = RolloutRows(world_.conditions, 2);
  EXPECT_EQ(WhyNotOnDevice(*world_.environment, rows), "which tokens are legal depends on the tokens before them");
  std::vector<std::vector<int32_t>> prompts;
  for (const ConditionId id : world_.conditions) prompts.push_back(sampler->policy->Prompt(id));
  DecodeSession decoder(*world_.model, nullptr, prompts, {0, 0, 1, 1}, kMaxLen);
  const auto batch = SampleOnDevice(decoder, *world_.environment, rows, {1, RngPurpose::kRollout, 0});
  EXPECT_THAT(std::string(Message(batch.status())), HasSubstr("depends on the tokens before them"));
}

// ---- rules that differ between sampling and scoring ----

struct Mutant {
  std::string name;
  Toy::Mistakes mistakes;
};
void PrintTo(const Mutant& mutant, std::ostream* out) { *out << mutant.name; }

class DifferentRules : public TokenRulesTest, public testing::WithParamInterface<Mutant> {};
INSTANTIATE_TEST_SUITE_P(Mutants, DifferentRules,
                         testing::Values(Mutant{"the_span_is_free", {.no_span = true}},
                                         Mutant{"the_result_is_free", {.no_result = true}},
                                         Mutant{"the_result_is_another", {.wrong_sum = 1}},
                                         Mutant{"the_condition_does_not_count", {.condition = true}},
                                         Mutant{"the_room_is_another", {.no_room = true}},
                                         Mutant{"objects_end_inside", {.stops_inside = true}}),
                         [](const auto& info) { return info.param.name; });

TEST_P(DifferentRules, AreFoundInLogQ) {
  const TestWorld other = World(ModelDtype::kFloat64, Rules(GetParam().mistakes));
  const auto sampler = Changed(world_);
  const SequencePolicy scorer(*world_.model, &sampler->adapter, &sampler->parameters, *other.environment);
  const auto rollouts =
      Rollout(*world_.environment, *sampler->policy, RolloutRows(world_.conditions, 40), {3, RngPurpose::kRollout, 1});
  ASSERT_TRUE(rollouts.ok()) << Message(rollouts.status());
  const auto drift = [&](const Policy& policy) {
    const Replay session = ReplayThroughSession(*world_.environment, policy, *rollouts);
    return LargestDifference(policy.Score(*rollouts, {.needs = Need::kLogPf, .with_grad = false}).log_pf_BT, session.log_pf_BT);
  };
  EXPECT_LT(drift(*sampler->policy), kTinyModelTolerance.value);
  EXPECT_GT(drift(scorer), 1e-3);
}

// ---- the exact posterior ----

// A trained sampler against all objects, among which forced tokens stand, at the reward temperature T.
TEST(TokenRulesExact, SamplerLearnsThePosterior) {
  SetNumThreads(1);
  const TestWorld world = World(ModelDtype::kFloat32, Rules({}, 4));
  constexpr double kTemperature = 6;
  constexpr int64_t kSteps = 150;
  TestSampler sampler(world, {.rank = 16, .alpha = 32, .targets = {}}, 3);
  struct Error {
    double total_variation = 0, log_z = 0, inside = 0;
  };
  const auto error = [&] {
    Error worst;
    for (const ConditionId id : world.conditions) {
      const auto objects = world.Objects(id);
      const auto texts = ScoreTexts(*world.environment, *sampler.policy, *world.reward,
                                    Repeat(id, static_cast<int64_t>(objects.size())), objects)
                             .value();
      std::vector<double> log_weight;
      for (const SampledText& text : texts) log_weight.push_back(text.log_reward / kTemperature);
      const double log_z = LogSumExp(log_weight);
      double total_variation = 0, total = 0, mean_a = 0, forced = 0;
      for (size_t i = 0; i < texts.size(); ++i) {
        const double q = std::exp(texts[i].log_q), p = std::exp(log_weight[i] - log_z);
        total_variation += std::abs(q - p) / 2;
        total += q;
        mean_a += q * (log_weight[i] - texts[i].log_q);
        for (const int32_t token : texts[i].tokens) {
          if (token != Toy::kA && token != Toy::kEquals) continue;
          forced += p;
          break;
        }
      }
      EXPECT_NEAR(total, 1, 1e-4);
      worst.total_variation = std::max(worst.total_variation, total_variation);
      worst.log_z = std::max(worst.log_z, std::abs(mean_a - log_z));
      worst.inside = std::max(worst.inside, forced);
    }
    return worst;
  };
  OptimizerConfig optimizer_config;
  optimizer_config.learning_rate = 5e-3;
  optimizer_config.beta2 = 0.99;
  optimizer_config.schedule = {.warmup_steps = 10, .decay = Decay::kCosine, .decay_steps = kSteps - 10, .final_fraction = 0.02};
  Optimizer optimizer = Optimizer::Create(optimizer_config, &sampler.parameters).value();
  const auto objective = MakeObjective(ModifiedSubTbConfig{}).value();
  TrainerConfig config;
  config.conditions_per_step = 2;
  config.rollouts = 32;
  config.reward_temperature = {.start = kTemperature, .end = kTemperature};
  config.behaviour = {.on_policy = 0.5, .tempered = 0.25, .replay = 0.25, .per_rollout = true, .exploration = {.epsilon = 0.1}};
  config.replay.capacity = 100;
  config.replay.tolerance = 0;
  TrainerParts parts;
  parts.environment = world.environment.get();
  parts.policy = sampler.policy.get();
  parts.reward = world.reward.get();
  parts.objective = objective.get();
  parts.parameters = &sampler.parameters;
  parts.optimizer = &optimizer;
  parts.conditions = world.conditions;
  parts.seed = 5;
  const std::unique_ptr<Trainer> trainer = Trainer::Create(config, parts).value();
  const Error before = error();
  EXPECT_GT(before.total_variation, 0.3);
  EXPECT_GT(before.inside, 0.2) << "objects with forced tokens weigh something";
  for (int64_t step = 0; step < kSteps; ++step) ASSERT_TRUE(trainer->Step().ok());
  const Error after = error();
  EXPECT_LT(after.total_variation, 0.05);
  EXPECT_LT(after.log_z, 0.05);
}

// Programmer errors of rules are named.
class Broken : public TokenRules {
 public:
  explicit Broken(TokenChoice choice)
      : TokenRules({4, {true, true, false, false}, {2}, 1, 2}, {{true, true, false, false}}), choice_(choice) {}
  bool DependsOnStepOnly() const override { return true; }

 private:
  TokenChoice Decide(const SequenceCondition&, std::span<const int32_t>) const override { return choice_; }
  TokenChoice choice_;
};

TEST(TokenRulesDeathTest, KeepTheBoundsOfTheirSupport) {
  const auto ask = [](TokenChoice choice, std::vector<int32_t> tokens) { Broken(choice).After({}, tokens); };
  EXPECT_DEATH(ask({}, {0}), "nothing is legal behind 1");
  EXPECT_DEATH(ask(TokenChoice::Forced(2), {0}), "token 2 cannot be forced");
  EXPECT_DEATH(ask(TokenChoice::Forced(1), {0, 0}), "forced behind max_len = 2");
  EXPECT_DEATH(ask({.token_class = 0}, {0, 0}), "legal behind max_len = 2");
  EXPECT_DEATH(ask({.stop_legal = true}, {}), "a stop is legal behind 0");
  EXPECT_DEATH(ask({.stop_legal = true, .forced = 1}, {0}), "nothing but token 1");
}

}  // namespace
}  // namespace gfn
