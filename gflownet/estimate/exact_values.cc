#include "gflownet/estimate/exact_values.h"

#include <cmath>

#include "gflownet/core/rollout.h"
#include "gflownet/env/exact.h"
#include "gflownet/estimate/entropy.h"
#include "gflownet/estimate/state_values.h"

namespace gfn {
namespace {

// Trajectories up to which log q is summed over all of them, for policies that are not plain functions of the state.
constexpr int64_t kMaxTrajectories = int64_t{1} << 16;
// Of b in d log Z / d b: the error of central differences is of the order of its square.
constexpr double kRelativeStep = 1e-4;

// The world's own rule, by which a state is below another.
BelowFunction RuleOf(const Environment& environment, const State& root) {
  if (!environment.IsBelow(root, root).defined()) return {};
  return [&environment, root](const State& state) { return environment.IsBelow(state, root); };
}

}  // namespace

State StateAfter(const Environment& environment, ConditionId condition, const std::vector<int64_t>& path) {
  State state = environment.Initial({condition});
  for (const int64_t action : path) state = environment.Step(state, at::tensor(std::vector<int64_t>{action}, at::kLong));
  return state;
}

StatusOr<ExactValues> ExactValues::Find(const Sampler& sampler, const std::vector<int64_t>& path, int64_t max_states) {
  const at::NoGradGuard no_grad;
  ExactValues values;
  values.sampler_ = sampler;
  values.path_ = path;
  values.state_ = StateAfter(*sampler.environment, sampler.condition, path);
  values.below_ = RuleOf(*sampler.environment, *values.state_);
  const auto* environment = values.enumerable_ = dynamic_cast<const EnumerableEnvironment*>(sampler.environment);
  const bool states_fit = environment != nullptr && environment->NumStates() <= max_states && CheckListable(*environment).ok();
  const auto* of_objects = dynamic_cast<const StateReward*>(sampler.reward);
  if (states_fit) {
    ASSIGN_OR_RETURN(StateGraph graph, StateGraph::Build(*environment, sampler.condition));
    ASSIGN_OR_RETURN(const at::Tensor log_reward_X, ExactLogReward(*environment, graph, *sampler.reward, sampler.condition));
    values.log_r_X_ = log_reward_X / sampler.temperature;
    values.index_ = environment->StateIndex(*values.state_).item<int64_t>();
    const at::Tensor reached = ReachedFrom(graph, values.index_);
    values.is_below_X_ = reached.slice(0, graph.num_states());
    values.below_ = BelowState(*environment, reached);
    const at::Tensor log_pb_E = ExactLogPb(*environment, *sampler.policy, graph, sampler.condition);
    values.log_flow_ = ExactLogFlow(graph, log_pb_E, *values.log_r_X_)[values.index_].item<double>();
    values.graph_ = std::move(graph);
  } else if (environment != nullptr && !environment->ObjectsNeedStates() && environment->NumObjects() <= max_states &&
             of_objects != nullptr && values.below_) {
    const State objects = environment->ObjectsAt(at::arange(environment->NumObjects(), at::kLong), sampler.condition);
    values.log_r_X_ = of_objects->LogRewardOf(objects).to(at::kDouble) / sampler.temperature;
    values.is_below_X_ = values.below_(objects);
  }
  if (values.log_r_X_) {
    values.log_z_ = values.log_r_X_->logsumexp(0).item<double>();
    values.log_sum_below_ =
        values.log_r_X_->masked_fill(values.is_below_X_->logical_not(), -INFINITY).logsumexp(0).item<double>();
  } else {
    values.log_sum_below_ = sampler.reward->LogSumBelow(*values.state_, sampler.temperature);
    values.log_z_ = path.empty()
                        ? values.log_sum_below_
                        : sampler.reward->LogSumBelow(sampler.environment->Initial({sampler.condition}), sampler.temperature);
  }
  // The two agree at the initial state and in a tree.
  if (!values.log_flow_ && (path.empty() || sampler.environment->Spec().is_tree)) values.log_flow_ = values.log_sum_below_;
  return values;
}

std::optional<double> ExactValues::EntropyBelow() const {
  if (log_r_X_) return ExactEntropy(log_r_X_->masked_fill(is_below_X_->logical_not(), -INFINITY));
  if (!log_sum_below_) return std::nullopt;
  const auto at_power = [&](double factor) { return sampler_.reward->LogSumBelow(*state_, sampler_.temperature / factor); };
  const auto more = at_power(1 + kRelativeStep), less = at_power(1 - kRelativeStep);
  if (!more || !less) return std::nullopt;
  return *log_sum_below_ - (*more - *less) / (2 * kRelativeStep);
}

std::optional<int64_t> ExactValues::NumBelow() const {
  if (!is_below_X_) return std::nullopt;
  return is_below_X_->sum().item<int64_t>();
}

StatusOr<std::optional<at::Tensor>> ExactValues::LogQ() const {
  if (!graph_) return std::optional<at::Tensor>();
  if (const StatePolicy* of_states = sampler_.policy->OfStates()) {
    return std::optional<at::Tensor>(graph_->LogTerminating(ExactLogPf(*enumerable_, *of_states, sampler_.condition), index_));
  }
  const auto all = EnumerateTrajectories(*enumerable_, sampler_.condition, kMaxTrajectories);
  if (!all.ok()) return std::optional<at::Tensor>();
  const int64_t num_given = static_cast<int64_t>(path_.size());
  at::Tensor begins_B = all->lengths_B.gt(num_given);
  for (int64_t k = 0; k < num_given; ++k) begins_B = begins_B.logical_and(all->actions_BT.select(1, k).eq(path_[k]));
  const TrajectoryBatch batch = all->Gather(begins_B.nonzero().squeeze(1));
  const at::Tensor log_q_B = LogProbOfTrajectories(*sampler_.policy, batch);
  const at::Tensor object_B = enumerable_->ObjectIndex(FinalStates(*enumerable_, batch));
  return std::optional<at::Tensor>(
      at::zeros({graph_->num_objects()}, at::kDouble).index_add(0, object_B, (log_q_B - log_q_B.logsumexp(0)).exp()).log());
}

}  // namespace gfn
