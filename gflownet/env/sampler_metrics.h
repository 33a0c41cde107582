// How good a sampler is, from its exact distribution where a world can be listed, and from its own samples where it cannot.
// Shapes: X objects, B samples, F features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "gflownet/base/rng.h"
#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/exploration.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"

namespace gfn {

// Of log q(x) against log R(x), float64 [X]; objects of reward 0 or probability 0 are left out.
struct CalibrationError {
  double correlation = 0;  // Pearson, every object alike; 1 for a perfect sampler whose target is not constant
  double variance = 0;     // of log R / T - log q under q; 0 for a perfect sampler
};
CalibrationError MeasureCalibration(const at::Tensor& log_q_X, const at::Tensor& log_reward_X, double temperature = 1);

// Pearson's correlation of two float64 vectors; NaN if one of them is constant.
double Correlation(const at::Tensor& x_B, const at::Tensor& y_B);

// Trajectories of one condition with their rewards and what the policy says of them.
struct ScoredSamples {
  TrajectoryBatch batch;
  at::Tensor log_pf_B, log_pb_B;  // float64 [B]

  // a = log R / T + log P_B - log P_F: the sample's estimate of log Z. [B]
  at::Tensor LogWeights(double temperature = 1) const;
};
// Rewards and scores of complete trajectories.
StatusOr<ScoredSamples> ScoreSamples(const Environment& environment, const Policy& policy, const Reward& reward,
                                     TrajectoryBatch batch);
// Sample n is drawn on stream n, `rows_at_a_time` together, which changes memory and nothing else. Before each such batch
// `stop_requested` (empty: never) is asked: true ends with Cancelled.
StatusOr<ScoredSamples> DrawSamples(const Environment& environment, const Policy& policy, const Reward& reward,
                                    ConditionId condition, int64_t num, const RngKey& key, const Exploration& exploration = {},
                                    int64_t rows_at_a_time = 1024, const std::function<bool()>& stop_requested = {});

struct SampledError {
  double elbo = 0;         // mean a <= log Z, the gap being KL(P_F || target) over trajectories
  double iw_bound = 0;     // log mean exp a <= log Z in expectation
  double ess = 0;          // (sum w)^2 / sum w^2, w = exp a: 1 .. B
  double spread = 0;       // standard deviation of a; 0 for a perfect sampler
  double length = 0;       // mean number of actions
  double log_reward = 0;   // mean log R
  double correlation = 0;  // Pearson of log P_F - log P_B and log R over the samples
};
SampledError MeasureSamples(const ScoredSamples& samples, double temperature = 1);

// The `top_k` best distinct objects among finished states: mean log R, and mean number of differing features over their pairs
// (half of the L1 distance, so that one-hot features count places).
struct TopObjects {
  int64_t count = 0;  // distinct objects among all
  double log_reward = 0;
  double diversity = 0;
};
TopObjects MeasureTop(const State& objects, const at::Tensor& log_reward_B, int64_t top_k,
                      const std::function<at::Tensor(const State&)>& features);

}  // namespace gfn
