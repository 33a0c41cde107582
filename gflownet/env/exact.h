// The truth about small worlds: which distribution a policy has learned, computed and not sampled, and how far it is from the
// target. A perfect policy measured with 10,000 samples looks wrong by a total variation of 0.06 on 256 objects.
// Shapes: N states, X objects, B trajectories.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/state_policy.h"
#include "gflownet/env/state_graph.h"

namespace gfn {

// States that go through a policy at a time: memory alone.
constexpr int64_t kExactBatch = 16384;

// log pi(a | s) of every state, renormalised over legal actions: what StateGraph takes. float64 [N, A]
at::Tensor ExactLogPf(const EnumerableEnvironment& environment, const StatePolicy& policy, ConditionId condition);

// log q(x) of every object by dynamic programming over the DAG in float64, nature's outcomes included. [X] Too large a world is a
// programmer error: ask CheckListable first, or build one StateGraph and use it again and again.
at::Tensor ExactLogTerminating(const EnumerableEnvironment& environment, const StatePolicy& policy, ConditionId condition);

// Every trajectory of a condition, with every outcome, by walking the supports: for worlds without a numbering and policies
// without a state (a language model with a tiny vocabulary). Refused when there are more than `max_trajectories`, naming the
// number reached.
StatusOr<TrajectoryBatch> EnumerateTrajectories(const Environment& environment, ConditionId condition, int64_t max_trajectories);

// log q of every trajectory of the batch, scored `rows_per_pass` at a time without gradient, float64 [B]. On a tree this is
// log q(x), and the trajectories of EnumerateTrajectories sum to 1.
at::Tensor LogProbOfTrajectories(const Policy& policy, const TrajectoryBatch& batch, int64_t rows_per_pass = 4096);

// log of nature's probabilities along each trajectory, float64 [B]: 0 in a deterministic world. With LogProbOfTrajectories it
// gives the probability of the trajectory.
at::Tensor LogOutcomesOfTrajectories(const Environment& environment, const TrajectoryBatch& batch);

struct DistributionError {
  double total_variation = 0;  // 1/2 sum |q - p|
  double jensen_shannon = 0;   // nats
  double kl = 0;               // KL(q || p), nats
  double log_z = 0;            // of the target: log sum exp(log R / T)
};

// q against p = exp(log_reward / temperature) / Z over the same X objects. log_q need not be normalised exactly.
DistributionError CompareWithTarget(const at::Tensor& log_q_X, const at::Tensor& log_reward_X, double temperature = 1);

}  // namespace gfn
