#include "gflownet/core/conformance.h"

#include <algorithm>
#include <memory>
#include <set>

#include "gflownet/core/rollout.h"
#include "gflownet/tensor/random.h"

namespace gfn {
namespace {

at::Tensor OneRow(int64_t row) { return at::full({1}, row, at::kLong); }
bool All(const at::Tensor& condition) { return condition.all().item<bool>(); }
bool Any(const at::Tensor& condition) { return condition.any().item<bool>(); }

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

class RulesExaminer {
 public:
  RulesExaminer(const Environment& environment, Findings& findings)
      : environment_(environment), spec_(environment.Spec()), findings_(findings) {}

  bool CheckSpec() {
    findings_.Expect(!spec_.name.empty(), "Spec: the world has no name");
    findings_.Expect(spec_.max_steps >= 1, "Spec: max_steps is " + std::to_string(spec_.max_steps));
    if (spec_.action == EnvironmentSpec::Action::kContinuous) {
      findings_.Expect(spec_.action_width >= 1 && spec_.num_actions == 0,
                       "Spec: a continuous world has an action_width and num_actions 0");
      return findings_.empty();
    }
    findings_.Expect(spec_.num_actions >= 1, "Spec: num_actions is " + std::to_string(spec_.num_actions));
    findings_.Expect(spec_.is_tree == (spec_.num_backward_actions == 0),
                     spec_.is_tree ? "Spec: a tree has num_backward_actions 0"
                                   : "Spec: num_backward_actions is 0, which only a tree (is_tree) may have");
    findings_.Expect(std::is_sorted(spec_.stop_actions.begin(), spec_.stop_actions.end()), "Spec: stop_actions are not sorted");
    for (const int64_t action : spec_.stop_actions)
      findings_.Expect(action >= 0 && action < spec_.num_actions,
                       "Spec: stop action " + std::to_string(action) + " is no action");
    return findings_.empty();
  }

  void CheckInitial(const State& state, const std::vector<ConditionId>& ids) {
    findings_.Expect(All(environment_.IsInitial(state)), "IsInitial: an initial state is none");
    findings_.Expect(!Any(state.done_B()), "Initial: an initial state is finished");
    findings_.Expect(All(environment_.BackwardSupport(state).done_B), "BackwardSupport: an initial state has a way back");
    findings_.Expect(environment_.Initial({ids.back()}).Equals(state.Gather(OneRow(state.batch_size() - 1))),
                     "Initial: one row alone is not the row of the batch");
  }

  // Outcomes of legal actions are a distribution; a deterministic world has one.
  void CheckOutcomes(const State& state, const at::Tensor& actions_B) {
    const at::Tensor log_outcomes_BO = environment_.LogOutcomes(state, actions_B);
    if (!findings_.Expect(log_outcomes_BO.sizes() == at::IntArrayRef{state.batch_size(), environment_.NumOutcomes()},
                          "LogOutcomes: not of shape [B, NumOutcomes()]")) {
      return;
    }
    const at::Tensor open_M = state.done_B().logical_not().nonzero().squeeze(1);
    if (open_M.numel() == 0) return;
    const at::Tensor total_M = log_outcomes_BO.index_select(0, open_M).logsumexp(1);
    findings_.Expect(total_M.abs().max().item<double>() < 1e-12, "LogOutcomes: the probabilities of outcomes do not sum to 1");
  }

  void CheckSupportViews(const Support& support) {
    const at::Tensor legal_BA = support.Dense();
    if (!findings_.Expect(legal_BA.sizes() == at::IntArrayRef{support.batch_size(), spec_.num_actions},
                          "ForwardSupport: num_actions is not that of Spec")) {
      return;
    }
    findings_.Expect(support.CountLegal().equal(legal_BA.sum(1)), "Support: CountLegal is not the number of legal actions");
    findings_.Expect(support.CountLegal().gt(0).equal(support.done_B.logical_not()),
                     "ForwardSupport: a state that is not finished allows no action, or a finished one allows some");
    for (int64_t action = -1; action <= support.num_actions; ++action) {
      const bool outside = action < 0 || action == support.num_actions;
      const at::Tensor expected_B = outside ? at::zeros_like(support.done_B) : legal_BA.select(1, action);
      findings_.Expect(support.IsLegal(at::full({support.batch_size()}, action, at::kLong)).equal(expected_B),
                       "Support: IsLegal and Dense disagree on action " + std::to_string(action));
      if (support.num_actions > 4096 && action == 4096) break;  // a vocabulary: the first tokens and the total are enough
    }
    const at::Tensor log_probs_BA = support.LogProbs(at::zeros({support.batch_size(), support.num_actions}, at::kDouble));
    findings_.Expect(log_probs_BA.isneginf().equal(legal_BA.logical_not()), "Support: LogProbs and Dense disagree");
    const at::Tensor last = OneRow(support.batch_size() - 1);
    findings_.Expect(support.Gather(last).Dense().equal(legal_BA.index_select(0, last)), "Support: Gather changes a row");
  }

  void CheckStep(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B, const State& next) {
    const at::Tensor open_B = state.done_B().logical_not();
    findings_.Expect(State::Where(open_B, state, next).Equals(state), "Step: a finished row was changed");
    findings_.Expect(!Any(environment_.IsInitial(next).logical_and(open_B)), "Step: an action led to an initial state");
    if (!spec_.stop_actions.empty()) {
      const at::Tensor stops_B = at::isin(actions_B, at::tensor(spec_.stop_actions, at::kLong)).logical_and(open_B);
      findings_.Expect(next.done_B().logical_and(open_B).equal(stops_B), "Step: stop actions, and only they, finish an object");
    }
    CheckWayBack(state, actions_B, outcome_B, next);
    for (int64_t row = 0; row < state.batch_size() && findings_.empty(); ++row) CheckRow(state, actions_B, outcome_B, next, row);
  }

  void CheckFormat(const State& next, const std::vector<ConditionId>& ids) {
    for (int64_t row = 1; row < next.batch_size(); ++row) {
      const bool same = next.Gather(OneRow(row)).Equals(next.Gather(OneRow(0)));
      if (same || ids[row] != ids[0]) continue;
      const std::string text = environment_.Format(next, row);
      findings_.Expect(text != environment_.Format(next, 0), "Format: different states are both '" + text + "'");
    }
  }

  void CheckRefusals(const TrajectoryBatch& batch) {
    TrajectoryBatch complete = batch;
    if (!findings_.ExpectOk(CompleteBatch(environment_, complete))) return;
    TrajectoryBatch wrong = batch.Gather(std::vector<int64_t>{0});
    const bool discrete = spec_.action == EnvironmentSpec::Action::kDiscrete;
    wrong.actions_BT = wrong.actions_BT.clone().fill_(discrete ? static_cast<double>(spec_.num_actions) : NAN);
    findings_.Expect(!CompleteBatch(environment_, wrong).ok(), "ForwardSupport: an action out of range is legal");
    if (batch.lengths_B[0].item<int64_t>() > 1) {
      TrajectoryBatch cut = batch.Gather(std::vector<int64_t>{0});
      cut.lengths_B = cut.lengths_B - 1;
      findings_.Expect(!CompleteBatch(environment_, cut).ok(), "Step: an unfinished object is taken for a finished one");
    }
  }

 private:
  std::string Step(const State& state, const at::Tensor& actions_B, int64_t row) const {
    return "action " + (actions_B.dim() == 1 ? std::to_string(actions_B[row].item<int64_t>()) : std::string("of a point")) +
           " in '" + environment_.Format(state, row) + "'";
  }

  void CheckWayBack(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B, const State& next) {
    const at::Tensor open_B = state.done_B().logical_not();
    const at::Tensor back_B = environment_.BackwardAction(state, actions_B, outcome_B);
    const at::Tensor illegal_M =
        environment_.BackwardSupport(next).IsLegal(back_B).logical_not().logical_and(open_B).nonzero().squeeze(1);
    findings_.Expect(illegal_M.numel() == 0, [&] {
      const int64_t row = illegal_M[0].item<int64_t>();
      return "BackwardSupport: in '" + environment_.Format(next, row) + "' the way back of " + Step(state, actions_B, row) +
             " is not legal";
    });
    const State parent = environment_.Undo(next, back_B);
    const at::Tensor other_M = parent.EqualRows(state).logical_not().logical_and(open_B).nonzero().squeeze(1);
    findings_.Expect(other_M.numel() == 0, [&] {
      const int64_t row = other_M[0].item<int64_t>();
      return "Undo(Step(s, a), BackwardAction(s, a)) is not s: " + Step(state, actions_B, row) + " leads to '" +
             environment_.Format(next, row) + "', which is taken back to '" + environment_.Format(parent, row) + "'";
    });
  }

  // A batch is its rows one by one.
  void CheckRow(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B, const State& next, int64_t row) {
    const at::Tensor one = OneRow(row);
    const State alone = environment_.Step(state.Gather(one), actions_B.index_select(0, one),
                                          outcome_B.defined() ? outcome_B.index_select(0, one) : outcome_B);
    findings_.Expect(alone.Equals(next.Gather(one)), [&] {
      return "Step: row " + std::to_string(row) + " alone leads to '" + environment_.Format(alone, 0) + "', in the batch to '" +
             environment_.Format(next, row) + "'";
    });
    if (spec_.action != EnvironmentSpec::Action::kDiscrete) return;
    findings_.Expect(environment_.ForwardSupport(alone).Dense().equal(environment_.ForwardSupport(next).Gather(one).Dense()),
                     "ForwardSupport: row " + std::to_string(row) + " alone allows other actions than in the batch");
    if (!state.done_B()[row].item<bool>()) CheckParents(next.Gather(one));
  }

  // Every legal way back leads to a parent from which some legal action leads here again.
  void CheckParents(const State& here) {
    const at::Tensor back = environment_.BackwardSupport(here).Dense()[0].nonzero().squeeze(1);
    const auto name = [&] { return "'" + environment_.Format(here, 0) + "'"; };
    if (spec_.is_tree)
      findings_.Expect(back.numel() == 1, [&] { return "BackwardSupport: " + name() + ": a tree has one way back"; });
    std::set<std::string> parents;
    for (int64_t i = 0; i < back.numel(); ++i) {
      const State parent = environment_.Undo(here, back.slice(0, i, i + 1));
      const std::string parent_name = environment_.Format(parent, 0);
      const std::string way =
          "backward action " + std::to_string(back[i].item<int64_t>()) + " leads from " + name() + " to '" + parent_name + "'";
      findings_.Expect(parents.insert(parent_name).second, "BackwardSupport: " + way + ", as another one does");
      if (!findings_.Expect(!parent.AllDone(), "Undo: " + way + ", which is finished")) continue;
      const at::Tensor forward = environment_.ForwardSupport(parent).Dense()[0].nonzero().squeeze(1);
      bool found = false;
      for (int64_t j = 0; j < forward.numel() * environment_.NumOutcomes() && !found; ++j) {
        const at::Tensor action = forward.slice(0, j / environment_.NumOutcomes(), j / environment_.NumOutcomes() + 1);
        found = environment_.Step(parent, action, OneRow(j % environment_.NumOutcomes())).Equals(here);
      }
      findings_.Expect(found, "BackwardSupport: " + way + ", from where no legal action leads back");
    }
  }

  const Environment& environment_;
  const EnvironmentSpec& spec_;
  Findings& findings_;
};

}  // namespace

bool Findings::Expect(bool ok, const std::string& what) {
  if (!ok && lines_.size() < kMost) lines_.push_back(place_ + what);
  return ok;
}
bool Findings::Expect(bool ok, const std::function<std::string()>& what) { return ok || Expect(false, what()); }
bool Findings::ExpectOk(const Status& status) { return Expect(status.ok(), status.ok() ? std::string() : Message(status)); }
bool Findings::ExpectClose(const at::Tensor& found, const at::Tensor& expected, Tolerance tolerance, const std::string& what) {
  const Closeness close = AllClose(found, expected, tolerance);
  return Expect(close.close, what + ": " + close.worst);
}

StatusOr<TrajectoryBatch> DrawRandomTrajectories(const Environment& environment, const std::vector<ConditionId>& conditions,
                                                 const ConformanceOptions& options) {
  const EnvironmentSpec& spec = environment.Spec();
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
    const at::Tensor open_B = state.done_B().logical_not();
    if (static_cast<int64_t>(actions.size()) >= spec.max_steps) {
      return FailedPrecondition(spec.name + ": not finished after max_steps = " + std::to_string(spec.max_steps) +
                                " actions: " + environment.Format(state, open_B.nonzero()[0].item<int64_t>()));
    }
    const Support support = environment.ForwardSupport(state);
    if (spec.action == EnvironmentSpec::Action::kDiscrete) {
      const at::Tensor stuck_B = support.Dense().any(1).logical_not().logical_and(open_B);
      if (stuck_B.any().item<bool>()) {
        return FailedPrecondition(spec.name + ": ForwardSupport allows no action in '" +
                                  environment.Format(state, stuck_B.nonzero()[0].item<int64_t>()) + "', which is not finished");
      }
    }
    actions.push_back(RandomActions(support, options.seed, static_cast<int64_t>(actions.size())));
    batch.lengths_B += open_B;
    outcomes.push_back(
        environment.DrawOutcome(state, actions.back(), {options.seed, RngPurpose::kNature, 0}, streams, actions.size()));
    state = environment.Step(state, actions.back(), outcomes.back());
  }
  if (actions.empty()) return FailedPrecondition(spec.name + ": Initial: an initial state is finished");
  batch.actions_BT = at::stack(actions, 1);
  if (spec.is_stochastic) batch.outcomes_BT = at::stack(outcomes, 1).masked_fill(batch.StepMask().logical_not(), 0);
  RETURN_IF_ERROR(CompleteBatch(environment, batch));
  return batch;
}

void FindBrokenRules(const Environment& environment, const std::vector<ConditionId>& conditions,
                     const ConformanceOptions& options, Findings& findings) {
  RulesExaminer examiner(environment, findings);
  if (!examiner.CheckSpec()) return;
  findings.Expect(!environment.SupportDigest().empty(), "SupportDigest: is empty");
  const auto batch = DrawRandomTrajectories(environment, conditions, options);
  if (!findings.ExpectOk(batch.status())) return;
  State state = environment.Initial(batch->condition_ids);
  examiner.CheckInitial(state, batch->condition_ids);
  const bool discrete = environment.Spec().action == EnvironmentSpec::Action::kDiscrete;
  for (int64_t step = 0; step < batch->num_steps() && findings.empty(); ++step) {
    findings.SetPlace("step " + std::to_string(step) + ": ");
    if (discrete) examiner.CheckSupportViews(environment.ForwardSupport(state));
    const at::Tensor actions_B = batch->actions_BT.select(1, step);
    const at::Tensor outcome_B = batch->outcomes_BT.defined() ? batch->outcomes_BT.select(1, step) : at::Tensor();
    examiner.CheckOutcomes(state, actions_B);
    State next = environment.Step(state, actions_B, outcome_B);
    examiner.CheckStep(state, actions_B, outcome_B, next);
    examiner.CheckFormat(next, batch->condition_ids);
    state = std::move(next);
  }
  findings.SetPlace("");
  if (!findings.empty()) return;
  findings.Expect(state.AllDone(), "Step: another batch of the same rows is not finished");
  examiner.CheckRefusals(*batch);
  if (const FastWorld* world = FastFace(environment); world != nullptr)
    FindFastDifferences(environment, *world, *batch, findings);
}

}  // namespace gfn
