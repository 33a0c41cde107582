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

StatusOr<std::unique_ptr<Policy>> MakeNetwork(const World& world, const WorldSettings& config, const StatePolicyOptions& heads,
                                              uint64_t seed, ParameterSet& parameters) {
  if (const auto* mlp = std::get_if<MlpPolicyConfig>(&config.policy)) {
    const RngKey init{seed, RngPurpose::kInit, 0};
    const MlpOptions options{heads, mlp->width, mlp->depth};
    if (world.environment->Spec().action == EnvironmentSpec::Action::kContinuous) {
      return std::unique_ptr<Policy>(
          std::make_unique<ContinuousPolicy>(*world.environment, world.features, world.num_features, parameters,
                                             ContinuousPolicyOptions{.mlp = options, .wraps = world.wraps}, init));
    }
    return std::unique_ptr<Policy>(
        std::make_unique<MlpPolicy>(*world.environment, world.features, world.num_features, parameters, options, init));
  }
  RETURN_IF_ERROR(NeedsListing(world, "task.policy: a tabular policy"));
  return std::unique_ptr<Policy>(std::make_unique<TabularPolicy>(*world.enumerable, world.conditions.ids(), parameters, heads));
}

Status AddLogZ(const World& world, const WorldSettings& config, uint64_t seed, ParameterSet& parameters, WorldPolicy& policy) {
  const auto* network = std::get_if<LogZNetworkConfig>(&config.log_z);
  if (network == nullptr) {
    policy.with_log_z = std::make_unique<LogZPolicy>(policy.sampler(), world.conditions, parameters, at::Tensor());
    policy.log_z_C = [&parameters] { return parameters.Get("log_z").detach(); };
    return OkStatus();
  }
  if (!world.condition_features) {
    return InvalidArgument("task.log_z: network needs conditions with features, which those of " +
                           world.environment->Spec().name + " have not; table fits");
  }
  auto with_log_z =
      std::make_unique<LogZNetworkPolicy>(policy.sampler(), world.condition_features, world.num_condition_features, parameters,
                                          LogZNetworkOptions{network->width, network->depth}, RngKey{seed, RngPurpose::kInit, 1});
  policy.log_z_C = [learned = with_log_z.get(), ids = world.conditions.ids()] {
    const at::NoGradGuard no_grad;
    return learned->LogZ(ids);
  };
  policy.with_log_z = std::move(with_log_z);
  return OkStatus();
}

}  // namespace

StatusOr<WorldPolicy> MakeWorldPolicy(const World& world, const WorldSettings& config, Needs needs, uint64_t seed,
                                      ParameterSet& parameters) {
  const EnvironmentSpec& spec = world.environment->Spec();
  const bool edge_flows = needs.Has(Need::kLogInflow);
  StatePolicyOptions heads;
  // Flows of edges decide P_B and F themselves.
  heads.learned_backward = config.backward == BackwardKind::kLearned && !edge_flows;
  heads.flow = needs.Has(Need::kLogFlow) && !edge_flows;
  WorldPolicy policy;
  ASSIGN_OR_RETURN(policy.network, MakeNetwork(world, config, heads, seed, parameters));
  const auto* state_policy = dynamic_cast<const StatePolicy*>(policy.network.get());
  if (edge_flows && state_policy != nullptr) {
    policy.wrapped = std::make_unique<EdgeFlowPolicy>(*state_policy);
  } else if (config.backward == BackwardKind::kMaxEntropy && !spec.is_tree) {
    RETURN_IF_ERROR(NeedsListing(world, "task.backward: max_entropy"));
    if (spec.is_stochastic)
      return InvalidArgument("task.backward: max_entropy needs a deterministic world, which " + spec.name + " is not");
    policy.wrapped = std::make_unique<MaxEntropyBackwardPolicy>(*state_policy, *world.enumerable, world.conditions.ids()[0]);
  }
  if (needs.Has(Need::kLogZ)) RETURN_IF_ERROR(AddLogZ(world, config, seed, parameters, policy));
  return policy;
}

}  // namespace gfn
