#include "tasks/world/entropy_target.h"

#include "gflownet/base/text_util.h"
#include "gflownet/env/state_graph.h"
#include "gflownet/estimate/entropy.h"

namespace gfn {
namespace {

// Above the largest log R by this: at log c itself R' log R' would be 0, which has no logarithm.
constexpr double kMargin = 0.5;

StatusOr<double> LogBound(const World& world) {
  if (world.enumerable == nullptr) {
    return InvalidArgument("task.entropy_target.log_c: give a number above every log R; " + world.environment->Spec().name +
                           " cannot be listed to find it: " + world.not_enumerable);
  }
  double largest = -INFINITY;
  for (const ConditionId condition : world.conditions.ids()) {
    ASSIGN_OR_RETURN(const StateGraph graph, StateGraph::Build(*world.enumerable, condition));
    ASSIGN_OR_RETURN(const at::Tensor log_reward_X, ExactLogReward(*world.enumerable, graph, *world.reward, condition));
    largest = std::max(largest, log_reward_X.max().item<double>());
  }
  return largest + kMargin;
}

}  // namespace

Status UseEntropyTarget(const EntropyTargetConfig& config, World& world) {
  const std::string& name = world.environment->Spec().name;
  if (world.environment->Spec().action == EnvironmentSpec::Action::kContinuous) {
    return InvalidArgument("task.entropy_target: " + name + " is continuous; the entropy of a sum is of discrete worlds");
  }
  if (world.learner != nullptr)
    return InvalidArgument("task.entropy_target: the reward of " + name + " changes while it is learned, so no c bounds it");
  double log_c = config.log_c.value_or(0);
  if (!config.log_c.has_value()) {
    ASSIGN_OR_RETURN(log_c, LogBound(world));
  }
  world.plain_reward = std::move(world.reward);
  world.reward = std::make_unique<EntropyReward>(*world.plain_reward, log_c, config.temperature);
  std::erase_if(world.facts, [](const auto& fact) { return fact.first.starts_with("log Z"); });  // of R
  world.facts.emplace_back("reward", "-R' log R', log c = " + FormatShort(log_c));
  return OkStatus();
}

}  // namespace gfn
