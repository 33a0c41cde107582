#include "gflownet/core/backward_policies.h"

#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/tensor/categorical.h"

namespace gfn {
namespace {

// Calls function(rows int64 [M], child [M], parent [M], backward action) for the rows in which each backward action is legal.
template <class Function>
void ForEachParent(const Environment& environment, const State& state, Function function) {
  const at::Tensor legal_BA = environment.BackwardSupport(state).Dense();
  for (int64_t action = 0; action < legal_BA.size(1); ++action) {
    const at::Tensor rows_M = legal_BA.select(1, action).nonzero().squeeze(1);
    if (rows_M.numel() == 0) continue;
    const State child = state.Gather(rows_M);
    function(rows_M, child, environment.Undo(child, at::full_like(rows_M, action)), action);
  }
}

// Columns [B, A_back] from (rows, values) of each action; zero elsewhere. Differentiable.
class BackwardColumns {
 public:
  BackwardColumns(int64_t num_rows, int64_t num_actions) : num_rows_(num_rows), columns_(num_actions) {}
  void Set(const at::Tensor& rows_M, int64_t action, const at::Tensor& values_M) {
    columns_[action] = at::zeros({num_rows_}, values_M.options()).index_copy(0, rows_M, values_M);
  }
  at::Tensor Join(const at::TensorOptions& options) {
    for (at::Tensor& column : columns_) {
      if (!column.defined()) column = at::zeros({num_rows_}, options);
    }
    return at::stack(columns_, 1);
  }

 private:
  int64_t num_rows_;
  std::vector<at::Tensor> columns_;
};

}  // namespace

StateValues EdgeFlowPolicy::Evaluate(const State& state) const {
  StateValues values = policy_.Evaluate(state);
  const Support support = environment().ForwardSupport(state);
  values.log_flow_B = LogSumExp(values.forward_logits_BA.masked_fill(support.Dense().logical_not(), -INFINITY));
  values.backward_logits_BA = at::Tensor();  // LogInEdges, which costs more, says it where it is asked for
  return values;
}

at::Tensor EdgeFlowPolicy::LogInEdges(const State& state) const {
  const int64_t num_back = environment().BackwardSupport(state).num_actions;
  BackwardColumns columns(state.batch_size(), num_back);
  at::TensorOptions options = at::TensorOptions().dtype(at::kFloat);
  ForEachParent(environment(), state, [&](const at::Tensor& rows_M, const State& child, const State& parent, int64_t action) {
    const at::Tensor logits_MA = policy_.Evaluate(parent).forward_logits_BA;
    const at::Tensor actions_M1 = environment().ForwardAction(child, at::full_like(rows_M, action)).unsqueeze(1);
    options = logits_MA.options();
    columns.Set(rows_M, action, logits_MA.gather(1, actions_M1).squeeze(1));
  });
  return columns.Join(options.requires_grad(false));
}

at::Tensor LogPathCounts(const EnumerableEnvironment& environment, ConditionId condition) {
  const at::NoGradGuard no_grad;
  const int64_t num_states = environment.NumStates();
  const State all = environment.StatesAt(at::arange(num_states, at::kLong), condition);
  const at::Tensor log_paths_N = at::full({num_states}, -INFINITY, at::kDouble);
  double* log_paths = log_paths_N.data_ptr<double>();
  log_paths[0] = 0;
  // Edges by child, so that parents, which have smaller numbers, are complete before they are used.
  std::vector<std::vector<int64_t>> parents(num_states);
  ForEachParent(environment, all, [&](const at::Tensor& rows_M, const State&, const State& parent, int64_t) {
    const at::Tensor index_M = environment.StateIndex(parent).contiguous();
    for (int64_t i = 0; i < rows_M.numel(); ++i) parents[rows_M.data_ptr<int64_t>()[i]].push_back(index_M.data_ptr<int64_t>()[i]);
  });
  for (int64_t state = 1; state < num_states; ++state) {
    std::vector<double> terms;
    for (const int64_t parent : parents[state]) {
      GFN_CHECK_LT(parent, state) << "states of " << environment.Spec().name << " are not in topological order";
      terms.push_back(log_paths[parent]);
    }
    log_paths[state] = LogSumExp(std::span<const double>(terms));
  }
  return log_paths_N;
}

MaxEntropyBackwardPolicy::MaxEntropyBackwardPolicy(const StatePolicy& policy, const EnumerableEnvironment& environment,
                                                   ConditionId condition)
    : StatePolicy(policy.environment()),
      policy_(policy),
      enumerable_(environment),
      log_paths_N_(LogPathCounts(environment, condition)) {}

StateValues MaxEntropyBackwardPolicy::Evaluate(const State& state) const {
  StateValues values = policy_.Evaluate(state);
  values.backward_logits_BA = BackwardLogits(state);
  return values;
}

at::Tensor MaxEntropyBackwardPolicy::BackwardLogits(const State& state) const {
  BackwardColumns columns(state.batch_size(), enumerable_.BackwardSupport(state).num_actions);
  ForEachParent(enumerable_, state, [&](const at::Tensor& rows_M, const State&, const State& parent, int64_t action) {
    columns.Set(rows_M, action, log_paths_N_.index_select(0, enumerable_.StateIndex(parent)));
  });
  return columns.Join(log_paths_N_.options());
}

}  // namespace gfn
