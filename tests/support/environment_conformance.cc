#include <gtest/gtest.h>

#include <set>

#include "gflownet/core/rollout.h"
#include "gflownet/tensor/random.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

at::Tensor Rows(std::initializer_list<int64_t> rows) { return at::tensor(std::vector<int64_t>(rows), at::kLong); }

// A legal action of every open row, drawn at (seed, row, step); 0 for rows that are done.
at::Tensor RandomActions(const Support& support, uint64_t seed, int64_t step) {
  if (support.low_BD.defined()) {
    const at::Tensor uniform_BD = UniformTensor({seed, RngPurpose::kTest, 1}, support.low_BD.sizes(), at::kDouble, step);
    return (support.low_BD + (support.high_BD - support.low_BD) * uniform_BD) * support.done_B.logical_not().unsqueeze(1);
  }
  const at::Tensor legal_BA = support.Dense();
  const at::Tensor actions_B = at::zeros({support.batch_size()}, at::kLong);
  for (int64_t row = 0; row < support.batch_size(); ++row) {
    const at::Tensor legal = legal_BA[row].nonzero().squeeze(1);
    if (legal.numel() == 0) continue;
    actions_B[row] = legal[UniformInt({seed, RngPurpose::kTest, 0}, row, step, legal.numel())];
  }
  return actions_B;
}

void CheckSpec(const EnvironmentSpec& spec) {
  EXPECT_FALSE(spec.name.empty());
  ASSERT_GE(spec.max_steps, 1);
  if (spec.action == EnvironmentSpec::Action::kContinuous) {
    ASSERT_GE(spec.action_width, 1);
    EXPECT_EQ(spec.num_actions, 0);
    return;
  }
  ASSERT_GE(spec.num_actions, 1);
  EXPECT_EQ(spec.is_tree, spec.num_backward_actions == 0);
  EXPECT_TRUE(std::is_sorted(spec.stop_actions.begin(), spec.stop_actions.end()));
  for (const int64_t action : spec.stop_actions) EXPECT_TRUE(action >= 0 && action < spec.num_actions) << action;
}

// Outcomes of legal actions are a distribution; a deterministic world has one.
void CheckOutcomes(const Environment& environment, const State& state, const at::Tensor& actions_B) {
  const at::Tensor log_outcomes_BO = environment.LogOutcomes(state, actions_B);
  ASSERT_EQ(log_outcomes_BO.sizes(), (at::IntArrayRef{state.batch_size(), environment.NumOutcomes()}));
  const at::Tensor open_M = state.done_B().logical_not().nonzero().squeeze(1);
  const at::Tensor total_M = log_outcomes_BO.index_select(0, open_M).logsumexp(1);
  EXPECT_LT(total_M.abs().max().item<double>(), 1e-12) << "probabilities of outcomes do not sum to 1";
}

void CheckSupportViews(const Support& support) {
  const at::Tensor legal_BA = support.Dense();
  ASSERT_EQ(legal_BA.sizes(), (at::IntArrayRef{support.batch_size(), support.num_actions}));
  EXPECT_TRUE(support.CountLegal().equal(legal_BA.sum(1)));
  EXPECT_TRUE(support.CountLegal().gt(0).equal(support.done_B.logical_not())) << "legal actions are those of open rows";
  for (int64_t action = -1; action <= support.num_actions; ++action) {
    const bool outside = action < 0 || action == support.num_actions;
    const at::Tensor expected_B = outside ? at::zeros_like(support.done_B) : legal_BA.select(1, action);
    if (!support.IsLegal(at::full({support.batch_size()}, action, at::kLong)).equal(expected_B)) {
      ADD_FAILURE() << "IsLegal and Dense disagree on action " << action;
    }
    if (support.num_actions > 4096 && action == 4096) break;  // a vocabulary: the first tokens and the total are enough
  }
  const at::Tensor log_probs_BA = support.LogProbs(at::zeros({support.batch_size(), support.num_actions}, at::kDouble));
  EXPECT_TRUE(log_probs_BA.isneginf().equal(legal_BA.logical_not()));
  const at::Tensor last = Rows({support.batch_size() - 1});
  EXPECT_TRUE(support.Gather(last).Dense().equal(legal_BA.index_select(0, last)));
}

// Every legal way back leads to a parent from which some legal action leads here again.
void CheckParents(const Environment& environment, const State& state, int64_t row) {
  const State here = state.Gather(Rows({row}));
  const at::Tensor back = environment.BackwardSupport(here).Dense()[0].nonzero().squeeze(1);
  if (environment.Spec().is_tree) {
    EXPECT_EQ(back.numel(), 1) << environment.Format(here, 0) << ": a tree has one way back";
  }
  std::set<std::string> parents;
  for (int64_t i = 0; i < back.numel(); ++i) {
    const State parent = environment.Undo(here, back.slice(0, i, i + 1));
    EXPECT_TRUE(parents.insert(environment.Format(parent, 0)).second)
        << environment.Format(here, 0) << ": two backward actions lead to " << environment.Format(parent, 0);
    EXPECT_FALSE(parent.AllDone()) << environment.Format(here, 0) << ": its parent is finished";
    const at::Tensor forward = environment.ForwardSupport(parent).Dense()[0].nonzero().squeeze(1);
    bool found = false;
    for (int64_t j = 0; j < forward.numel() * environment.NumOutcomes() && !found; ++j) {
      const at::Tensor action = forward.slice(0, j / environment.NumOutcomes(), j / environment.NumOutcomes() + 1);
      found = environment.Step(parent, action, Rows({j % environment.NumOutcomes()})).Equals(here);
    }
    EXPECT_TRUE(found) << "no legal action leads from " << environment.Format(parent, 0) << " back to "
                       << environment.Format(here, 0);
  }
}

void CheckStep(const Environment& environment, const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B,
               const State& next) {
  const EnvironmentSpec& spec = environment.Spec();
  const bool discrete = spec.action == EnvironmentSpec::Action::kDiscrete;
  const at::Tensor open_B = state.done_B().logical_not();
  EXPECT_TRUE(State::Where(open_B, state, next).Equals(state)) << "a step changed a finished row";
  EXPECT_TRUE(environment.IsInitial(next).logical_and(open_B).any().item<bool>() == false) << "a step led to an initial state";
  if (!spec.stop_actions.empty()) {
    const at::Tensor stops_B = at::isin(actions_B, at::tensor(spec.stop_actions, at::kLong)).logical_and(open_B);
    EXPECT_TRUE(next.done_B().logical_and(open_B).equal(stops_B)) << "stop actions, and only they, finish an object";
  }
  // The way back.
  const at::Tensor back_B = environment.BackwardAction(state, actions_B, outcome_B);
  const at::Tensor legal_B = environment.BackwardSupport(next).IsLegal(back_B);
  EXPECT_TRUE(legal_B.logical_or(open_B.logical_not()).all().item<bool>()) << "a backward action is not legal";
  EXPECT_TRUE(State::Where(open_B, environment.Undo(next, back_B), state).Equals(state)) << "Undo(Step(s, a)) is not s";
  // A batch is its rows one by one.
  for (int64_t row = 0; row < state.batch_size(); ++row) {
    const at::Tensor one = Rows({row});
    const State alone = environment.Step(state.Gather(one), actions_B.index_select(0, one),
                                         outcome_B.defined() ? outcome_B.index_select(0, one) : outcome_B);
    EXPECT_TRUE(alone.Equals(next.Gather(one))) << "row " << row << " alone steps to " << environment.Format(alone, 0)
                                                << ", in the batch to " << environment.Format(next, row);
    if (!discrete) continue;
    EXPECT_TRUE(environment.ForwardSupport(alone).Dense().equal(environment.ForwardSupport(next.Gather(one)).Dense()));
    if (open_B[row].item<bool>()) CheckParents(environment, next, row);
  }
}

void CheckRefusals(const Environment& environment, const TrajectoryBatch& batch) {
  TrajectoryBatch complete = batch;
  const Status status = CompleteBatch(environment, complete);
  ASSERT_TRUE(status.ok()) << Message(status);
  TrajectoryBatch wrong = batch.Gather(std::vector<int64_t>{0});
  const bool discrete = environment.Spec().action == EnvironmentSpec::Action::kDiscrete;
  wrong.actions_BT = wrong.actions_BT.clone().fill_(discrete ? static_cast<double>(environment.Spec().num_actions) : NAN);
  EXPECT_FALSE(CompleteBatch(environment, wrong).ok()) << "an action out of range was taken";
  if (batch.lengths_B[0].item<int64_t>() > 1) {
    TrajectoryBatch cut = batch.Gather(std::vector<int64_t>{0});
    cut.lengths_B = cut.lengths_B - 1;
    EXPECT_FALSE(CompleteBatch(environment, cut).ok()) << "an unfinished object was taken";
  }
}

}  // namespace

TrajectoryBatch RandomTrajectories(const Environment& environment, const std::vector<ConditionId>& conditions,
                                   const ConformanceOptions& options) {
  TrajectoryBatch batch;
  for (const ConditionId condition : conditions) {
    for (int64_t i = 0; i < options.rollouts; ++i) batch.condition_ids.push_back(condition);
  }
  State state = environment.Initial(batch.condition_ids);
  std::vector<at::Tensor> actions, outcomes;
  std::vector<uint64_t> streams(batch.size());
  for (size_t row = 0; row < streams.size(); ++row) streams[row] = row;
  batch.lengths_B = at::zeros({batch.size()}, at::kLong);
  while (!state.AllDone()) {
    if (static_cast<int64_t>(actions.size()) == environment.Spec().max_steps) {
      ADD_FAILURE() << environment.Spec().name << " is not finished after max_steps = " << actions.size() << " actions";
      break;
    }
    actions.push_back(RandomActions(environment.ForwardSupport(state), options.seed, static_cast<int64_t>(actions.size())));
    batch.lengths_B += state.done_B().logical_not();
    outcomes.push_back(
        environment.DrawOutcome(state, actions.back(), {options.seed, RngPurpose::kNature, 0}, streams, actions.size()));
    state = environment.Step(state, actions.back(), outcomes.back());
  }
  batch.actions_BT = at::stack(actions, 1);
  if (environment.Spec().is_stochastic) batch.outcomes_BT = at::stack(outcomes, 1).masked_fill(batch.StepMask().logical_not(), 0);
  const Status status = CompleteBatch(environment, batch);
  EXPECT_TRUE(status.ok()) << Message(status);
  return batch;
}

void CheckEnvironment(const Environment& environment, const std::vector<ConditionId>& conditions,
                      const ConformanceOptions& options) {
  SCOPED_TRACE("environment " + environment.Spec().name);
  CheckSpec(environment.Spec());
  if (testing::Test::HasFatalFailure()) return;
  EXPECT_FALSE(environment.SupportDigest().empty());

  const TrajectoryBatch batch = RandomTrajectories(environment, conditions, options);
  if (testing::Test::HasFailure()) return;
  State state = environment.Initial(batch.condition_ids);
  EXPECT_TRUE(environment.IsInitial(state).all().item<bool>());
  EXPECT_FALSE(state.done_B().any().item<bool>()) << "an initial state is finished";
  const bool discrete = environment.Spec().action == EnvironmentSpec::Action::kDiscrete;
  EXPECT_TRUE(environment.BackwardSupport(state).done_B.all().item<bool>()) << "an initial state has a way back";
  EXPECT_TRUE(environment.Initial({batch.condition_ids.back()}).Equals(state.Gather(Rows({batch.size() - 1}))));
  for (int64_t step = 0; step < batch.num_steps() && !testing::Test::HasFailure(); ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    if (discrete) CheckSupportViews(environment.ForwardSupport(state));
    const at::Tensor actions_B = batch.actions_BT.select(1, step);
    const at::Tensor outcome_B = batch.outcomes_BT.defined() ? batch.outcomes_BT.select(1, step) : at::Tensor();
    CheckOutcomes(environment, state, actions_B);
    State next = environment.Step(state, actions_B, outcome_B);
    CheckStep(environment, state, actions_B, outcome_B, next);
    for (int64_t row = 1; row < next.batch_size(); ++row) {
      const bool same = next.Gather(Rows({row})).Equals(next.Gather(Rows({0})));
      if (!same && batch.condition_ids[row] == batch.condition_ids[0]) {
        EXPECT_NE(environment.Format(next, row), environment.Format(next, 0)) << "Format hides a difference";
      }
    }
    state = std::move(next);
  }
  EXPECT_TRUE(state.AllDone());
  CheckRefusals(environment, batch);
  if (const FastWorld* world = FastFace(environment); world != nullptr) CheckFastWorld(environment, *world, batch);
}

void ExpectClose(const at::Tensor& found, const at::Tensor& expected, Tolerance tolerance, const std::string& what) {
  const Closeness close = AllClose(found, expected, tolerance);
  EXPECT_TRUE(close.close) << what << ": " << close.worst;
}

}  // namespace gfn
