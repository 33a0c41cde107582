// Walking back, backward policies, and local search, against enumeration.
#include <gtest/gtest.h>

#include <map>

#include "gflownet/core/backward_policies.h"
#include "gflownet/core/backward_rollout.h"
#include "gflownet/core/local_search.h"
#include "gflownet/env/state_policies.h"
#include "gflownet/env/tiny_worlds.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

// Random parameters, so that a policy says something.
void Perturb(ParameterSet& parameters, double scale) {
  const at::NoGradGuard no_grad;
  uint64_t stream = 0;
  for (const Parameter& parameter : parameters) {
    at::Tensor values = at::empty(parameter.value.sizes(), at::kDouble);
    for (int64_t i = 0; i < values.numel(); ++i)
      values.data_ptr<double>()[i] = scale * Normal({3, RngPurpose::kTest, 0}, stream, i);
    parameter.value.copy_(values);
    ++stream;
  }
}

std::vector<uint64_t> Streams(int64_t num) {
  std::vector<uint64_t> streams(num);
  for (int64_t i = 0; i < num; ++i) streams[i] = static_cast<uint64_t>(i);
  return streams;
}

class EveryWorld : public testing::TestWithParam<size_t> {
 protected:
  TinyWorld world_ = TinyWorlds()[GetParam()].make();
  const EnumerableEnvironment& environment() const { return *world_.environment; }
  ConditionId id() const { return HashCondition(world_.conditions.front()); }
};
INSTANTIATE_TEST_SUITE_P(Backward, EveryWorld, testing::Range<size_t>(0, 3),  // a DAG, strings, the shape of text
                         [](const testing::TestParamInfo<size_t>& info) { return TinyWorlds()[info.param].name; });

TEST_P(EveryWorld, ForwardActionUndoesBackwardAction) {
  const TrajectoryBatch all = AllTrajectories(world_, id());
  const std::vector<State> states = Unroll(environment(), all);
  for (int64_t step = 0; step < all.num_steps(); ++step) {
    const at::Tensor rows = all.lengths_B.gt(step).nonzero().squeeze(1);
    const State child = states[step + 1].Gather(rows);
    const at::Tensor actions = all.actions_BT.select(1, step).index_select(0, rows);
    const at::Tensor back = environment().BackwardAction(states[step].Gather(rows), actions);
    EXPECT_TRUE(environment().ForwardAction(child, back).equal(actions)) << "step " << step;
    // The search that worlds inherit finds the same.
    EXPECT_TRUE(environment().Environment::ForwardAction(child, back).equal(actions)) << "step " << step;
  }
  EXPECT_TRUE(environment().ForwardAction(states[0], at::zeros({all.size()}, at::kLong)).sizes().equals(all.lengths_B.sizes()));
}

TEST_P(EveryWorld, SaysWhetherEveryStateCanStop) {
  const EnvironmentSpec& spec = environment().Spec();
  const State all = environment().StatesAt(at::arange(environment().NumStates(), at::kLong), id());
  const at::Tensor legal_NA = environment().ForwardSupport(all).Dense();
  at::Tensor can_stop_N = at::zeros({environment().NumStates()}, at::kBool);
  for (const int64_t action : spec.stop_actions) can_stop_N = can_stop_N.logical_or(legal_NA.select(1, action));
  EXPECT_EQ(spec.stops_everywhere, can_stop_N.all().item<bool>());
}

TEST_P(EveryWorld, BackwardRolloutsFollowPB) {
  ParameterSet parameters;
  const TabularPolicy table(environment(), {id()}, parameters, {.learned_backward = true, .dtype = at::kDouble});
  Perturb(parameters, 1);
  const TrajectoryBatch all = AllTrajectories(world_, id());
  // Every trajectory's object, often; a trajectory must come as often as P_B says.
  constexpr int64_t kCopies = 40;
  const State objects = FinalStates(environment(), all);
  std::vector<State> copies(kCopies, objects);
  const int64_t num_rows = kCopies * all.size();
  const auto walked = BackwardRollout(environment(), table, State::Concatenate(copies), Repeat(id(), num_rows), Streams(num_rows),
                                      {7, RngPurpose::kBackward, 0});
  ASSERT_TRUE(walked.ok()) << Message(walked.status());
  const at::Tensor object_B = environment().ObjectIndex(objects);
  EXPECT_TRUE(environment().ObjectIndex(FinalStates(environment(), *walked)).equal(object_B.repeat({kCopies})));
  if (environment().Spec().is_tree) {
    EXPECT_TRUE(walked->actions_BT.slice(0, 0, all.size()).equal(all.actions_BT)) << "a tree has one way to an object";
    return;
  }
  const at::Tensor log_pb_B = table.Score(all, {.needs = Need::kLogPf | Need::kLogPb, .with_grad = false}).log_pb_BT.sum(1);
  std::map<std::vector<int64_t>, double> count;
  auto key = [](const TrajectoryBatch& batch, int64_t row) {
    const int64_t* a = batch.actions_BT.data_ptr<int64_t>() + row * batch.num_steps();
    return std::vector<int64_t>(a, a + batch.lengths_B.data_ptr<int64_t>()[row]);
  };
  for (int64_t row = 0; row < num_rows; ++row) count[key(*walked, row)] += 1;
  for (int64_t row = 0; row < all.size(); ++row) {
    const double tries = static_cast<double>(kCopies) * object_B.eq(object_B[row]).sum().item<double>();
    const double p = std::exp(log_pb_B[row].item<double>());
    EXPECT_NEAR(count[key(all, row)], tries * p, 6 * std::sqrt(tries * p * (1 - p)) + 1e-6) << "trajectory " << row;
  }
}

TEST_P(EveryWorld, MaximumEntropyMakesTheWaysToAnObjectEquallyLikely) {
  ParameterSet parameters;
  const TabularPolicy table(environment(), {id()}, parameters, {.dtype = at::kDouble});
  const MaxEntropyBackwardPolicy policy(table, environment(), id());
  const TrajectoryBatch all = AllTrajectories(world_, id());
  const at::Tensor object_B = environment().ObjectIndex(FinalStates(environment(), all));
  const at::Tensor num_ways_B = object_B.unsqueeze(0).eq(object_B.unsqueeze(1)).sum(1).to(at::kDouble);
  at::Tensor log_pb_B = at::zeros({all.size()}, at::kDouble);
  if (!environment().Spec().is_tree) {
    log_pb_B = policy.Score(all, {.needs = Need::kLogPf | Need::kLogPb, .with_grad = false}).log_pb_BT.sum(1);
  }
  ExpectClose(log_pb_B, -num_ways_B.log(), {1e-6}, "log P_B of a trajectory");
  // The number of ways to each state, counted one by one.
  const at::Tensor log_paths_N = LogPathCounts(environment(), id());
  std::vector<std::map<std::vector<int64_t>, int>> ways(environment().NumStates());
  const std::vector<State> states = Unroll(environment(), all);
  for (int64_t step = 0; step < all.num_steps(); ++step) {
    const at::Tensor index_B = environment().StateIndex(states[step]);
    for (int64_t row = 0; row < all.size(); ++row) {
      if (states[step].done_B()[row].item<bool>()) continue;
      const int64_t* a = all.actions_BT.data_ptr<int64_t>() + row * all.num_steps();
      ways[index_B[row].item<int64_t>()][std::vector<int64_t>(a, a + step)] = 1;
    }
  }
  for (int64_t state = 0; state < environment().NumStates(); ++state) {
    EXPECT_NEAR(std::exp(log_paths_N[state].item<double>()), static_cast<double>(ways[state].size()), 1e-9) << "state " << state;
  }
}

TEST_P(EveryWorld, EdgeFlowsAreConsistent) {
  ParameterSet parameters;
  const TabularPolicy table(environment(), {id()}, parameters, {.dtype = at::kDouble});
  Perturb(parameters, 1);
  const EdgeFlowPolicy policy(table);
  CheckPolicy(environment(), policy, {id()}, {.tolerance = kTinyModelTolerance});
  // F(s -> s') = F(s) P_F(s' | s) = inflow(s') P_B(s | s').
  const TrajectoryBatch all = AllTrajectories(world_, id());
  Needs needs = Need::kLogPf | Need::kLogFlow | Needs(Need::kLogInflow);
  if (!environment().Spec().is_tree) needs = needs | Need::kLogPb;
  const TrajectoryScores scores = policy.Score(all, {.needs = needs, .with_grad = false});
  const at::Tensor log_pb_BT = scores.log_pb_BT.defined() ? scores.log_pb_BT : at::zeros_like(scores.log_pf_BT);
  ExpectClose(scores.log_flow_BT + scores.log_pf_BT, scores.log_inflow_BT + log_pb_BT, {1e-9}, "log F of an edge");
}

// Started from exact samples of R, Metropolis-Hastings stays there, however bad the policy is; a greedy search does not.
TEST_P(EveryWorld, MetropolisHastingsLeavesTheRewardInvariant) {
  constexpr int64_t kRows = 1000;
  constexpr double kTemperature = 0.7;
  ParameterSet parameters;
  const TabularPolicy table(environment(), {id()}, parameters, {.learned_backward = true, .dtype = at::kDouble});
  Perturb(parameters, 0.7);
  const at::Tensor p_X = (LogRewardOfObjects(world_, id()) / kTemperature).softmax(0).contiguous();
  const int64_t num_objects = p_X.numel();
  std::vector<int64_t> start;
  for (int64_t row = 0; row < kRows; ++row) {
    double u = Uniform({5, RngPurpose::kTest, 0}, row, 0);
    int64_t object = 0;
    while (object + 1 < num_objects && u >= p_X.data_ptr<double>()[object]) u -= p_X.data_ptr<double>()[object++];
    start.push_back(object);
  }
  LocalSearchInput input;
  input.streams = Streams(kRows);
  input.temperature = kTemperature;
  const State objects = environment().ObjectsAt(at::tensor(start, at::kLong), id());
  input.batch =
      BackwardRollout(environment(), table, objects, Repeat(id(), kRows), input.streams, {1, RngPurpose::kBackward, 0}).value();
  ASSERT_TRUE(EvaluateReward(*world_.reward, input.batch).ok());
  const at::Tensor start_B = at::tensor(start, at::kLong);
  auto search = [&](const LocalSearchConfig& config) {
    const auto found = LocalSearch(environment(), table, *world_.reward, config, input, {2, RngPurpose::kRollout, 0});
    EXPECT_TRUE(found.ok()) << Message(found.status());
    const at::Tensor index_B = environment().ObjectIndex(FinalStates(environment(), *found));
    EXPECT_GT(index_B.ne(start_B).sum().item<int64_t>(), 0) << "nothing was accepted";
    return index_B;
  };
  for (const int64_t max_undo : {0, 2}) {
    const at::Tensor found_X = at::bincount(search({.iterations = 2, .max_undo = max_undo}), {}, num_objects).to(at::kDouble);
    const at::Tensor expected_X = p_X * static_cast<double>(kRows);
    // Five standard deviations, and some counts for objects that hardly ever come.
    EXPECT_LT(((found_X - expected_X).abs() - 5 * expected_X.sqrt()).max().item<double>(), 5) << "max_undo " << max_undo;
  }
  const at::Tensor log_reward_X = LogRewardOfObjects(world_, id());
  const at::Tensor better_B = search({.iterations = 2, .greedy = true});
  EXPECT_TRUE(log_reward_X.index_select(0, better_B).ge(log_reward_X.index_select(0, start_B) - 1e-9).all().item<bool>());
}

}  // namespace
}  // namespace gfn
