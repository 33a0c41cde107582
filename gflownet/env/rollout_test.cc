#include "gflownet/core/rollout.h"

#include <gtest/gtest.h>

#include "gflownet/env/exact.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/env/state_policies.h"

namespace gfn {
namespace {

const std::vector<ConditionId> kNone = {Unconditional()};
constexpr RngKey kRolloutKey{7, RngPurpose::kRollout, 3};

// A grid with a policy that is far from uniform.
struct Grid {
  Hypergrid world{HypergridConfig{.dimensions = 2, .side = 4}};
  ParameterSet parameters;
  TabularPolicy policy{world, kNone, parameters, {.dtype = at::kDouble}};
  Grid() {
    const at::NoGradGuard no_grad;
    const at::Tensor& table = parameters.Get("table.forward");
    table.copy_(2 * at::arange(table.numel(), at::kDouble).view(table.sizes()).mul(1.7).sin());
  }
};

TrajectoryBatch Sample(const Environment& world, const Policy& policy, const std::vector<RolloutRow>& rows) {
  auto batch = Rollout(world, policy, rows, kRolloutKey);
  EXPECT_TRUE(batch.ok()) << Message(batch.status());
  return std::move(batch).value();
}

// Share of the rows that ended in each object. [X]
at::Tensor Frequencies(const EnumerableEnvironment& world, const TrajectoryBatch& batch) {
  const at::Tensor objects = world.ObjectIndex(FinalStates(world, batch));
  return at::bincount(objects, {}, world.NumObjects()).to(at::kDouble) / static_cast<double>(batch.size());
}

double TotalVariation(const at::Tensor& p, const at::Tensor& q) { return (p - q).abs().sum().item<double>() / 2; }

TEST(Rollout, RowsDoNotDependOnEachOther) {
  const Grid grid;
  std::vector<RolloutRow> rows = RolloutRows(kNone, 12);
  for (size_t i = 0; i < rows.size(); i += 3) rows[i].exploration = {.epsilon = 0.2, .temperature = 1.5, .top_k = 2};
  const TrajectoryBatch together = Sample(grid.world, grid.policy, rows);
  EXPECT_TRUE(together.Check().ok());
  for (size_t i = 0; i < rows.size(); ++i) {
    const TrajectoryBatch alone = Sample(grid.world, grid.policy, {rows[i]});
    const TrajectoryBatch row = together.Gather(std::vector<int64_t>{static_cast<int64_t>(i)});
    EXPECT_TRUE(alone.actions_BT.equal(row.actions_BT)) << i;
    EXPECT_TRUE(alone.stop_legal_BT.equal(row.stop_legal_BT)) << i;
    EXPECT_TRUE(alone.backward_actions_BT.equal(row.backward_actions_BT)) << i;
  }
  std::vector<RolloutRow> reversed(rows.rbegin(), rows.rend());
  EXPECT_TRUE(Sample(grid.world, grid.policy, reversed).lengths_B.flip(0).equal(together.lengths_B));
}

TEST(Rollout, SamplesThePolicy) {
  const Grid grid;
  const at::Tensor exact = ExactLogTerminating(grid.world, grid.policy, Unconditional()).exp();
  const at::Tensor found = Frequencies(grid.world, Sample(grid.world, grid.policy, RolloutRows(kNone, 20000)));
  // Expected TV of 20,000 draws over 16 cells is below 1/2 sqrt(16 / 20,000) = 0.014.
  EXPECT_LT(TotalVariation(found, exact), 0.02);
}

// The exact distribution of a policy whose every step is changed by `change`, by changing its table.
at::Tensor ExactChanged(const Grid& grid,
                        const std::function<at::Tensor(const at::Tensor& logits, const at::Tensor& legal)>& change) {
  const State all = grid.world.StatesAt(at::arange(grid.world.NumStates(), at::kLong), Unconditional());
  Grid changed;
  const at::NoGradGuard no_grad;
  const at::Tensor logits = grid.policy.Evaluate(all).forward_logits_BA;
  const at::Tensor legal = grid.world.ForwardSupport(all).Dense();
  changed.parameters.Get("table.forward").copy_(change(logits.masked_fill(legal.logical_not(), -INFINITY), legal).unsqueeze(0));
  return ExactLogTerminating(changed.world, changed.policy, Unconditional()).exp();
}

TEST(Rollout, ExplorationIsWhatItSays) {
  const Grid grid;
  auto frequencies = [&](const Exploration& exploration) {
    return Frequencies(grid.world, Sample(grid.world, grid.policy, RolloutRows(kNone, 20000, exploration)));
  };
  const at::Tensor tempered = ExactChanged(grid, [](const at::Tensor& logits, const at::Tensor&) { return logits / 2; });
  EXPECT_LT(TotalVariation(frequencies({.temperature = 2}), tempered), 0.02);
  const at::Tensor mixed = ExactChanged(grid, [](const at::Tensor& logits, const at::Tensor& legal) {
    const at::Tensor uniform = legal.to(at::kDouble) / legal.sum(1, true);
    return (0.7 * logits.softmax(1) + 0.3 * uniform).log();
  });
  EXPECT_LT(TotalVariation(frequencies({.epsilon = 0.3}), mixed), 0.02);
  const at::Tensor greedy = ExactChanged(grid, [](const at::Tensor& logits, const at::Tensor&) {
    return at::where(logits.eq(std::get<0>(logits.max(1, true))), at::zeros_like(logits), at::full_like(logits, -1e9));
  });
  EXPECT_LT(TotalVariation(frequencies({.top_k = 1}), greedy), 1e-9);
  EXPECT_LT(TotalVariation(frequencies({.top_p = 1e-6}), greedy), 1e-9);
}

TEST(Rollout, ExplorationNeverReachesLogPf) {
  const Grid grid;
  const TrajectoryBatch batch = Sample(grid.world, grid.policy, RolloutRows(kNone, 32, {.epsilon = 0.5, .temperature = 3}));
  const TrajectoryScores scores = grid.policy.Score(batch, {.needs = Need::kLogPf, .with_grad = false});
  const std::vector<State> states = Unroll(grid.world, batch);
  for (int64_t step = 0; step < batch.num_steps(); ++step) {
    const at::Tensor log_probs =
        grid.world.ForwardSupport(states[step]).LogProbs(grid.policy.Evaluate(states[step]).forward_logits_BA);
    const at::Tensor expected = log_probs.gather(1, batch.actions_BT.select(1, step).unsqueeze(1)).squeeze(1);
    const at::Tensor difference = (scores.log_pf_BT.select(1, step) - expected).masked_fill(states[step].done_B(), 0);
    EXPECT_LT(difference.abs().max().item<double>(), 1e-12);
  }
}

TEST(Rollout, LogitsThatAreNotNumbersAreRefused) {
  const Grid grid;
  {
    const at::NoGradGuard no_grad;
    grid.parameters.Get("table.forward").fill_(NAN);
  }
  const auto batch = Rollout(grid.world, grid.policy, RolloutRows(kNone, 2), kRolloutKey);
  ASSERT_FALSE(batch.ok());
  EXPECT_NE(Message(batch.status()).find("action 0"), std::string::npos) << Message(batch.status());
}

// A grid whose far corner cannot be left, not even by stopping.
class GridWithATrap : public Hypergrid {
 public:
  using Hypergrid::Hypergrid;
  Support ForwardSupport(const State& state) const override {
    Support support = Hypergrid::ForwardSupport(state);
    const at::Tensor free_B = Position(state).eq(config().side - 1).all(1).logical_not();
    support.mask_BA = support.mask_BA.logical_and(free_B.unsqueeze(1));
    support.stop_legal_B = support.stop_legal_B.defined() ? support.stop_legal_B.logical_and(free_B) : free_B;
    return support;
  }
};

TEST(Rollout, AStateWithoutALegalActionIsNamed) {
  const GridWithATrap world(HypergridConfig{.dimensions = 2, .side = 2});
  ParameterSet parameters;
  const TabularPolicy policy(world, kNone, parameters, {});
  const auto batch = Rollout(world, policy, RolloutRows(kNone, 64), kRolloutKey);
  ASSERT_FALSE(batch.ok());
  for (const char* part : {"action 2", "no legal action", "hypergrid", "(1, 1)"}) {
    EXPECT_NE(Message(batch.status()).find(part), std::string::npos) << part << ": " << Message(batch.status());
  }
}

TEST(Rollout, CompleteBatchNamesWhatIsWrong) {
  const PrefixTree tree({.num_symbols = 3, .min_length = 1, .max_length = 3, .illegal_symbols = {2}});
  auto complete = [&](const std::vector<int64_t>& actions) {
    TrajectoryBatch batch;
    batch.condition_ids = kNone;
    batch.lengths_B = at::full({1}, static_cast<int64_t>(actions.size()), at::kLong);
    batch.actions_BT = at::tensor(actions, at::kLong).unsqueeze(0);
    return Message(CompleteBatch(tree, batch));
  };
  EXPECT_EQ(complete({0, 1, 3}), "");
  EXPECT_NE(complete({3}).find("action 3 is not legal in []"), std::string::npos) << complete({3});
  EXPECT_NE(complete({0, 2, 3}).find("action 2 is not legal in [0]"), std::string::npos);
  EXPECT_NE(complete({0, 1}).find("not finished at its length 2"), std::string::npos);
  EXPECT_NE(complete({0, 3, 3}).find("finished before its length 3"), std::string::npos);
  EXPECT_NE(complete({0, 0, 0, 0}).find("action 0 is not legal in [0 0 0]"), std::string::npos);
}

}  // namespace
}  // namespace gfn
