#include "tasks/world/world_policy.h"

#include "gflownet/core/backward_policies.h"
#include "gflownet/env/continuous_policy.h"
#include "gflownet/env/state_policies.h"

namespace gfn {
namespace {

Status NeedsListing(const World& world, const std::string& what) {
  if (world.enumerable != nullptr) return OkStatus();
  return InvalidArgument(what + " needs a world that can be listed, which " + world.environment->Spec().name + " is not: " + world.not_enumerable);
}

StatusOr<std::unique_ptr<Policy>> MakeNetwork(const World& world, const WorldSettings& config, const StatePolicyOptions& heads, uint64_t seed,
                                              ParameterSet& parameters) {
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

}  // namespace

StatusOr<WorldPolicy> MakeWorldPolicy(const World& world, const WorldSettings& config, Needs needs, uint64_t seed, ParameterSet& parameters) {
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
    if (spec.is_stochastic) return InvalidArgument("task.backward: max_entropy needs a deterministic world, which " + spec.name + " is not");
    policy.wrapped = std::make_unique<MaxEntropyBackwardPolicy>(*state_policy, *world.enumerable, world.conditions.ids()[0]);
  }
  if (needs.Has(Need::kLogZ)) policy.with_log_z = std::make_unique<LogZPolicy>(policy.sampler(), world.conditions, parameters, at::Tensor());
  return policy;
}

}  // namespace gfn
