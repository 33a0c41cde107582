#include "gflownet/core/objective_check.h"

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

std::string NumStops(const EnvironmentSpec& spec) {
  return spec.name + " has " +
         (spec.stop_actions.empty() ? std::string("none") : std::to_string(static_cast<int64_t>(spec.stop_actions.size())));
}

// What is missing, as the rest of a sentence that begins with the objective's name; "" if it fits.
std::string Misfit(const Objective& objective, const ObjectiveSetting& setting) {
  const EnvironmentSpec& spec = setting.spec;
  if (objective.NeedsListedParents() && spec.action == EnvironmentSpec::Action::kContinuous) {
    return "sums over the parents of a state, but " + spec.name + " is continuous";
  }
  if (objective.NeedsListedParents() && spec.is_stochastic) {
    return "sums over the parents of a state, but nature decides in " + spec.name + " where an action leads";
  }
  if (spec.is_stochastic && spec.is_tree) {
    return "cannot be right in " + spec.name + ", a tree in which nature decides: P_B is 1 there and makes up for nothing";
  }
  if (spec.is_stochastic && !setting.learned_backward) {
    return "cannot be right with a fixed P_B in " + spec.name +
           ", where nature decides where an action leads: only a P_B that is learned makes up for it (task.backward: learned)";
  }
  if (!objective.TrainsBackward() && spec.is_stochastic) {
    return "gives P_B no gradient, but in " + spec.name +
           ", where nature decides, the target is reached only with a P_B that is learned";
  }
  if (objective.NeedsPrefixRewards() && spec.stop_actions.empty()) {
    return "needs a world with stop actions, which " + spec.name + " does not have";
  }
  if (objective.NeedsPrefixRewards() && !setting.prefix_rewards) {
    return "needs rewards at every prefix, but this reward knows finished objects only";
  }
  if (objective.NeedsStopsEverywhere() && !spec.stops_everywhere) {
    return "needs a world in which every state can stop, but in " + spec.name +
           " some cannot: their actions would get no gradient";
  }
  if (objective.NeedsStopsEverywhere() && spec.stop_actions.size() != 1) {
    return "compares prefixes that end with the same stop, so there must be one stop action; " + NumStops(spec);
  }
  if (objective.NeedsIntermediateRewards()) {
    if (spec.stop_actions.size() > 1) {
      return "needs one reward for each unfinished object, so there must be at most one stop action; " + NumStops(spec);
    }
    if (spec.stop_actions.size() == 1 && !setting.prefix_rewards) {
      return "needs rewards at every prefix, but this reward knows finished objects only";
    }
    if (spec.stop_actions.empty() && !setting.energies) {
      return "needs energies of unfinished objects (EnergyReward), which this reward does not give, in a world without stop "
             "actions";
    }
  }
  if (!setting.offered.Covers(objective.needs())) {
    return "needs " + objective.needs().ToString() + ", but the policy offers " + setting.offered.ToString() + ": missing " +
           objective.needs().Without(setting.offered).ToString();
  }
  if (setting.rollouts < objective.MinRollouts()) {
    return "needs at least " + std::to_string(objective.MinRollouts()) +
           " rollouts of a condition, found rollouts = " + std::to_string(setting.rollouts);
  }
  if (objective.NeedsOnPolicy() && !setting.on_policy) {
    return "is right for the policy's own rollouts only, but behaviour.on_policy is below 1";
  }
  if (!objective.AllowsSeveralUpdates() && setting.updates_per_batch > 1) {
    return "is right for one step on a batch only, found updates_per_batch = " + std::to_string(setting.updates_per_batch);
  }
  if (objective.NeedsGivenObjects() && !setting.has_given) return "needs given objects, found none";
  return "";
}

template <class Config>
void AddAlternatives(std::vector<ObjectiveConfig>& all) {
  all.push_back(Config{});
  if constexpr (requires(Config config) { config.forward_looking; }) {
    Config forward_looking;
    forward_looking.forward_looking = true;
    all.push_back(forward_looking);
  }
}

template <class... Configs>
std::vector<ObjectiveConfig> Alternatives(const std::variant<Configs...>*) {
  std::vector<ObjectiveConfig> all;
  (AddAlternatives<Configs>(all), ...);
  return all;
}

}  // namespace

ObjectiveSetting SettingOf(const Environment& environment, const Policy& policy, const Reward& reward) {
  ObjectiveSetting setting;
  setting.spec = environment.Spec();
  setting.offered = policy.Provides();
  // On a tree log P_B is 0 and nobody has to compute it.
  if (setting.spec.is_tree) setting.offered = setting.offered | Need::kLogPb;
  setting.prefix_rewards = dynamic_cast<const PrefixReward*>(&reward) != nullptr && !setting.spec.stop_actions.empty();
  setting.learned_backward = policy.LearnsBackward();
  setting.energies = dynamic_cast<const EnergyReward*>(&reward) != nullptr;
  return setting;
}

Status CheckObjective(const Objective& objective, const ObjectiveSetting& setting) {
  const std::string misfit = Misfit(objective, setting);
  if (misfit.empty()) return OkStatus();
  const std::vector<std::string> fitting = FittingObjectives(setting);
  return InvalidArgument("objective " + objective.Name() + " " + misfit +
                         (fitting.empty() ? "; no other objective fits either" : "; here fit: " + Join(fitting, ", ")));
}

std::vector<std::string> FittingObjectives(const ObjectiveSetting& of_policy) {
  ObjectiveSetting setting = of_policy;
  setting.offered = of_policy.offered | of_policy.could_offer;
  std::vector<std::string> names;
  for (const ObjectiveConfig& config : Alternatives(static_cast<const ObjectiveConfig*>(nullptr))) {
    const auto objective = MakeObjective(config);
    GFN_CHECK(objective.ok()) << Message(objective.status());
    if (Misfit(**objective, setting).empty()) names.push_back((*objective)->Name());
  }
  return names;
}

}  // namespace gfn
