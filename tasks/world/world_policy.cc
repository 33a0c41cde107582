#include "tasks/world/world_policy.h"

#include "gflownet/core/backward_policies.h"
#include "gflownet/core/log_z.h"
#include "gflownet/core/log_z_network.h"
#include "gflownet/env/continuous_policy.h"
#include "gflownet/env/state_policies.h"

namespace gfn {
namespace {

Status NeedsListing(const World& world, const std::string& what) {
  if (world.enumerable != nullptr) return OkStatus();
  return InvalidArgument(what + " needs a world that can be listed, which " + world.environment->Spec().name +
                         " is not: " + world.not_enumerable);
}

// What does not go together.
Status CheckWorldPolicy(const World& world, const WorldSettings& config, Needs needs) {
  const EnvironmentSpec& spec = world.environment->Spec();
  if (world.network.has_value() && needs.Has(Need::kLogFlow)) {
    return InvalidArgument("objective: needs log F(s), which the network of " + spec.name + " does not learn");
  }
  if (std::holds_alternative<TabularPolicyConfig>(config.policy)) {
    if (world.network.has_value()) return InvalidArgument("task.policy: " + spec.name + " has a network of its own");
    RETURN_IF_ERROR(NeedsListing(world, "task.policy: a tabular policy"));
  }
  if (config.backward == BackwardKind::kMaxEntropy && !needs.Has(Need::kLogInflow) && !spec.is_tree) {
    RETURN_IF_ERROR(NeedsListing(world, "task.backward: max_entropy"));
    if (spec.is_stochastic)
      return InvalidArgument("task.backward: max_entropy needs a deterministic world, which " + spec.name + " is not");
  }
  if (needs.Has(Need::kLogZ) && std::holds_alternative<LogZNetworkConfig>(config.log_z) && !world.condition_features) {
    return InvalidArgument("task.log_z: network needs conditions with features, which those of " + spec.name +
                           " have not; table fits");
  }
  return OkStatus();
}

std::unique_ptr<Policy> MakeNetwork(const World& world, const WorldSettings& config, const StatePolicyOptions& heads,
                                    uint64_t seed, ParameterSet& parameters) {
  if (world.network.has_value()) return world.network->make(parameters, seed);
  if (const auto* mlp = std::get_if<MlpPolicyConfig>(&config.policy)) {
    const RngKey init{seed, RngPurpose::kInit, 0};
    const MlpOptions options{heads, mlp->width, mlp->depth};
    if (world.environment->Spec().action == EnvironmentSpec::Action::kContinuous) {
      return std::make_unique<ContinuousPolicy>(*world.environment, world.features, world.num_features, parameters,
                                                ContinuousPolicyOptions{.mlp = options, .wraps = world.wraps}, init);
    }
    return std::make_unique<MlpPolicy>(*world.environment, world.features, world.num_features, parameters, options, init);
  }
  return std::make_unique<TabularPolicy>(*world.enumerable, world.conditions.ids(), parameters, heads);
}

void AddLogZ(const World& world, const WorldSettings& config, uint64_t seed, ParameterSet& parameters, WorldPolicy& policy) {
  const auto* network = std::get_if<LogZNetworkConfig>(&config.log_z);
  if (network == nullptr) {
    policy.with_log_z = std::make_unique<LogZPolicy>(policy.sampler(), world.conditions, parameters, at::Tensor());
    policy.log_z_C = [&parameters] { return parameters.Get("log_z").detach(); };
    return;
  }
  auto with_log_z =
      std::make_unique<LogZNetworkPolicy>(policy.sampler(), world.condition_features, world.num_condition_features, parameters,
                                          LogZNetworkOptions{network->width, network->depth}, RngKey{seed, RngPurpose::kInit, 1});
  policy.log_z_C = [learned = with_log_z.get(), ids = world.conditions.ids()] {
    const at::NoGradGuard no_grad;
    return learned->LogZ(ids);
  };
  policy.with_log_z = std::move(with_log_z);
}

}  // namespace

StatePolicyOptions HeadsOf(const World& world, const WorldSettings& config, Needs needs) {
  // Flows of edges decide P_B and F themselves; on a tree P_B is 1.
  const bool edge_flows = needs.Has(Need::kLogInflow);
  StatePolicyOptions heads;
  heads.learned_backward = config.backward == BackwardKind::kLearned && !edge_flows && !world.environment->Spec().is_tree;
  heads.flow = needs.Has(Need::kLogFlow) && !edge_flows;
  return heads;
}

StatusOr<double> NumWorldParameters(const World& world, const WorldSettings& config, Needs needs) {
  const EnvironmentSpec& spec = world.environment->Spec();
  RETURN_IF_ERROR(CheckWorldPolicy(world, config, needs));
  const StatePolicyOptions heads = HeadsOf(world, config, needs);
  const auto number = [](int64_t n) { return static_cast<double>(n); };
  // Hidden layers of one width, and the numbers that a last layer makes of them.
  const auto mlp_parameters = [&](double in, double width, double depth, double out) {
    return (in + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * out;
  };
  const double num_conditions = number(static_cast<int64_t>(world.conditions.ids().size()));
  double count = 0;
  if (world.network.has_value()) {
    count += world.network->num_parameters;
  } else if (const auto* mlp = std::get_if<MlpPolicyConfig>(&config.policy)) {
    const bool continuous = spec.action == EnvironmentSpec::Action::kContinuous;
    const double density = number(ContinuousPolicyOptions{}.num_components) * (1 + 2 * number(spec.action_width));
    const double out = (continuous ? density : number(spec.num_actions)) +
                       (heads.learned_backward ? continuous ? density : number(spec.num_backward_actions) : 0) +
                       (heads.flow ? 1 : 0);
    count += mlp_parameters(number(world.num_features), number(mlp->width), number(mlp->depth), out);
  } else {
    const double states = number(world.enumerable->NumStates());
    const double nodes = states + number(world.enumerable->NumObjects());
    count += num_conditions * (states * (number(spec.num_actions) + (heads.flow ? 1 : 0)) +
                               (heads.learned_backward ? nodes * number(spec.num_backward_actions) : 0));
  }
  if (!needs.Has(Need::kLogZ)) return count;
  const auto* network = std::get_if<LogZNetworkConfig>(&config.log_z);
  return count + (network == nullptr
                      ? num_conditions
                      : mlp_parameters(number(world.num_condition_features), number(network->width), number(network->depth), 1));
}

StatusOr<WorldPolicy> MakeWorldPolicy(const World& world, const WorldSettings& config, Needs needs, uint64_t seed,
                                      ParameterSet& parameters) {
  const EnvironmentSpec& spec = world.environment->Spec();
  const bool edge_flows = needs.Has(Need::kLogInflow);
  RETURN_IF_ERROR(CheckWorldPolicy(world, config, needs));
  WorldPolicy policy;
  policy.network = MakeNetwork(world, config, HeadsOf(world, config, needs), seed, parameters);
  const auto* state_policy = dynamic_cast<const StatePolicy*>(policy.network.get());
  if (edge_flows && state_policy != nullptr) {
    policy.wrapped = std::make_unique<EdgeFlowPolicy>(*state_policy);
  } else if (config.backward == BackwardKind::kMaxEntropy && !spec.is_tree) {
    policy.wrapped = std::make_unique<MaxEntropyBackwardPolicy>(*state_policy, *world.enumerable, world.conditions.ids()[0]);
  }
  if (needs.Has(Need::kLogZ)) AddLogZ(world, config, seed, parameters, policy);
  return policy;
}

}  // namespace gfn
