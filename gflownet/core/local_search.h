// Local search (Kim et al. 2310.02710): take some last steps of a finished object back by P_B, build it anew by P_F, keep the
// better one. What comes out is off-policy data near objects of high reward. Shapes: B rows.
#pragma once

#include <cstdint>
#include <vector>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/rng.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trajectory.h"

namespace gfn {

struct LocalSearchConfig {
  int64_t iterations = 4;
  int64_t max_undo = 0;
  bool greedy = false;

  template <class V>
  void Visit(V& v) {
    v("iterations", iterations, "times that an object is destroyed and built anew", AtLeast(1));
    v("max_undo", max_undo, "1 .. max_undo last steps are taken back, the number drawn each time; 0: up to all of them",
      NonNegative());
    v("greedy", greedy,
      "keep the new object only if its reward is higher; else by Metropolis-Hastings, which leaves R^(1/T) invariant");
  }
};

struct LocalSearchInput {
  TrajectoryBatch batch;          // finished, with rewards
  std::vector<uint64_t> streams;  // [B]: row b draws at these streams of the key
  double temperature = 1;         // T of R^(1/T)
  bool along = false;             // as in EvaluateReward
};

// The rows after all iterations, complete, with rewards. A move from x to x' over the state u that is U steps before x and U'
// before x' is kept with probability
//   min(1, R(x')^(1/T) q(U' | x') P_B(u | x') P_F(x | u) / (R(x)^(1/T) q(U | x) P_B(u | x) P_F(x' | u))),
// q being uniform over the numbers of steps that may be taken back; with `greedy` if R(x') > R(x).
StatusOr<TrajectoryBatch> LocalSearch(const Environment& environment, const Policy& policy, const Reward& reward,
                                      const LocalSearchConfig& config, const LocalSearchInput& input, const RngKey& key);

}  // namespace gfn
