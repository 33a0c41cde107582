// A preference-conditioned sampler finds the front of two rewards on a grid where the front is known.
#include <gtest/gtest.h>

#include "gflownet/core/rollout.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/training_fixture.h"
#include "gflownet/estimate/preference_reward.h"
#include "gflownet/estimate/rooted_world.h"
#include "gflownet/estimate/sample_from.h"

namespace gfn {
namespace {

TEST(Scalarise, ByHand) {
  const at::Tensor log_r = at::tensor(std::vector<double>{2, 8}, at::kDouble).log().unsqueeze(0);
  const auto value = [&](const Point& preference, Scalarisation kind) {
    return Scalarise(log_r, preference, kind).exp().item<double>();
  };
  EXPECT_NEAR(value({0.5, 0.5}, Scalarisation::kLogLinear), 4, 1e-12);
  EXPECT_NEAR(value({0.5, 0.5}, Scalarisation::kLinear), 5, 1e-12);
  EXPECT_NEAR(value({0.5, 0.5}, Scalarisation::kChebyshev), 4, 1e-12);
  EXPECT_NEAR(value({0.1, 0.9}, Scalarisation::kChebyshev), 8 / 0.9, 1e-12);
  EXPECT_NEAR(value({0, 1}, Scalarisation::kChebyshev), 8, 1e-12);
  EXPECT_NEAR(value({1, 0}, Scalarisation::kLogLinear), 2, 1e-12);
}

// Two bumps on a grid of side 6: the best trade-offs lie between their tops.
at::Tensor TwoBumps(const at::Tensor& position_BD) {
  const auto bump = [&](double x, double y) {
    const at::Tensor squares = (position_BD.select(1, 0) - x).square() + (position_BD.select(1, 1) - y).square();
    return -squares.to(at::kDouble) / 8;
  };
  return at::stack({bump(1, 4), bump(4, 2)}, 1);
}

std::vector<Point> Points(const at::Tensor& log_rewards_BM) { return ToPoints(log_rewards_BM.exp()); }

TEST(Preferences, TheFrontIsRecovered) {
  const Hypergrid grid({.dimensions = 2, .side = 6});
  ConditionTable conditions;
  const std::map<ConditionId, Point> preferences = InsertPreferences(SimplexGrid(2, 4), conditions).value();
  std::map<ConditionId, int64_t> roots;
  for (const auto& [id, preference] : preferences) roots[id] = 0;
  const auto world = RootedWorld::Create(grid, Unconditional(), roots);
  ASSERT_TRUE(world.ok()) << Message(world.status());
  const auto log_rewards = [&](const State& objects) { return TwoBumps(Hypergrid::Position((*world)->InWorld(objects))); };
  const PreferenceReward reward(**world, log_rewards, preferences, Scalarisation::kLogLinear, 6, "two bumps");

  TrainingSetup setup{.environment = world->get(), .reward = &reward, .objective = TbConfig{}};
  setup.conditions.clear();
  for (const ConditionId id : conditions.ids()) setup.conditions.push_back(conditions.Content(id));
  setup.trainer.conditions_per_step = 5;
  setup.trainer.rollouts = 24;
  setup.trainer.behaviour = {.on_policy = 0, .tempered = 1, .exploration = {.epsilon = 0.3}};
  TrainingRun run(setup);
  ASSERT_TRUE(run.status().ok()) << Message(run.status());
  const at::Tensor all = at::arange(36, at::kLong);
  const auto target = [&](ConditionId id) { return reward.LogRewardOf((*world)->ObjectsAt(all, id)); };
  DistributionError error;
  for (int round = 0; round < 18; ++round) {
    run.Steps(40);
    error = run.Worst(target, 1);
    if (error.total_variation < 0.04) break;
  }
  EXPECT_LT(error.total_variation, 0.1);  // of the worst preference

  // Samples of every preference against the front of all 36 objects.
  const std::vector<Point> truth = ParetoFront(Points(TwoBumps(Hypergrid::Position(grid.ObjectsAt(all, Unconditional())))));
  ASSERT_GE(truth.size(), 4u);
  std::vector<Point> found;
  for (const ConditionId id : conditions.ids()) {
    const auto samples = SampleFrom({.environment = world->get(), .policy = &run.table(), .reward = &reward, .condition = id}, {},
                                    {.num_samples = 100});
    ASSERT_TRUE(samples.ok()) << Message(samples.status());
    const std::vector<Point> points = Points(log_rewards(FinalStates(**world, samples->batch)));
    found.insert(found.end(), points.begin(), points.end());
  }
  EXPECT_GT(Hypervolume(found, {0, 0}), 0.97 * Hypervolume(truth, {0, 0}));
  EXPECT_LT(InvertedGenerationalDistance(ParetoFront(found), truth), 0.05);
}

}  // namespace
}  // namespace gfn
