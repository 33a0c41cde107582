// Trainer::Create: everything that can be wrong with a combination of parts is found before step 0.
#include <algorithm>
#include <set>

#include "gflownet/base/check.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/core/rollout.h"
#include "gflownet/core/trainer.h"

namespace gfn {
namespace {

std::string Text(int64_t number) { return std::to_string(number); }

Status CheckObjective(const Objective& objective, const TrainerConfig& config, const TrainerParts& parts) {
  const EnvironmentSpec& spec = parts.environment->Spec();
  const std::string name = "objective " + objective.Name();
  // On a tree log P_B is 0 and nobody has to compute it.
  const Needs needs = spec.is_tree ? objective.needs().Without(Need::kLogPb) : objective.needs();
  const Needs offered = parts.policy->Provides();
  if (!offered.Covers(needs)) {
    return InvalidArgument(name + " needs " + needs.ToString() + ", but the policy offers " + offered.ToString() +
                           ": missing " + needs.Without(offered).ToString());
  }
  if (objective.NeedsPrefixRewards() && dynamic_cast<const PrefixReward*>(parts.reward) == nullptr) {
    return InvalidArgument(name + " needs rewards at every prefix, but this reward knows finished objects only; tb, vargrad, db "
                           "and subtb do not need them");
  }
  if (objective.NeedsPrefixRewards() && spec.stop_actions.empty()) {
    return InvalidArgument(name + " needs a world with stop actions, which " + spec.name + " does not have");
  }
  if (config.rollouts < objective.MinRollouts()) {
    return InvalidArgument(name + " needs at least " + Text(objective.MinRollouts()) + " rollouts of a condition, found rollouts = " +
                           Text(config.rollouts));
  }
  if (objective.NeedsGivenObjects() && parts.given.size() == 0) return InvalidArgument(name + " needs given objects, found none");
  return OkStatus();
}

}  // namespace

bool Trainer::NeedsRewardsAlong() const { return parts_.objective->NeedsPrefixRewards(); }

Trainer::Trainer(const TrainerConfig& config, const TrainerParts& parts)
    : config_(config), parts_(parts),
      replay_(config.replay, parts.environment->SupportDigest(), parts.reward->Digest()) {
  for (int64_t row = 0; row < parts.given.size(); ++row) {
    const auto [place, is_new] = given_rows_.try_emplace(parts.given.condition_ids[row]);
    if (is_new) given_conditions_.push_back(place->first);
    place->second.push_back(row);
  }
}

StatusOr<std::unique_ptr<Trainer>> Trainer::Create(const TrainerConfig& config, const TrainerParts& given_parts) {
  TrainerParts parts = given_parts;
  GFN_CHECK(parts.environment != nullptr && parts.policy != nullptr && parts.reward != nullptr && parts.objective != nullptr &&
            parts.parameters != nullptr && parts.optimizer != nullptr)
      << "a part is missing";
  RETURN_IF_ERROR(CheckConfig(config, "trainer"));

  const int64_t num_conditions = static_cast<int64_t>(parts.conditions.size());
  if (std::set<ConditionId>(parts.conditions.begin(), parts.conditions.end()).size() != parts.conditions.size()) {
    return InvalidArgument("trainer: a condition is listed twice among the " + Text(num_conditions) + " to train on");
  }
  if (config.conditions_per_step > num_conditions) {
    return InvalidArgument("trainer: conditions_per_step is " + Text(config.conditions_per_step) + ", but there are only " +
                           Text(num_conditions) + " conditions to train on");
  }
  const EnvironmentSpec& spec = parts.environment->Spec();
  const bool uses_replay = config.behaviour.replay > 0 || config.replay_given;
  if (uses_replay && (spec.is_stochastic || spec.action == EnvironmentSpec::Action::kContinuous)) {
    return InvalidArgument("trainer: replay needs a discrete, deterministic world, which " + spec.name + " is not");
  }
  if (config.replay_given && config.behaviour.replay == 0) {
    return InvalidArgument("trainer: replay_given is true, but behaviour.replay is 0: nothing would be drawn from the buffer");
  }
  if (config.replay_given && parts.given.size() == 0) return InvalidArgument("trainer: replay_given is true, but no objects are given");
  if (config.warm_start_steps > 0 && parts.warm_start == nullptr) {
    return InvalidArgument("trainer: warm_start_steps is " + Text(config.warm_start_steps) + ", but there is no warm-start objective");
  }
  if (parts.given.size() > 0) {
    if (const Status status = CompleteBatch(*parts.environment, parts.given); !status.ok()) return Annotate(status, "given objects");
  }
  RETURN_IF_ERROR(CheckObjective(*parts.objective, config, parts));
  if (config.warm_start_steps > 0) RETURN_IF_ERROR(CheckObjective(*parts.warm_start, config, parts));
  return std::unique_ptr<Trainer>(new Trainer(config, parts));
}

}  // namespace gfn
