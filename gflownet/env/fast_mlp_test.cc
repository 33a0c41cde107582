// The fast road of MlpPolicy against the step-by-step road of the same parameters.
#include "gflownet/env/fast_mlp.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "gflownet/core/log_z.h"
#include "gflownet/core/objective.h"
#include "gflownet/core/rollout.h"
#include "gflownet/env/bit_sequence.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/ising.h"
#include "gflownet/env/state_policies.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

// The same policy twice: on the features of the fast face, and on the same numbers as those of any function.
struct Twins {
  Twins(const Environment& environment, const StatePolicyOptions& heads) {
    const FastWorld* world = FastFace(environment);
    const MlpOptions options{.heads = heads, .width = 40, .depth = 2};
    const RngKey init{3, RngPurpose::kInit, 0};
    const auto features = [world](const State& state) { return RowFeatures(*world, state); };
    fast =
        std::make_unique<MlpPolicy>(environment, StateFeatures(*world), world->NumRowFeatures(), fast_parameters, options, init);
    slow = std::make_unique<MlpPolicy>(environment, StateFeatures(features), world->NumRowFeatures(), slow_parameters, options,
                                       init);
  }
  ParameterSet fast_parameters, slow_parameters;
  std::unique_ptr<MlpPolicy> fast, slow;
};

const RngKey kKey{11, RngPurpose::kTest, 0};

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().div(b.abs().clamp_min(1)).max().item<double>();
}

// Any differentiable number of all scores, with weights that differ from place to place.
at::Tensor SomeLoss(const TrajectoryScores& scores) {
  at::Tensor loss = at::zeros({}, at::kDouble);
  double factor = 1;
  for (const at::Tensor& field : {scores.log_pf_BT, scores.log_pb_BT, scores.log_stop_BT, scores.log_flow_BT}) {
    factor += 0.5;
    if (!field.defined()) continue;
    const at::Tensor weights = at::arange(field.numel(), at::kDouble).view(field.sizes()).mul(factor).sin();
    loss = loss + (field.to(at::kDouble) * weights).sum();
  }
  return loss;
}

void ExpectSameScores(const Twins& twins, const TrajectoryBatch& batch, Needs needs, double tolerance) {
  const ScoreOptions options{.needs = needs, .with_grad = true, .dropout_key = kKey, .dropout_streams_B = {}};
  const TrajectoryScores fast = twins.fast->Score(batch, options), slow = twins.slow->Score(batch, options);
  const std::pair<at::Tensor, at::Tensor> fields[] = {{fast.log_pf_BT, slow.log_pf_BT},
                                                      {fast.log_pb_BT, slow.log_pb_BT},
                                                      {fast.log_stop_BT, slow.log_stop_BT},
                                                      {fast.log_flow_BT, slow.log_flow_BT}};
  for (const auto& [a, b] : fields) {
    ASSERT_EQ(a.defined(), b.defined());
    if (a.defined()) {
      EXPECT_LT(LargestDifference(a.detach(), b.detach()), tolerance);
    }
  }
  EXPECT_TRUE(fast.mask_BT.equal(slow.mask_BT));
  SomeLoss(fast).backward();
  SomeLoss(slow).backward();
  for (size_t i = 0; i < twins.fast_parameters.size(); ++i) {
    const at::Tensor a = twins.fast_parameters[i].value.grad(), b = twins.slow_parameters[i].value.grad();
    ASSERT_EQ(a.defined(), b.defined()) << twins.fast_parameters[i].name;
    if (a.defined()) {
      EXPECT_LT((a - b).norm().item<double>() / std::max(1.0, b.norm().item<double>()), 1e-4) << twins.fast_parameters[i].name;
    }
  }
}

void ExpectSame(const Environment& environment, bool learned_backward, bool flow) {
  const Twins twins(environment, {.learned_backward = learned_backward, .flow = flow, .dtype = at::kFloat});
  ASSERT_NE(twins.fast->fast(), nullptr);
  ASSERT_EQ(twins.slow->fast(), nullptr);
  const std::vector<RolloutRow> rows = RolloutRows({ConditionId{1}}, 40);
  auto fast = Rollout(environment, *twins.fast, rows, kKey), slow = Rollout(environment, *twins.slow, rows, kKey);
  ASSERT_TRUE(fast.ok() && slow.ok());
  EXPECT_TRUE(fast->actions_BT.equal(slow->actions_BT));
  EXPECT_TRUE(fast->lengths_B.equal(slow->lengths_B));
  if (slow->backward_actions_BT.defined()) {
    EXPECT_TRUE(fast->backward_actions_BT.equal(slow->backward_actions_BT));
  }
  if (slow->stop_legal_BT.defined()) {
    EXPECT_TRUE(fast->stop_legal_BT.equal(slow->stop_legal_BT));
  }
  EXPECT_TRUE(FinalStates(environment, *slow).Equals(Unroll(environment, *slow).back()));

  const Needs needs = twins.fast->Provides();
  const double tolerance = 1e-4;
  ExpectSameScores(twins, *fast, needs, tolerance);  // the activations of the rollout are used again
  for (const ParameterSet* set : {&twins.fast_parameters, &twins.slow_parameters}) {
    for (const Parameter& parameter : *set) parameter.value.mutable_grad() = at::Tensor();
  }
  ExpectSameScores(twins, fast->Gather(std::vector<int64_t>{5, 3, 17}), needs, tolerance);  // another batch is walked along
}

TEST(FastMlp, IsTheStepByStepRoadOnTheHypergrid) {
  const Hypergrid grid({.dimensions = 3, .side = 5});
  for (const bool learned_backward : {true, false}) {
    for (const bool flow : {true, false}) ExpectSame(grid, learned_backward, flow);
  }
}

TEST(FastMlp, IsTheStepByStepRoadOfAssignments) {
  ExpectSame(BitSequence({.num_bits = 12, .word_bits = 3}), true, true);
  ExpectSame(BitSequence({.num_bits = 12, .word_bits = 3, .order = AssignmentOrder::kLeftToRight}), false, false);
  ExpectSame(Ising({.side = 3}), true, false);
  ExpectSame(Ising({.side = 2}), false, true);
}

template <class World>
void ExpectSameFeatures(const World& world) {
  const TrajectoryBatch batch = RandomTrajectories(world, {ConditionId{1}});
  for (const State& state : Unroll(world, batch)) EXPECT_TRUE(RowFeatures(world, state).equal(world.Features(state)));
}

TEST(FastMlp, ReadsTheFeaturesOfTheWorld) {
  ExpectSameFeatures(Hypergrid({.dimensions = 3, .side = 5}));
  ExpectSameFeatures(BitSequence({.num_bits = 12, .word_bits = 3}));
  ExpectSameFeatures(Ising({.side = 3}));
}

TEST(FastMlp, ParametersThatChangedAreReadAgain) {
  const Hypergrid grid({.dimensions = 2, .side = 4});
  Twins twins(grid, {.learned_backward = true, .flow = false, .dtype = at::kFloat});
  const auto batch = Rollout(grid, *twins.fast, RolloutRows({ConditionId{1}}, 10), kKey);
  ASSERT_TRUE(batch.ok());
  {
    const at::NoGradGuard no_grad;
    for (const ParameterSet* set : {&twins.fast_parameters, &twins.slow_parameters}) {
      for (const Parameter& parameter : *set) parameter.value.mul_(1.5);
    }
  }
  ExpectSameScores(twins, *batch, twins.fast->Provides(), 1e-4);
}

TEST(FastMlp, ExplorationGoesStepByStep) {
  const Hypergrid grid({.dimensions = 2, .side = 4});
  const Twins twins(grid, {.learned_backward = true, .flow = false, .dtype = at::kFloat});
  const std::vector<RolloutRow> rows = RolloutRows({ConditionId{1}}, 20, {.epsilon = 0.5});
  const auto fast = Rollout(grid, *twins.fast, rows, kKey), slow = Rollout(grid, *twins.slow, rows, kKey);
  ASSERT_TRUE(fast.ok() && slow.ok());
  EXPECT_TRUE(fast->actions_BT.equal(slow->actions_BT));
}

TEST(FastMlp, ATrajectoryBeginsWithItsPrefix) {
  const Hypergrid world({.dimensions = 2, .side = 5});
  const Twins twins(world, {.dtype = at::kFloat});
  std::vector<RolloutRow> rows = RolloutRows({ConditionId{1}}, 16);
  for (RolloutRow& row : rows) row.prefix = {1, 0, 1};
  const auto batch = Rollout(world, *twins.fast, rows, kKey);
  ASSERT_TRUE(batch.ok());
  EXPECT_TRUE(batch->actions_BT.slice(1, 0, 3).equal(at::tensor({1, 0, 1}, at::kLong).expand({16, 3})));
}

// A grid that has no memory left for the features of one of its cells.
class GridWithoutMemory : public Hypergrid {
 public:
  GridWithoutMemory() : Hypergrid({.dimensions = 2, .side = 6}) {}
  int64_t FeaturesOfRow(const int32_t* row, int32_t* index, float* value) const override {
    if (fails && row[0] == 1) throw std::bad_alloc();
    return Hypergrid::FeaturesOfRow(row, index, value);
  }
  mutable bool fails = true;
};

TEST(FastMlp, AnAllocationThatFailsInAThreadIsAnExceptionOfTheRollout) {
  const int threads_before = at::get_num_threads();
  at::set_num_threads(2);
  const GridWithoutMemory grid;
  const Twins twins(grid, {});
  const std::vector<RolloutRow> rows = RolloutRows({ConditionId{1}}, 64);
  EXPECT_THROW(Rollout(grid, *twins.fast, rows, kKey).status().IgnoreError(), std::bad_alloc);
  grid.fails = false;
  const auto batch = Rollout(grid, *twins.fast, rows, kKey);
  ASSERT_TRUE(batch.ok());
  EXPECT_TRUE(batch->actions_BT.equal(Rollout(grid, *twins.slow, rows, kKey)->actions_BT));
  grid.fails = true;
  EXPECT_THROW(twins.fast->Score(batch->Gather(std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}),
                                 {.needs = Need::kLogPf, .with_grad = false}),
               std::bad_alloc);
  at::set_num_threads(threads_before);
}

TEST(FastMlp, AGraphGoesBackOnce) {
  const Hypergrid grid({.dimensions = 2, .side = 4});
  const Twins twins(grid, {.learned_backward = true, .flow = false, .dtype = at::kFloat});
  const auto batch = Rollout(grid, *twins.fast, RolloutRows({ConditionId{1}}, 4), kKey);
  ASSERT_TRUE(batch.ok());
  const TrajectoryScores scores =
      twins.fast->Score(*batch, {.needs = Need::kLogPf, .with_grad = true, .dropout_key = kKey, .dropout_streams_B = {}});
  const at::Tensor loss = SomeLoss(scores);
  loss.backward({}, /*retain_graph=*/true);
  EXPECT_DEATH(loss.backward(), "goes back once");
}

TEST(FastMlp, ALogitThatIsNotFiniteIsRefused) {
  const Hypergrid grid({.dimensions = 2, .side = 4});
  Twins twins(grid, {.learned_backward = true, .flow = false, .dtype = at::kFloat});
  {
    const at::NoGradGuard no_grad;
    twins.fast_parameters.Get("forward.bias").fill_(NAN);
  }
  const auto batch = Rollout(grid, *twins.fast, RolloutRows({ConditionId{1}}, 4), kKey);
  ASSERT_FALSE(batch.ok());
  EXPECT_NE(Message(batch.status()).find("not finite"), std::string::npos);
}

}  // namespace
}  // namespace gfn
