// What is measured of a world's sampler: exactly where its objects are known (world_truth.h), and from samples in any case.
// Shapes: X objects.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/env/exact.h"
#include "gflownet/env/sampler_metrics.h"
#include "gflownet/train/metrics.h"
#include "tasks/world/world.h"
#include "tasks/world/world_truth.h"

namespace gfn {

// One condition's learned and true distribution.
struct ExactResult {
  at::Tensor log_q_X, log_reward_X;
  DistributionError error;
  CalibrationError calibration;
};

struct SampledResult {
  ScoredSamples samples;
  SampledError error;
  TopObjects top;
  int64_t modes = 0;
};

// The samples of all conditions against the front of all objects, of worlds with several rewards.
struct FrontResult {
  std::vector<Point> found;  // their own front
  double hypervolume = 0;    // above the origin, as a share of the true front's
  double distance = 0;       // inverted generational distance
};

struct WorldMeasurement {
  std::vector<ExactResult> exact;  // one a condition; empty without exact metrics
  std::vector<SampledResult> sampled;
  std::optional<FrontResult> front;
};

struct MeasureOptions {
  int64_t num_samples = 0;
  int64_t batch_rows = 64;     // samples at a time
  int64_t max_conditions = 0;  // the first so many conditions, 0: all
  int64_t top_k = 0;
  double temperature = 1;
  RngKey key;
  std::function<bool()> stop_requested{};  // asked between batches: true ends with Cancelled; empty: never
};
StatusOr<WorldMeasurement> MeasureWorld(const World& world, const std::vector<ExactTruth>& truth, const Policy& policy,
                                        const MeasureOptions& options);

// log Z of the first condition: exact where it is known, else by the samples' importance weights, a bound from below.
double LogZOf(const WorldMeasurement& measurement);

// Means over the conditions, under the names that metrics.jsonl has: total_variation, jensen_shannon, kl, correlation,
// log_ratio_variance where exact; hypervolume, front_distance of worlds with several rewards; elbo, iw_bound, ess, spread,
// log_reward, length, distinct, top_log_reward, top_diversity, modes.
StepMetrics ToMetrics(const WorldMeasurement& measurement);

}  // namespace gfn
