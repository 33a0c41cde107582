#include "gflownet/estimate/state_values.h"

#include <algorithm>

#include "gflownet/base/check.h"

namespace gfn {

at::Tensor ExactLogPb(const EnumerableEnvironment& environment, const Policy& policy, const StateGraph& graph,
                      ConditionId condition) {
  const at::NoGradGuard no_grad;
  GFN_CHECK(!environment.Spec().is_stochastic) << environment.Spec().name << " is stochastic";
  if (environment.Spec().is_tree) return at::zeros({graph.num_edges()}, at::kDouble);
  const int64_t num_states = graph.num_states();
  auto log_probs = [&](const State& state) {
    const Support support = environment.BackwardSupport(state);
    at::Tensor logits = policy.BackwardLogits(state);
    if (!logits.defined()) logits = at::zeros({state.batch_size(), support.num_actions}, at::kDouble);
    return support.LogProbs(logits).to(at::kDouble);
  };
  const at::Tensor log_pb = at::cat({log_probs(environment.StatesAt(at::arange(num_states, at::kLong), condition)),
                                     log_probs(environment.ObjectsAt(at::arange(graph.num_objects(), at::kLong), condition))});
  return log_pb.index({graph.child_E(), graph.backward_action_E()}).contiguous();
}

at::Tensor ExactLogFlow(const StateGraph& graph, const at::Tensor& log_pb_E, const at::Tensor& log_reward_X) {
  GFN_CHECK_EQ(log_reward_X.numel(), graph.num_objects());
  const at::Tensor log_flow = at::cat({at::full({graph.num_states()}, -INFINITY, at::kDouble), log_reward_X.to(at::kDouble)});
  const at::Tensor log_pb = log_pb_E.to(at::kDouble).contiguous();
  double* flow = log_flow.data_ptr<double>();
  const double* back = log_pb.const_data_ptr<double>();
  const int64_t* parent = graph.parent_E().const_data_ptr<int64_t>();
  const int64_t* child = graph.child_E().const_data_ptr<int64_t>();
  for (int64_t edge = graph.num_edges() - 1; edge >= 0; --edge) {
    const double value = flow[child[edge]] + back[edge];
    double& into = flow[parent[edge]];
    const double high = std::max(into, value), low = std::min(into, value);
    into = low > -INFINITY ? high + std::log1p(std::exp(low - high)) : high;
  }
  return log_flow;
}

at::Tensor ReachedFrom(const StateGraph& graph, int64_t state) {
  GFN_CHECK(state >= 0 && state < graph.num_states()) << state;
  const at::Tensor reached = at::zeros({graph.num_states() + graph.num_objects()}, at::kBool);
  bool* is_reached = reached.data_ptr<bool>();
  const int64_t* parent = graph.parent_E().const_data_ptr<int64_t>();
  const int64_t* child = graph.child_E().const_data_ptr<int64_t>();
  is_reached[state] = true;
  for (int64_t edge = 0; edge < graph.num_edges(); ++edge) {
    if (is_reached[parent[edge]]) is_reached[child[edge]] = true;
  }
  return reached;
}

double ExactLogSumBelow(const StateGraph& graph, int64_t state, const at::Tensor& log_reward_X) {
  const at::Tensor reached_X = ReachedFrom(graph, state).slice(0, graph.num_states());
  return log_reward_X.to(at::kDouble).masked_fill(reached_X.logical_not(), -INFINITY).logsumexp(0).item<double>();
}

std::vector<int64_t> PathTo(const StateGraph& graph, int64_t state) {
  GFN_CHECK(state >= 0 && state < graph.num_states()) << state;
  const int64_t* parent = graph.parent_E().const_data_ptr<int64_t>();
  const int64_t* child = graph.child_E().const_data_ptr<int64_t>();
  const int64_t* action = graph.action_E().const_data_ptr<int64_t>();
  std::vector<int64_t> path;
  int64_t wanted = state;
  // Parents are smaller, so one pass from the end meets the edges into each node on the way before those into its parent.
  for (int64_t edge = graph.num_edges() - 1; edge >= 0 && wanted != 0; --edge) {
    if (child[edge] != wanted) continue;
    path.push_back(action[edge]);
    wanted = parent[edge];
  }
  GFN_CHECK_EQ(wanted, 0);
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace gfn
