// Which objectives fit which worlds, policies, rewards and data: the one place that decides it, before step 0.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/objective.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"

namespace gfn {

// What an objective finds where it is used. The first part comes from SettingOf, the second from the configuration of the run.
struct ObjectiveSetting {
  EnvironmentSpec spec;
  Needs offered;                  // of the policy; on a tree log_pb besides, which is 0 there
  bool prefix_rewards = false;    // the reward is a PrefixReward and the world has stop actions
  bool learned_backward = false;  // P_B of the policy is trained
  bool energies = false;          // the reward gives energies of unfinished objects

  // What the policy is given besides where an objective asks for it: of consequence for the alternatives that are named.
  Needs could_offer;
  int64_t rollouts = 1;   // of each condition
  bool on_policy = true;  // all rollouts are the policy's own
  int64_t updates_per_batch = 1;
  bool has_given = false;  // known objects
};
ObjectiveSetting SettingOf(const Environment& environment, const Policy& policy, const Reward& reward);

// InvalidArgument: the objective, what it needs, what was found, and the objectives that would fit instead.
Status CheckObjective(const Objective& objective, const ObjectiveSetting& setting);

// Names of the objectives that fit with their default settings ("forward-looking" variants included) and a policy that offers all
// it could, in the order of ObjectiveConfig.
std::vector<std::string> FittingObjectives(const ObjectiveSetting& setting);

}  // namespace gfn
