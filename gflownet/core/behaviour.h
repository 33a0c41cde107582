// Where the trajectories of a training step come from: the policy itself, a tempered copy of it, the replay buffer, the way back
// from objects in it, or a search around the policy's own objects.
#pragma once

#include <cstdint>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/enum_table.h"
#include "gflownet/base/rng.h"
#include "gflownet/core/condition.h"
#include "gflownet/core/exploration.h"
#include "gflownet/core/local_search.h"

namespace gfn {

enum class Behaviour { kOnPolicy, kTempered, kReplay, kBackward, kLocalSearch };
GFN_ENUM_TABLE(Behaviour, {Behaviour::kOnPolicy, "on_policy", "sampled from the policy itself"},
               {Behaviour::kTempered, "tempered", "sampled with the exploration settings"},
               {Behaviour::kReplay, "replay", "drawn from the replay buffer, filled up on-policy"},
               {Behaviour::kBackward, "backward", "walked back from an object of the replay buffer, filled up on-policy"},
               {Behaviour::kLocalSearch, "local_search", "sampled from the policy, then changed by local search"})

struct BehaviourConfig {
  double on_policy = 1;
  double tempered = 0;
  double replay = 0;
  double backward = 0;
  double local_search = 0;
  bool per_rollout = false;
  ExplorationConfig exploration{};
  LocalSearchConfig search{};

  template <class V>
  void Visit(V& v) {
    v("on_policy", on_policy, "probability that a condition's rollouts of a step are sampled from the policy; the five sum to 1",
      Between(0, 1));
    v("tempered", tempered, "probability that they are sampled with `exploration`", Between(0, 1));
    v("replay", replay, "probability that they come from the replay buffer, as far as it has any, filled up on-policy",
      Between(0, 1));
    v("backward", backward,
      "probability that they are trajectories drawn anew, by the backward policy, to objects of the replay buffer",
      Between(0, 1));
    v("local_search", local_search, "probability that they are sampled from the policy and then improved by `search`",
      Between(0, 1));
    v("per_rollout", per_rollout, "choose for each rollout instead of each condition: a condition's group then mixes all");
    v("exploration", exploration, "how tempered rollouts are sampled");
    v("search", search, "local search");
  }
  void Validate(ConfigErrors& errors) const;

  bool UsesReplay() const { return replay > 0 || backward > 0; }
};

// What each rollout of one condition does in a step.
struct BehaviourPlan {
  std::vector<Behaviour> behaviour;      // [n]
  std::vector<Exploration> exploration;  // [n]; default-constructed unless tempered
};

// The choice for the condition in place `slot` of a step; a pure function of the key.
BehaviourPlan PlanBehaviour(const BehaviourConfig& config, int64_t num_rollouts, const RngKey& key, uint64_t slot);

// The distinct conditions of one step: a fresh permutation of 0 .. num_conditions-1 every floor(num_conditions / per_step)
// steps, so that a step never holds a condition twice. A pure function of (seed, step). 1 <= per_step <= num_conditions.
std::vector<int64_t> ConditionsOfStep(int64_t num_conditions, int64_t per_step, uint64_t seed, int64_t step);

}  // namespace gfn
