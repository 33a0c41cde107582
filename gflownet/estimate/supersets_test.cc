// Probabilities that a sampled set contains a given one, and samples of its supersets, against enumeration.
#include "gflownet/estimate/supersets.h"

#include <gtest/gtest.h>

#include "gflownet/env/subset.h"
#include "gflownet/estimate/estimate_test_worlds.h"

namespace gfn {
namespace {

class OnSubsets : public testing::Test {
 protected:
  static constexpr double kTemperature = 3;  // a target that the random table is not too far from
  Subset world_{{.num_elements = 5, .min_size = 0, .max_size = 5}};
  SubsetReward reward_{world_, {.seed = 3}};
  RandomTable table_{world_, {Unconditional()}, 9, 0.25};
  Sampler sampler_{.environment = &world_, .policy = &table_.policy(), .reward = &reward_, .temperature = kTemperature};
  StateGraph graph_ = StateGraph::Build(world_, Unconditional()).value();
  at::Tensor log_p_X_ = Normalise(ExactLogReward(world_, graph_, reward_, Unconditional()).value() / kTemperature);
  std::vector<int64_t> path_ = {3, 1};

  static at::Tensor Normalise(const at::Tensor& log_r_X) { return log_r_X - log_r_X.logsumexp(0); }
  // Whether the sets contain {1, 3}: no numbering of states is needed.
  static at::Tensor Contains(const State& state) {
    return Subset::Members(state).select(1, 1).logical_and(Subset::Members(state).select(1, 3));
  }
  at::Tensor Below() const { return Contains(world_.ObjectsAt(at::arange(world_.NumObjects(), at::kLong), Unconditional())); }
};

TEST_F(OnSubsets, ReachableObjectsAreTheSupersets) {
  const State subsets = world_.StatesAt(at::arange(graph_.num_states(), at::kLong), Unconditional());
  int64_t state = -1;
  for (int64_t s = 0; s < graph_.num_states(); ++s) {
    const State one = subsets.Gather(at::tensor(std::vector<int64_t>{s}, at::kLong));
    if (Contains(one).item<bool>() && Subset::Members(one).sum().item<int64_t>() == 2) state = s;
  }
  ASSERT_GE(state, 0);
  EXPECT_TRUE(ReachedFrom(graph_, state).slice(0, graph_.num_states()).equal(Below()));
}

TEST_F(OnSubsets, Marginal) {
  const double of_target = (log_p_X_.exp() * Below()).sum().item<double>();
  const double of_sampler = (ExactLogTerminating(world_, table_.policy(), Unconditional()).exp() * Below()).sum().item<double>();
  const auto estimate = EstimateMarginal(sampler_, path_, &Contains, {.num_samples = 6000});
  ASSERT_TRUE(estimate.ok()) << Message(estimate.status());
  ExpectCovers(estimate->counted, of_sampler, 0.1, "of the sampler");
  ExpectCovers(estimate->weighted, of_target, 0.2, "of the target, by weights");
  ExpectCovers(estimate->by_flow, of_target, 0.2, "of the target, by free energies");
}

TEST_F(OnSubsets, ConditionalSampler) {
  const auto drawn = SampleBelow(sampler_, path_, &Contains, 3000, {.num_samples = 20000, .rows_at_a_time = 4096});
  ASSERT_TRUE(drawn.ok()) << Message(drawn.status());
  const State objects = FinalStates(world_, drawn->batch);
  EXPECT_TRUE(Contains(objects).all().item<bool>());
  const at::Tensor count_X =
      at::zeros({world_.NumObjects()}, at::kDouble).index_add(0, world_.ObjectIndex(objects), at::ones({3000}, at::kDouble));
  const at::Tensor target_X = Normalise(log_p_X_.masked_fill(Below().logical_not(), -INFINITY)).exp();
  // 8 supersets: 3,000 exact samples miss by about 0.02.
  EXPECT_LT((count_X / 3000 - target_X).abs().sum().item<double>() / 2, 0.06);
  EXPECT_GT(drawn->ess, 500);
}

}  // namespace
}  // namespace gfn
