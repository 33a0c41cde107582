#include "gflownet/env/state_graph.h"

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/core/rollout.h"
#include "gflownet/env/counting.h"

namespace gfn {
namespace {

// into = log(exp(into) + exp(value))
void LogAdd(double& into, double value) {
  const double high = std::max(into, value), low = std::min(into, value);
  if (low > -INFINITY) {
    into = high + std::log1p(std::exp(low - high));
  } else {
    into = high;
  }
}

std::string CountText(int64_t count) {
  return count == EnumerableEnvironment::kTooManyStates ? "more than 9e18" : std::to_string(count);
}

// An object's number is below NumObjects, a state's below NumStates and above its parent's.
Status CheckNumbers(const EnumerableEnvironment& environment, const State& children, const at::Tensor& index_E,
                    const at::Tensor& parent_E) {
  const at::Tensor most_E = at::where(children.done_B(), environment.NumObjects(), environment.NumStates());
  const at::Tensor least_E = at::where(children.done_B(), at::zeros_like(parent_E), parent_E + 1);
  const at::Tensor wrong_M = index_E.lt(least_E).logical_or(index_E.ge(most_E)).nonzero().squeeze(1);
  if (wrong_M.numel() == 0) return OkStatus();
  const int64_t edge = wrong_M[0].item<int64_t>();
  return FailedPrecondition(environment.Spec().name + ": " + environment.Format(children, edge) + " has number " +
                            std::to_string(index_E[edge].item<int64_t>()) + ", expected one from " +
                            std::to_string(least_E[edge].item<int64_t>()) + " below " +
                            std::to_string(most_E[edge].item<int64_t>()) +
                            ": a cycle (children are numbered after their parents), or a wrong number of states or objects");
}

}  // namespace

Status CheckListable(const EnumerableEnvironment& environment, int64_t max_steps) {
  RETURN_IF_ERROR(environment.ListingStatus());
  const int64_t states = environment.NumStates();
  const int64_t per_state = CountProduct(environment.Spec().num_actions, environment.NumOutcomes());
  const int64_t steps = CountSum(CountProduct(states, per_state), environment.NumObjects());
  if (steps <= max_steps) return OkStatus();
  return ResourceExhausted(environment.Spec().name + ": " + CountText(states) + " states with " + std::to_string(per_state) +
                           " steps each and " + CountText(environment.NumObjects()) + " objects are too many to list (at most " +
                           std::to_string(max_steps) + " steps and objects): take a smaller world, or leave out what is exact");
}

StatusOr<StateGraph> StateGraph::Build(const EnumerableEnvironment& environment, ConditionId condition, int64_t max_steps) {
  RETURN_IF_ERROR(CheckListable(environment, max_steps));
  const at::NoGradGuard no_grad;
  StateGraph graph;
  graph.condition_ = condition;
  graph.num_states_ = environment.NumStates();
  graph.num_objects_ = environment.NumObjects();

  // Every legal action of every state, then every possible outcome of these.
  const State states = environment.StatesAt(at::arange(graph.num_states_, at::kLong), condition);
  const at::Tensor choices_M2 = environment.ForwardSupport(states).Dense().nonzero();
  const at::Tensor rows_M = choices_M2.select(1, 0), actions_M = choices_M2.select(1, 1);
  const at::Tensor log_outcomes_MO = environment.LogOutcomes(states.Gather(rows_M), actions_M);
  const at::Tensor possible_E2 = log_outcomes_MO.gt(-INFINITY).nonzero();
  const at::Tensor choice_E = possible_E2.select(1, 0);
  graph.parent_E_ = rows_M.index_select(0, choice_E);
  graph.action_E_ = actions_M.index_select(0, choice_E);
  graph.outcome_E_ = possible_E2.select(1, 1).contiguous();
  graph.log_outcome_E_ = log_outcomes_MO.index({choice_E, graph.outcome_E_}).contiguous();

  const State parents = states.Gather(graph.parent_E_);
  const State children = environment.Step(parents, graph.action_E_, graph.outcome_E_);
  const at::Tensor index_E = at::where(children.done_B(), environment.ObjectIndex(children), environment.StateIndex(children));
  RETURN_IF_ERROR(CheckNumbers(environment, children, index_E, graph.parent_E_));
  graph.child_E_ = index_E + children.done_B().to(at::kLong) * graph.num_states_;
  graph.backward_action_E_ = environment.BackwardAction(parents, graph.action_E_, graph.outcome_E_);
  return graph;
}

at::Tensor StateGraph::LogReach(const at::Tensor& log_pf_NA, int64_t from) const {
  GFN_CHECK(from >= 0 && from < num_states_) << from;
  GFN_CHECK(log_pf_NA.dim() == 2 && log_pf_NA.size(0) == num_states_) << log_pf_NA.sizes() << " for " << num_states_ << " states";
  const at::NoGradGuard no_grad;
  const at::Tensor log_step_E = (log_pf_NA.to(at::kDouble).index({parent_E_, action_E_}) + log_outcome_E_).contiguous();
  const at::Tensor log_reach = at::full({num_states_ + num_objects_}, -INFINITY, at::kDouble);
  double* reach = log_reach.data_ptr<double>();
  const double* log_step = log_step_E.data_ptr<double>();
  const int64_t* parent = parent_E_.data_ptr<int64_t>();
  const int64_t* child = child_E_.data_ptr<int64_t>();
  reach[from] = 0;
  for (int64_t edge = 0; edge < num_edges(); ++edge) LogAdd(reach[child[edge]], reach[parent[edge]] + log_step[edge]);
  return log_reach;
}

StatusOr<TrajectoryBatch> StateGraph::OneTrajectoryEach(const EnumerableEnvironment& environment) const {
  const int64_t* parent = parent_E_.data_ptr<int64_t>();
  const int64_t* child = child_E_.data_ptr<int64_t>();
  // Some edge into each node, from one that is reached itself: a numbering may have states that nothing leads to.
  std::vector<int64_t> way_in(num_states_ + num_objects_, -1);
  for (int64_t edge = 0; edge < num_edges(); ++edge) {
    if (parent[edge] == 0 || way_in[parent[edge]] >= 0) way_in[child[edge]] = edge;
  }

  // Edges from each object up to the initial state, turned round; padding is -1.
  const int64_t most_steps = environment.Spec().max_steps;
  const at::Tensor edges_XT = at::full({num_objects_, most_steps}, -1, at::kLong);
  const at::Tensor lengths_X = at::zeros({num_objects_}, at::kLong);
  for (int64_t object = 0; object < num_objects_; ++object) {
    std::vector<int64_t> path;
    for (int64_t node = num_states_ + object; node != 0; node = parent[way_in[node]]) {
      GFN_CHECK(way_in[node] >= 0) << environment.Spec().name << ": nothing leads to node " << node;
      path.push_back(way_in[node]);
    }
    std::copy(path.rbegin(), path.rend(), edges_XT.data_ptr<int64_t>() + object * most_steps);
    lengths_X.data_ptr<int64_t>()[object] = static_cast<int64_t>(path.size());
  }
  const at::Tensor flat = edges_XT.slice(1, 0, lengths_X.max().item<int64_t>()).clamp_min(0);
  TrajectoryBatch batch;
  batch.condition_ids = Repeat(condition_, num_objects_);
  batch.lengths_B = lengths_X;
  const at::Tensor moves = batch.lengths_B.unsqueeze(1).gt(at::arange(flat.size(1), at::kLong).unsqueeze(0));
  auto pick = [&](const at::Tensor& of_E) {
    return of_E.index_select(0, flat.flatten()).view(flat.sizes()).masked_fill(moves.logical_not(), 0);
  };
  batch.actions_BT = pick(action_E_);
  if (environment.Spec().is_stochastic) batch.outcomes_BT = pick(outcome_E_);
  RETURN_IF_ERROR(CompleteBatch(environment, batch));
  return batch;
}

StatusOr<at::Tensor> ExactLogReward(const EnumerableEnvironment& environment, const StateGraph& graph, const Reward& reward,
                                    ConditionId condition) {
  const at::NoGradGuard no_grad;
  const auto* of_state = dynamic_cast<const StateReward*>(&reward);
  if (of_state == nullptr) {
    ASSIGN_OR_RETURN(TrajectoryBatch batch, graph.OneTrajectoryEach(environment));
    RETURN_IF_ERROR(EvaluateReward(reward, batch));
    return batch.log_reward_B;
  }
  const State objects = environment.ObjectsAt(at::arange(graph.num_objects(), at::kLong), condition);
  const at::Tensor value_X = of_state->LogRewardOf(objects);
  RETURN_IF_ERROR(CheckRewardShape("log R", value_X, {graph.num_objects()}));
  const at::Tensor log_reward_X = value_X.to(at::kDouble);
  const at::Tensor bad_M = log_reward_X.isfinite().logical_not().nonzero().squeeze(1);
  if (bad_M.numel() == 0) return log_reward_X;
  const int64_t first = bad_M[0].item<int64_t>();
  return InvalidArgument("reward: log R is " + FormatReal(log_reward_X[first].item<double>()) + " of " +
                         environment.Format(objects, first) + ", expected a finite number");
}

}  // namespace gfn
