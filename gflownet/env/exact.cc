#include "gflownet/env/exact.h"

#include "gflownet/base/check.h"
#include "gflownet/core/rollout.h"

namespace gfn {

at::Tensor ExactLogTerminating(const EnumerableEnvironment& environment, const StatePolicy& policy, ConditionId condition) {
  const at::NoGradGuard no_grad;
  const int64_t num_states = environment.NumStates(), num_actions = environment.Spec().num_actions;
  GFN_CHECK(!environment.Spec().is_stochastic) << "the distribution of a stochastic world also depends on nature";

  // 1. Policy and successors of every state.
  const State all = environment.StatesAt(at::arange(num_states, at::kLong), condition);
  const Support support = environment.ForwardSupport(all);
  const at::Tensor log_q_NA = support.LogProbs(policy.Evaluate(all).forward_logits_BA).to(at::kDouble).contiguous();
  std::vector<at::Tensor> next_state, next_object;  // [N] per action: number of the child, -1 where it is of the other kind
  for (int64_t action = 0; action < num_actions; ++action) {
    const at::Tensor actions_N = at::full({num_states}, action, at::kLong);
    // An illegal action leads nowhere that is looked at; it is replaced by a legal one so that Step keeps its contract.
    const at::Tensor legal_N = support.IsLegal(actions_N);
    const State child = environment.Step(all, at::where(legal_N, actions_N, support.Dense().to(at::kLong).argmax(1)));
    next_state.push_back(environment.StateIndex(child).masked_fill(child.done_B(), -1));
    next_object.push_back(environment.ObjectIndex(child).masked_fill(child.done_B().logical_not(), -1));
  }

  // 2. Flow of probability from parents to children, which have larger numbers.
  const at::Tensor log_reach_N = at::full({num_states}, -INFINITY, at::kDouble);
  const at::Tensor log_q_X = at::full({environment.NumObjects()}, -INFINITY, at::kDouble);
  double* reach = log_reach_N.data_ptr<double>();
  double* object = log_q_X.data_ptr<double>();
  const double* log_q = log_q_NA.data_ptr<double>();
  auto add = [](double& into, double value) {
    const double high = std::max(into, value);
    if (high > -INFINITY) into = high + std::log(std::exp(into - high) + std::exp(value - high));
  };
  reach[0] = 0;
  for (int64_t state = 0; state < num_states; ++state) {
    for (int64_t action = 0; action < num_actions; ++action) {
      const double flow = reach[state] + log_q[state * num_actions + action];
      if (flow == -INFINITY) continue;
      const int64_t child = next_state[action].data_ptr<int64_t>()[state];
      GFN_CHECK(child < 0 || child > state) << "states of " << environment.Spec().name << " are not in topological order";
      child >= 0 ? add(reach[child], flow) : add(object[next_object[action].data_ptr<int64_t>()[state]], flow);
    }
  }
  return log_q_X;
}

StatusOr<TrajectoryBatch> EnumerateTrajectories(const Environment& environment, ConditionId condition, int64_t max_trajectories) {
  const at::NoGradGuard no_grad;
  const EnvironmentSpec& spec = environment.Spec();
  GFN_CHECK(spec.action == EnvironmentSpec::Action::kDiscrete && !spec.is_stochastic) << spec.name << " cannot be enumerated";
  State state = environment.Initial({condition});
  at::Tensor actions_NT = at::zeros({1, 0}, at::kLong);
  std::vector<TrajectoryBatch> finished;
  int64_t count = 0;
  for (int64_t step = 0; state.batch_size() > 0; ++step) {
    // Every (row, legal action) becomes a row.
    const at::Tensor choices_M2 = environment.ForwardSupport(state).Dense().nonzero();
    const at::Tensor rows_M = choices_M2.select(1, 0), chosen_M = choices_M2.select(1, 1);
    if (count + rows_M.numel() > max_trajectories) {
      return InvalidArgument(spec.name + ": more than " + std::to_string(max_trajectories) + " trajectories: " +
                             std::to_string(count + rows_M.numel()) + " after " + std::to_string(step + 1) + " of at most " +
                             std::to_string(spec.max_steps) + " actions");
    }
    state = environment.Step(state.Gather(rows_M), chosen_M);
    actions_NT = at::cat({actions_NT.index_select(0, rows_M), chosen_M.unsqueeze(1)}, 1);

    const at::Tensor done_D = state.done_B().nonzero().squeeze(1);
    if (done_D.numel() > 0) {
      TrajectoryBatch batch;
      batch.condition_ids = Repeat(condition, done_D.numel());
      batch.actions_BT = actions_NT.index_select(0, done_D);
      batch.lengths_B = at::full({done_D.numel()}, step + 1, at::kLong);
      finished.push_back(std::move(batch));
      count += done_D.numel();
    }
    const at::Tensor live_L = state.done_B().logical_not().nonzero().squeeze(1);
    state = state.Gather(live_L);
    actions_NT = actions_NT.index_select(0, live_L);
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
