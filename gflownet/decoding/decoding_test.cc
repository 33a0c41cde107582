// Every method against a world that is listed: beams against an exhaustive search, samplers against the exact target.
#include "gflownet/decoding/decoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "gflownet/decoding/beam.h"
#include "gflownet/decoding/smc.h"
#include "gflownet/env/exact.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/env/state_policies.h"
#include "gflownet/tensor/random.h"

namespace gfn {
namespace {

using testing::HasSubstr;

// Texts of 1 to 3 of three symbols with one of two stops: 78 objects, a policy that is none too good for them.
class Decoding : public testing::Test {
 protected:
  Decoding() {
    world_ =
        CreateWorld(PrefixTreeConfig{
                        .num_symbols = 3, .num_stops = 2, .min_length = 1, .max_length = 3, .reward = {.seed = 2, .scale = 0.6}})
            .value();
    policy_ = std::make_unique<TabularPolicy>(*world_.enumerable(), std::vector<ConditionId>{Unconditional()}, parameters_,
                                              StatePolicyOptions{.dtype = at::kDouble});
    for (const Parameter& parameter : parameters_)
      at::Tensor(parameter.value)
          .detach()
          .copy_(NormalTensor({7, RngPurpose::kTest, 0}, parameter.value.sizes(), at::kDouble, 0).mul(0.5));
    parameters_.RaiseVersion();
    parts_ = {.environment = world_.environment.get(), .policy = policy_.get(), .reward = world_.reward.get()};
    all_ = EnumerateTrajectories(*world_.environment, Unconditional(), 1000).value();
    log_q_ = LogProbOfTrajectories(*policy_, all_);
    log_reward_ = world_.reward->LogReward(all_).value().log_reward_B;
    for (int64_t b = 0; b < all_.size(); ++b) {
      const int64_t length = all_.lengths_B[b].item<int64_t>();
      const at::Tensor row = all_.actions_BT[b].contiguous();
      objects_.emplace_back(row.const_data_ptr<int64_t>(), row.const_data_ptr<int64_t>() + length);
      number_of_[objects_.back()] = b;
    }
  }
  // Objects from the most to the least probable under q.
  std::vector<Actions> ByLogQ() const {
    std::vector<Actions> sorted = objects_;
    std::ranges::sort(sorted, [&](const Actions& a, const Actions& b) { return LogQ(a) > LogQ(b); });
    return sorted;
  }
  double LogQ(const Actions& actions) const { return log_q_[number_of_.at(actions)].item<double>(); }
  std::vector<double> Target(double temperature) const {
    const at::Tensor p = (log_reward_ / temperature).softmax(0).contiguous();
    return {p.const_data_ptr<double>(), p.const_data_ptr<double>() + p.numel()};
  }
  double LogZ(double temperature = 1) const { return (log_reward_ / temperature).logsumexp(0).item<double>(); }
  // Pearson's chi-square of draws against probabilities, divided by its expectation, the degrees of freedom; objects of fewer
  // than 5 expected draws count together.
  double ChiSquare(const std::vector<Actions>& drawn, const std::vector<double>& p) const {
    std::vector<double> count(p.size());
    for (const Actions& actions : drawn) ++count[static_cast<size_t>(number_of_.at(actions))];
    const double n = static_cast<double>(drawn.size());
    double sum = 0, rare_count = 0, rare_p = 0, cells = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      if (n * p[i] < 5) {
        rare_count += count[i];
        rare_p += p[i];
        continue;
      }
      sum += (count[i] - n * p[i]) * (count[i] - n * p[i]) / (n * p[i]);
      ++cells;
    }
    if (n * rare_p >= 5) {
      sum += (rare_count - n * rare_p) * (rare_count - n * rare_p) / (n * rare_p);
      ++cells;
    }
    return sum / (cells - 1);
  }
  std::vector<Actions> Draw(const DecodingMethod& method, int64_t num, uint64_t seed = 1) const {
    const auto decoded = Decode(method, parts_, {Unconditional()}, num, {seed, RngPurpose::kTest, 0});
    EXPECT_TRUE(decoded.ok()) << decoded.status();
    return decoded->objects[0];
  }
  // One draw of each of many runs, which are conditions beside each other.
  std::vector<Actions> DrawEach(const DecodingMethod& method, int64_t runs) const {
    const auto decoded = Decode(method, parts_, std::vector<ConditionId>(static_cast<size_t>(runs), Unconditional()), 1,
                                {1, RngPurpose::kTest, 0});
    EXPECT_TRUE(decoded.ok()) << decoded.status();
    std::vector<Actions> drawn;
    for (const std::vector<Actions>& of_run : decoded->objects) drawn.push_back(of_run[0]);
    return drawn;
  }

  RewardedWorld world_;
  ParameterSet parameters_;
  std::unique_ptr<TabularPolicy> policy_;
  DecodingParts parts_;
  TrajectoryBatch all_;
  at::Tensor log_q_, log_reward_;
  std::vector<Actions> objects_;
  std::map<Actions, int64_t> number_of_;
};

TEST_F(Decoding, AWideBeamIsAnExhaustiveSearch) {
  const std::vector<Actions> sorted = ByLogQ();
  ASSERT_EQ(sorted.size(), 78u);
  const std::vector<Actions> found = Draw(BeamMethod{.beams = 100}, 78);
  EXPECT_EQ(found, sorted);
  // A narrow one need not find the best; what it finds is ordered, and distinct.
  const std::vector<Actions> four = Draw(BeamMethod{}, 4);
  ASSERT_EQ(four.size(), 4u);
  for (size_t i = 1; i < four.size(); ++i) EXPECT_GT(LogQ(four[i - 1]), LogQ(four[i]));
  EXPECT_FALSE(Decode(BeamMethod{.beams = 2}, parts_, {Unconditional()}, 4, {}).ok());
}

TEST_F(Decoding, GreedyTakesTheMostProbableActionEachTime) {
  Actions actions;
  State state = world_.environment->Initial({Unconditional()});
  while (!state.AllDone()) {
    const at::Tensor log_q = (policy_->Evaluate(state).forward_logits_BA)
                                 .masked_fill(world_.environment->ForwardSupport(state).Dense().logical_not(), -INFINITY);
    const at::Tensor action = log_q.argmax(1);
    actions.push_back(action.item<int64_t>());
    state = world_.environment->Step(state, action);
  }
  EXPECT_EQ(Draw(GreedyMethod{}, 1), std::vector<Actions>{actions});
}

TEST_F(Decoding, DiverseBeamsAvoidWhatEarlierGroupsTook) {
  // Without a penalty every group finds the same; with a large one no two begin alike while there are other beginnings.
  const std::vector<Actions> same = Draw(DiverseBeamMethod{.beams = 3, .groups = 3, .penalty = 0}, 3);
  ASSERT_EQ(same.size(), 3u);
  EXPECT_EQ(same[0], same[1]);
  EXPECT_EQ(same[1], same[2]);
  const std::vector<Actions> diverse = Draw(DiverseBeamMethod{.beams = 3, .penalty = 100}, 3);
  ASSERT_EQ(diverse.size(), 3u);
  EXPECT_NE(diverse[0][0], diverse[1][0]);
  EXPECT_NE(diverse[0][0], diverse[2][0]);
  EXPECT_NE(diverse[1][0], diverse[2][0]);
  EXPECT_FALSE(Decode(DiverseBeamMethod{.beams = 5, .groups = 2}, parts_, {Unconditional()}, 4, {}).ok());
}

TEST_F(Decoding, SamplingIsAsItsSettingsSay) {
  const std::vector<double> q = [&] {
    const at::Tensor p = log_q_.exp();
    return std::vector<double>(p.const_data_ptr<double>(), p.const_data_ptr<double>() + p.numel());
  }();
  EXPECT_LT(ChiSquare(Draw(SamplingMethod{}, 4000), q), 1.6);
  EXPECT_GT(ChiSquare(Draw(SamplingMethod{.temperature = 0.5}, 4000), q), 3);
  // The most probable action alone, by each of the three cuts.
  const std::vector<Actions> greedy = Draw(GreedyMethod{}, 1);
  for (const SamplingMethod& method : {SamplingMethod{.top_k = 1}, SamplingMethod{.top_p = 1e-6}, SamplingMethod{.min_p = 1}}) {
    EXPECT_EQ(Draw(method, 1), greedy);
    EXPECT_FALSE(HasDensity(method));
  }
  // Half the probability of the best action is enough for a second one, somewhere.
  const std::vector<Actions> cut = Draw(SamplingMethod{.min_p = 0.5}, 200);
  EXPECT_GT(std::set<Actions>(cut.begin(), cut.end()).size(), 1u);
  EXPECT_TRUE(HasDensity(SamplingMethod{}));
}

TEST_F(Decoding, BestOfManyHasTheHighestReward) {
  const auto mean = [&](const std::vector<Actions>& drawn) {
    double sum = 0;
    for (const Actions& actions : drawn) sum += log_reward_[number_of_.at(actions)].item<double>();
    return sum / static_cast<double>(drawn.size());
  };
  EXPECT_GT(mean(Draw(BestOfMethod{.candidates = 8}, 200)), mean(Draw(SamplingMethod{}, 200)) + 0.5);
  // Of very many the best there is.
  EXPECT_EQ(number_of_.at(Draw(BestOfMethod{.candidates = 20000}, 1)[0]), log_reward_.argmax().item<int64_t>());
}

// Resampled draws are the target itself, the nearer the more there are.
TEST_F(Decoding, ImportanceResamplingReachesTheTarget) {
  for (const double temperature : {1.0, 0.7}) {
    parts_.temperature = temperature;
    EXPECT_LT(ChiSquare(DrawEach(ImportanceMethod{.candidates = 200}, 1000), Target(temperature)), 1.6) << temperature;
  }
}

TEST_F(Decoding, SmcEstimatesZWithoutBias) {
  for (const double threshold : {0.0, 0.5, 1.0}) {
    for (const int64_t every : {1, 2}) {
      double sum = 0, square = 0;
      constexpr int kRuns = 2000;
      const auto decoded = Decode(SmcMethod{.particles = 4, .every = every, .ess_threshold = threshold}, parts_,
                                  std::vector<ConditionId>(kRuns, Unconditional()), 1, {1, RngPurpose::kTest, 0});
      ASSERT_TRUE(decoded.ok()) << decoded.status();
      for (const double log_z : decoded->log_z) {
        const double ratio = std::exp(log_z - LogZ());
        sum += ratio / kRuns;
        square += ratio * ratio / kRuns;
      }
      const double error = std::sqrt((square - sum * sum) / kRuns);
      EXPECT_NEAR(sum, 1, 4 * error) << threshold << " " << every;
      EXPECT_LT(error, 0.1);
    }
  }
}

TEST_F(Decoding, SmcReachesTheTargetAlsoThroughATemperedProposal) {
  parts_.temperature = 0.8;
  EXPECT_LT(ChiSquare(DrawEach(SmcMethod{.particles = 60, .temperature = 1.3}, 1200), Target(0.8)), 1.6);
}

// One conditional sweep of few particles, begun at an exact draw of the target, leaves the target as it was; a sweep whose
// retained particle could be lost would not.
TEST_F(Decoding, ConditionalSmcLeavesTheTargetInvariant) {
  const std::vector<double> p = Target(1);
  std::vector<Actions> begun, drawn;
  const RngKey key = {3, RngPurpose::kTest, 1};
  for (uint64_t run = 0; run < 3000; ++run) {
    double u = Uniform(key, run, 0);
    size_t at = 0;
    while (at + 1 < p.size() && u >= p[at]) u -= p[at++];
    begun.push_back(objects_[at]);
  }
  const auto result =
      RunSmc({.particles = 3, .ess_threshold = 1}, parts_, std::vector<ConditionId>(begun.size(), Unconditional()), begun, key);
  ASSERT_TRUE(result.ok()) << result.status();
  int64_t moved = 0;
  for (size_t run = 0; run < begun.size(); ++run) {
    const ParticleSet& set = result->sets[run];
    EXPECT_EQ(set.objects[0], begun[run]);
    drawn.push_back(set.objects[static_cast<size_t>(SystematicResampling(set.log_w, 1, Uniform(key, run, 1))[0])]);
    moved += drawn.back() != begun[run];
  }
  EXPECT_GT(moved, 500);
  EXPECT_LT(ChiSquare(drawn, p), 1.6);
}

TEST_F(Decoding, ChainsReachTheTarget) {
  for (const double temperature : {1.0, 0.85}) {
    parts_.temperature = temperature;
    EXPECT_LT(ChiSquare(Draw(MetropolisHastingsMethod{.steps = 30}, 1500), Target(temperature)), 1.6) << temperature;
  }
  EXPECT_GT(ChiSquare(Draw(MetropolisHastingsMethod{.steps = 1}, 3000), Target(0.7)), 3) << "one move is not enough";
}

TEST_F(Decoding, SystematicResamplingDrawsEachItsShare) {
  const std::vector<int64_t> chosen = SystematicResampling({std::log(0.5), std::log(0.3), std::log(0.2)}, 10, 0.4);
  EXPECT_EQ(std::ranges::count(chosen, 0), 5);
  EXPECT_EQ(std::ranges::count(chosen, 1), 3);
  EXPECT_EQ(std::ranges::count(chosen, 2), 2);
}

TEST(DecodingOfDags, WeighsNoSinglePaths) {
  const auto world = CreateWorld(HypergridConfig{.side = 3}, HypergridRewardConfig{}).value();
  ParameterSet parameters;
  const TabularPolicy policy(*world.enumerable(), {Unconditional()}, parameters, {});
  const DecodingParts parts = {.environment = world.environment.get(), .policy = &policy, .reward = world.reward.get()};
  const auto smc = Decode(SmcMethod{}, parts, {Unconditional()}, 1, {});
  ASSERT_FALSE(smc.ok());
  EXPECT_THAT(Message(smc.status()), HasSubstr("several lead there"));
  EXPECT_TRUE(Decode(MetropolisHastingsMethod{}, parts, {Unconditional()}, 1, {}).ok());
}

}  // namespace
}  // namespace gfn
