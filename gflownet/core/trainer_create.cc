// Trainer::Create: everything that can be wrong with a combination of parts is found before step 0.
#include <algorithm>
#include <set>

#include "gflownet/base/check.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/base/text_util.h"
#include "gflownet/core/rollout.h"
#include "gflownet/core/trainer.h"

namespace gfn {
namespace {

// What data need of a world.
Status CheckData(const TrainerConfig& config, const TrainerParts& parts) {
  const EnvironmentSpec& spec = parts.environment->Spec();
  const BehaviourConfig& behaviour = config.behaviour;
  const bool plain = !spec.is_stochastic && spec.action == EnvironmentSpec::Action::kDiscrete;
  auto needs_plain = [&](bool used, const std::string& what) {
    return used && !plain ? InvalidArgument("trainer: " + what + " needs a discrete, deterministic world, which " + spec.name +
                                            " is not; on_policy and tempered do not need one")
                          : OkStatus();
  };
  RETURN_IF_ERROR(needs_plain(behaviour.UsesReplay() || config.replay_given, "replay"));
  RETURN_IF_ERROR(needs_plain(behaviour.local_search > 0, "local search"));
  RETURN_IF_ERROR(needs_plain(config.backward_given, "backward_given"));
  if (behaviour.backward > 0 && spec.is_tree) {
    return InvalidArgument("trainer: behaviour.backward is " + FormatReal(behaviour.backward) + ", but " + spec.name +
                           " is a tree, where an object has one trajectory: use behaviour.replay");
  }
  if (config.replay_given && !behaviour.UsesReplay()) {
    return InvalidArgument("trainer: replay_given is true, but behaviour.replay is 0: nothing would be drawn from the buffer");
  }
  for (const auto& [used, name] : {std::pair{config.replay_given, "replay_given"}, {config.backward_given, "backward_given"}}) {
    if (used && parts.given.size() == 0)
      return InvalidArgument("trainer: " + std::string(name) + " is true, but no objects are given");
  }
  return OkStatus();
}

}  // namespace

ObjectiveSetting SettingOfTraining(const TrainerConfig& config, const TrainerParts& parts) {
  ObjectiveSetting setting = SettingOf(*parts.environment, *parts.policy, *parts.reward);
  const BehaviourConfig& behaviour = config.behaviour;
  setting.could_offer = parts.could_offer;
  setting.rollouts = config.rollouts;
  setting.on_policy = behaviour.tempered == 0 && behaviour.replay == 0 && behaviour.backward == 0 && behaviour.local_search == 0;
  setting.updates_per_batch = config.updates_per_batch;
  setting.has_given = parts.given.size() > 0;
  return setting;
}

bool Trainer::NeedsRewardsAlong() const {
  return parts_.objective->NeedsPrefixRewards() || parts_.objective->NeedsIntermediateRewards();
}

Trainer::Trainer(const TrainerConfig& config, const TrainerParts& parts)
    : config_(config), parts_(parts), replay_(config.replay, parts.environment->SupportDigest(), parts.reward->Digest()) {
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
    return InvalidArgument("trainer: a condition is listed twice among the " + std::to_string(num_conditions) + " to train on");
  }
  if (config.conditions_per_step > num_conditions) {
    return InvalidArgument("trainer: conditions_per_step is " + std::to_string(config.conditions_per_step) +
                           ", but there are only " + std::to_string(num_conditions) + " conditions to train on");
  }
  RETURN_IF_ERROR(CheckData(config, parts));
  if (config.warm_start_steps > 0 && parts.warm_start == nullptr) {
    return InvalidArgument("trainer: warm_start_steps is " + std::to_string(config.warm_start_steps) +
                           ", but there is no warm-start objective");
  }
  if (parts.given.size() > 0) {
    if (const Status status = CompleteBatch(*parts.environment, parts.given); !status.ok())
      return Annotate(status, "given objects");
  }
  ObjectiveSetting setting = SettingOfTraining(config, parts);
  RETURN_IF_ERROR(CheckObjective(*parts.objective, setting));
  setting.on_policy = true;  // a start need not be right, only near
  if (config.warm_start_steps > 0) RETURN_IF_ERROR(CheckObjective(*parts.warm_start, setting));
  return std::unique_ptr<Trainer>(new Trainer(config, parts));
}

}  // namespace gfn
