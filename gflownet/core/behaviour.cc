#include "gflownet/core/behaviour.h"

#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"

namespace gfn {

void BehaviourConfig::Validate(ConfigErrors& errors) const {
  constexpr double kRounding = 1e-6;
  const double sum = on_policy + tempered + replay + backward + local_search;
  if (std::abs(sum - 1) > kRounding) {
    errors.Add("", "on_policy + tempered + replay + backward + local_search must be 1, they are " + FormatReal(sum));
  }
}

BehaviourPlan PlanBehaviour(const BehaviourConfig& config, int64_t num_rollouts, const RngKey& key, uint64_t slot) {
  const std::pair<double, Behaviour> choices[] = {{config.on_policy, Behaviour::kOnPolicy},
                                                  {config.tempered, Behaviour::kTempered},
                                                  {config.replay, Behaviour::kReplay},
                                                  {config.backward, Behaviour::kBackward},
                                                  {config.local_search, Behaviour::kLocalSearch}};
  auto choose = [&](uint64_t position) {
    const double draw = Uniform(key, slot, position);
    double sum = 0;
    Behaviour chosen = Behaviour::kOnPolicy;
    for (const auto& [probability, behaviour] : choices) {
      if (probability == 0) continue;
      chosen = behaviour;  // the last one also takes what rounding left
      sum += probability;
      if (draw < sum) break;
    }
    return chosen;
  };
  BehaviourPlan plan;
  for (int64_t i = 0; i < num_rollouts; ++i) {
    // Two addresses per rollout: the choice, the temperature. Without per_rollout all use those of the first.
    const uint64_t position = config.per_rollout ? 2 * i : 0;
    const Behaviour behaviour = choose(position);
    plan.behaviour.push_back(behaviour);
    plan.exploration.push_back(behaviour == Behaviour::kTempered ? DrawExploration(config.exploration, key, slot, position + 1)
                                                                 : Exploration{});
  }
  return plan;
}

std::vector<int64_t> ConditionsOfStep(int64_t num_conditions, int64_t per_step, uint64_t seed, int64_t step) {
  GFN_CHECK(per_step >= 1 && per_step <= num_conditions) << per_step << " of " << num_conditions;
  const int64_t steps_per_pass = num_conditions / per_step;
  const RngKey key{seed, RngPurpose::kData, static_cast<uint64_t>(step / steps_per_pass)};
  const std::vector<int64_t> order = Permutation(key, num_conditions);
  const auto first = order.begin() + (step % steps_per_pass) * per_step;
  return {first, first + per_step};
}

}  // namespace gfn
