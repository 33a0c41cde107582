#include "tasks/world/world_truth.h"

#include <cmath>
#include <span>

#include "gflownet/env/continuous_policy.h"
#include "gflownet/env/exact.h"

namespace gfn {

StatusOr<ExactTruth> ExactTruth::Find(const World& world, ConditionId condition) {
  ExactTruth truth(world, condition);
  if (world.enumerable != nullptr) {
    ASSIGN_OR_RETURN(StateGraph graph, StateGraph::Build(*world.enumerable, condition));
    ASSIGN_OR_RETURN(truth.log_reward_X_, ExactLogReward(*world.enumerable, graph, *world.reward, condition));
    truth.graph_ = std::move(graph);
  } else {
    truth.log_reward_X_ = world.quadrature->log_density_G - std::log(static_cast<double>(world.quadrature->points_GD.size(0)));
  }
  return truth;
}

StatusOr<at::Tensor> ExactTruth::LearnedLogProbs(const Policy& policy) const {
  if (graph_.has_value()) {
    const StatePolicy* state_policy = policy.OfStates();
    if (state_policy == nullptr) return InvalidArgument("exact metrics need a policy that is a function of the state");
    return graph_->LogTerminating(ExactLogPf(*world_->enumerable, *state_policy, condition_));
  }
  const auto* continuous = dynamic_cast<const ContinuousPolicy*>(&policy);
  if (continuous == nullptr) return InvalidArgument("exact metrics of a continuous world need a policy with densities");
  const Quadrature& cells = *world_->quadrature;
  return LogTerminatingDensity(*continuous, *world_->environment, cells.points_GD, cells.states_at) -
         std::log(static_cast<double>(cells.points_GD.size(0)));
}

State ExactTruth::ObjectsAt(const at::Tensor& index_K) const {
  if (graph_.has_value()) return world_->enumerable->ObjectsAt(index_K, condition_);
  return world_->quadrature->states_at(world_->quadrature->points_GD.index_select(0, index_K),
                                       world_->environment->Spec().max_steps);
}

StatusOr<int64_t> NumExactStates(const World& world, const WorldMetricsConfig& config) {
  if (config.exact == ExactMode::kOff) return 0;
  const std::string& name = world.environment->Spec().name;
  int64_t states = 0;
  std::string reason;
  if (world.enumerable != nullptr) {
    states = world.enumerable->NumStates();
  } else if (world.quadrature.has_value()) {
    states = world.quadrature->points_GD.size(0) * world.environment->Spec().max_steps;
  } else {
    reason = name + " cannot be listed: " + (world.not_enumerable.empty() ? "it has no numbering" : world.not_enumerable);
  }
  if (states > config.max_states) {
    reason = name + " has " + (states == EnumerableEnvironment::kTooManyStates ? "over 2^63" : std::to_string(states)) +
             " states, more than task.metrics.max_states (" + std::to_string(config.max_states) + ")";
  }
  if (reason.empty()) return states;
  if (config.exact == ExactMode::kAuto) return 0;
  return InvalidArgument("task.metrics.exact is required, but " + reason + "; with exact: auto it is measured from samples");
}

StatusOr<std::vector<ExactTruth>> FindTruth(const World& world, const WorldMetricsConfig& config) {
  std::vector<ExactTruth> truth;
  ASSIGN_OR_RETURN(const int64_t states, NumExactStates(world, config));
  if (states == 0) return truth;
  const std::vector<ConditionId>& all = world.conditions.ids();
  const size_t num = world.num_measured == 0 ? all.size() : std::min(all.size(), static_cast<size_t>(world.num_measured));
  for (const ConditionId condition : std::span(all).first(num)) {
    ASSIGN_OR_RETURN(ExactTruth of_condition, ExactTruth::Find(world, condition));
    truth.push_back(std::move(of_condition));
  }
  return truth;
}

}  // namespace gfn
