// Whether a sampler draws what its target holds. Importance weights of its own samples cannot tell: what it never draws is not in
// them, and the samples of a collapsed sampler all weigh the same. So the target is asked without the sampler: Markov chains over
// trajectories, whose proposals are uniform over the legal actions, look for objects, and what they find is compared with the
// samples by the importance identity from the other side: with trajectories tau of the target and w = R^(1/T) P_B / P_F,
//     E[log w] >= log Z,
// the reverse of the samples' E[log w] <= log Z, and importance sampling needs about exp(E[log w] - log Z) samples (Chatterjee
// and Diaconis, 1511.01437). Besides, the distinct objects that are known sum to no more than Z, whoever found them. Shapes: B
// chains.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/estimate/sample_from.h"

namespace gfn {

struct CoverageOptions {
  int64_t num_chains = 128;  // half of them begin at samples of the sampler, half at uniform trajectories
  int64_t num_moves = 32;
  double confidence = 0.95;
  RngKey key{0, RngPurpose::kBackward, 0};
};

// Of trajectories from one state on; `sum` is Z(s) below, the flow with the policy's P_B, minus the free energy with that below.
struct Coverage {
  double log_known = 0;     // log of what the distinct objects (or, for a flow in a DAG, trajectories) seen add to the sum
  int64_t num_known = 0;    // how many these are
  Interval reverse;         // mean log w of the chains' trajectories: above the log of the sum as far as the chains have mixed
  Interval unseen;          // share of these with weights above e times the largest weight of the samples
  int64_t num_samples = 0;  // the sampler's
};

// Of `samples` that begin in the state after `path`. `below` empty: trajectories count with the policy's P_B (log Z, flows); else
// with the uniform one below the state (free energies). A chain's move keeps the beginning of its trajectory, builds the rest
// anew (U of n steps with probability proportional to 1 / U), and is kept by Metropolis-Hastings; from the initial state of a DAG
// the trajectory of its object is first redrawn by P_B.
StatusOr<Coverage> CheckCoverage(const Sampler& sampler, const std::vector<int64_t>& path, const BelowFunction& below,
                                 const SamplesFrom& samples, const CoverageOptions& options);

// What the two sides disagree on, in words; empty: nothing. `estimate`: of the samples, before any interval is withdrawn.
std::vector<std::string> Disagreements(const Coverage& coverage, const Interval& estimate);

}  // namespace gfn
