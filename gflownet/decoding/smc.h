// Sequential Monte Carlo over trajectories (Del Moral et al. 2006; Lew et al. 2306.03081), and its conditional form (Andrieu et
// al. 2010), on which `sweeps` are built.
#pragma once

#include "gflownet/decoding/decoding.h"

namespace gfn {

// Of each condition: particles, finished, with their last log weights; and the estimate of log Z, whose exponential is unbiased
// unless a particle was retained.
struct ParticleSet {
  std::vector<Actions> objects;
  std::vector<double> log_w;
  double log_z = 0;
};
struct SmcResult {
  std::vector<ParticleSet> sets;  // [C]
  int64_t num_actions = 0, num_judged = 0;
};

// `retained`: of each condition a trajectory that stays particle 0 through every resampling; empty: none. The particles of
// condition c draw at streams c * 2^32 + particle.
StatusOr<SmcResult> RunSmc(const SmcMethod& method, const DecodingParts& parts, const std::vector<ConditionId>& conditions,
                           const std::vector<Actions>& retained, const RngKey& key);

// `num` indices in proportion to exp(log_w), each expected weight * num times and drawn at most once more than that, by one
// uniform number (systematic resampling).
std::vector<int64_t> SystematicResampling(const std::vector<double>& log_w, int64_t num, double uniform);

}  // namespace gfn
