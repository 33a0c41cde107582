// How often what a sampler makes lies below a state: where objects are sets and states are their subsets, the probability that a
// sampled set contains a given one, and a sampler of its supersets (Foundations, Bengio et al. 2111.09266, section 5.2:
// P(S >= s) = exp(-free energy of s) / Z).
#pragma once

#include <cstdint>
#include <vector>

#include "gflownet/estimate/sample_from.h"

namespace gfn {

struct MarginalEstimate {
  Interval counted;      // the share of the sampler's own objects below the state: of q
  Interval weighted;     // the same with importance weights: of the target R / Z
  Interval by_flow;      // exp(log Z(s) - log Z), from samples that begin in the state: of the target, sharp also for rare states
  double ess = 0;        // of the samples that begin in the state
  int64_t distinct = 0;  // objects among these
  double ess_weighted = 0;        // of the samples from the initial state
  int64_t distinct_weighted = 0;  // objects among these
};
// Of the state after `path`, whose objects `below` knows: both are needed in a DAG; half of the samples begin in the state.
StatusOr<MarginalEstimate> EstimateMarginal(const Sampler& sampler, const std::vector<int64_t>& path, const BelowFunction& below,
                                            const EstimateOptions& options);

struct ObjectsBelow {
  TrajectoryBatch batch;  // complete trajectories through the state, with rewards
  double ess = 0;         // of the proposals they were drawn from; far more of these than `num` are needed
};
// Draws `num` objects below the state with probability R^(1/T) / Z(s): sampling-importance-resampling (Rubin 1987) from
// options.num_samples of the policy's own continuations. Exact as these grow; a GFlowNet on a RootedWorld needs no weights.
StatusOr<ObjectsBelow> SampleBelow(const Sampler& sampler, const std::vector<int64_t>& path, const BelowFunction& below,
                                   int64_t num, const EstimateOptions& options);

}  // namespace gfn
