#include "gflownet/env/exact.h"

#include "gflownet/base/check.h"
#include "gflownet/core/rollout.h"

namespace gfn {

at::Tensor ExactLogPf(const EnumerableEnvironment& environment, const StatePolicy& policy, ConditionId condition) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> log_pf;
  const int64_t num_states = environment.NumStates();
  for (int64_t first = 0; first < num_states; first += kExactBatch) {
    const at::Tensor index = at::arange(first, std::min(num_states, first + kExactBatch), at::kLong);
    const State states = environment.StatesAt(index, condition);
    log_pf.push_back(environment.ForwardSupport(states).LogProbs(policy.Evaluate(states).forward_logits_BA).to(at::kDouble));
  }
  return log_pf.size() == 1 ? log_pf[0] : at::cat(log_pf);
}

at::Tensor ExactLogTerminating(const EnumerableEnvironment& environment, const StatePolicy& policy, ConditionId condition) {
  const auto graph = StateGraph::Build(environment, condition);
  GFN_CHECK(graph.ok()) << Message(graph.status());
  return graph->LogTerminating(ExactLogPf(environment, policy, condition));
}

StatusOr<TrajectoryBatch> EnumerateTrajectories(const Environment& environment, ConditionId condition, int64_t max_trajectories) {
  const at::NoGradGuard no_grad;
  const EnvironmentSpec& spec = environment.Spec();
  GFN_CHECK(spec.action == EnvironmentSpec::Action::kDiscrete) << spec.name << " cannot be enumerated";
  State state = environment.Initial({condition});
  at::Tensor actions_NT = at::zeros({1, 0}, at::kLong), outcomes_NT = actions_NT;
  std::vector<TrajectoryBatch> finished;
  int64_t count = 0;
  for (int64_t step = 0; state.batch_size() > 0; ++step) {
    // Every (row, legal action, possible outcome) becomes a row.
    const at::Tensor choices_L2 = environment.ForwardSupport(state).Dense().nonzero();
    const at::Tensor legal_L = choices_L2.select(1, 0), action_L = choices_L2.select(1, 1);
    const at::Tensor possible_M2 = environment.LogOutcomes(state.Gather(legal_L), action_L).gt(-INFINITY).nonzero();
    const at::Tensor rows_M = legal_L.index_select(0, possible_M2.select(1, 0));
    const at::Tensor chosen_M = action_L.index_select(0, possible_M2.select(1, 0)), outcome_M = possible_M2.select(1, 1);
    if (count + rows_M.numel() > max_trajectories) {
      return InvalidArgument(spec.name + ": more than " + std::to_string(max_trajectories) +
                             " trajectories: " + std::to_string(count + rows_M.numel()) + " after " + std::to_string(step + 1) +
                             " of at most " + std::to_string(spec.max_steps) + " actions");
    }
    state = environment.Step(state.Gather(rows_M), chosen_M, outcome_M);
    actions_NT = at::cat({actions_NT.index_select(0, rows_M), chosen_M.unsqueeze(1)}, 1);
    outcomes_NT = at::cat({outcomes_NT.index_select(0, rows_M), outcome_M.unsqueeze(1)}, 1);

    const at::Tensor done_D = state.done_B().nonzero().squeeze(1);
    if (done_D.numel() > 0) {
      TrajectoryBatch batch;
      batch.condition_ids = Repeat(condition, done_D.numel());
      batch.actions_BT = actions_NT.index_select(0, done_D);
      if (spec.is_stochastic) batch.outcomes_BT = outcomes_NT.index_select(0, done_D);
      batch.lengths_B = at::full({done_D.numel()}, step + 1, at::kLong);
      finished.push_back(std::move(batch));
      count += done_D.numel();
    }
    const at::Tensor live_L = state.done_B().logical_not().nonzero().squeeze(1);
    state = state.Gather(live_L);
    actions_NT = actions_NT.index_select(0, live_L);
    outcomes_NT = outcomes_NT.index_select(0, live_L);
  }
  TrajectoryBatch all = Concatenate(finished);
  RETURN_IF_ERROR(CompleteBatch(environment, all));
  return all;
}

at::Tensor LogProbOfTrajectories(const Policy& policy, const TrajectoryBatch& batch, int64_t rows_per_pass) {
  std::vector<at::Tensor> parts;
  for (int64_t first = 0; first < batch.size(); first += rows_per_pass) {
    const int64_t last = std::min(batch.size(), first + rows_per_pass);
    const TrajectoryBatch part = batch.Gather(at::arange(first, last, at::kLong));
    const TrajectoryScores scores = policy.Score(part, {.needs = Need::kLogPf, .with_grad = false});
    parts.push_back(scores.log_pf_BT.to(at::kCPU, at::kDouble).masked_fill(part.StepMask().logical_not(), 0).sum(1));
  }
  return at::cat(parts);
}

at::Tensor LogOutcomesOfTrajectories(const Environment& environment, const TrajectoryBatch& batch) {
  at::Tensor sum_B = at::zeros({batch.size()}, at::kDouble);
  if (!environment.Spec().is_stochastic) return sum_B;
  const std::vector<State> states = Unroll(environment, batch);
  for (int64_t step = 0; step < batch.num_steps(); ++step) {
    const at::Tensor log_outcomes_BO = environment.LogOutcomes(states[step], batch.actions_BT.select(1, step));
    const at::Tensor log_p_B = log_outcomes_BO.gather(1, batch.outcomes_BT.select(1, step).unsqueeze(1)).squeeze(1);
    sum_B = sum_B + log_p_B.masked_fill(states[step].done_B(), 0);
  }
  return sum_B;
}

DistributionError CompareWithTarget(const at::Tensor& log_q_X, const at::Tensor& log_reward_X, double temperature) {
  GFN_CHECK_EQ(log_q_X.numel(), log_reward_X.numel());
  const at::Tensor log_r_X = log_reward_X.to(at::kDouble) / temperature;
  const at::Tensor log_z = log_r_X.logsumexp(0);
  const at::Tensor log_p_X = log_r_X - log_z;
  const at::Tensor log_q = log_q_X.to(at::kDouble);
  const at::Tensor p_X = log_p_X.exp(), q_X = log_q.exp();
  const at::Tensor log_mean_X = at::logaddexp(log_p_X, log_q) - std::log(2.0);
  // 0 log 0 = 0
  auto kl = [](const at::Tensor& mass, const at::Tensor& log_mass, const at::Tensor& log_other) {
    return at::where(mass.gt(0), mass * (log_mass - log_other), at::zeros_like(mass)).sum().item<double>();
  };
  DistributionError error;
  error.total_variation = (p_X - q_X).abs().sum().item<double>() / 2;
  error.jensen_shannon = (kl(p_X, log_p_X, log_mean_X) + kl(q_X, log_q, log_mean_X)) / 2;
  error.kl = kl(q_X, log_q, log_p_X);
  error.log_z = log_z.item<double>();
  return error;
}

}  // namespace gfn
