// What weighted samples say of a sum that nobody can compute. With samples y ~ q and log w = log f(y) - log q(y):
//   E_q[w] = Z = sum of f       log mean w estimates log Z (below it in expectation: Burda et al. 1509.00519)
//   E_q[log w] <= log Z         elbo; the gap is KL(q || f / Z)
//   E_{f/Z}[log w] >= log Z     the evidence upper bound; the gap is KL(f / Z || q). It needs samples of f / Z (sample_from.h);
//                               what samples of q say of it is its self-normalised importance-sampling (SNIS) estimate, which
//                               is consistent and never below log mean w, but no bound: what q does not draw is not in it.
// No tensors: every sampler of the project, of texts or of small worlds, shares this arithmetic.
#pragma once

#include <cstdint>
#include <span>

#include "gflownet/base/interval.h"

namespace gfn {

// (sum w)^2 / sum w^2: between 1 and the number of samples. At least one weight must not be 0.
double EffectiveSampleSize(std::span<const double> log_w);

// log mean w, with the interval of Student's t for mean w carried over to the logarithm (delta method: the relative standard
// error).
Interval LogMeanWeight(std::span<const double> log_w, double confidence = 0.95);

// sum w v / sum w: the mean of v under f / Z. The interval is the normal one of a ratio (Owen, Monte Carlo theory, 9.2).
Interval WeightedMean(std::span<const double> values, std::span<const double> log_w, double confidence = 0.95);

struct LogZEstimate {
  Interval elbo;   // mean log w
  Interval log_z;  // log mean w
  Interval snis;   // self-normalised estimate of the mean of log w under f / Z: no bound
  double ess = 0;  // effective sample size
};
// elbo <= log_z <= snis always, as point estimates.
LogZEstimate EstimateLogZ(std::span<const double> log_w, double confidence = 0.95);

}  // namespace gfn
