// What is measured of a world's sampler: exactly where the world can be listed, and from samples in any case.
// Shapes: X objects.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/env/exact.h"
#include "gflownet/env/sampler_metrics.h"
#include "gflownet/train/metrics.h"
#include "tasks/world/world.h"
#include "tasks/world/world_config.h"

namespace gfn {

// All states of a listed world and what its objects are worth, for one condition: computed once.
struct ExactTruth {
  StateGraph graph;
  at::Tensor log_reward_X;
};

// One condition's learned and true distribution.
struct ExactResult {
  ConditionId condition;
  at::Tensor log_q_X, log_reward_X;
  DistributionError error;
  CalibrationError calibration;
};

struct SampledResult {
  ConditionId condition;
  ScoredSamples samples;
  SampledError error;
  TopObjects top;
  int64_t modes = 0;
};

struct WorldMeasurement {
  std::vector<ExactResult> exact;  // one a condition; empty where the world is not listed
  std::vector<SampledResult> sampled;
};

// Whether the exact metrics are computed. InvalidArgument if they are required of a world that cannot be listed, with the reason.
StatusOr<bool> UsesExactMetrics(const World& world, const WorldMetricsConfig& config);

// The truth of every condition where exact metrics are computed, else nothing.
StatusOr<std::vector<ExactTruth>> FindTruth(const World& world, const WorldMetricsConfig& config);

struct MeasureOptions {
  int64_t num_samples = 0;
  int64_t top_k = 0;
  double temperature = 1;
  RngKey key;
};
StatusOr<WorldMeasurement> MeasureWorld(const World& world, const std::vector<ExactTruth>& truth, const Policy& policy, const MeasureOptions& options);

// Means over the conditions, under the names that metrics.jsonl has: total_variation, jensen_shannon, kl, correlation,
// log_ratio_variance where exact; elbo, iw_bound, ess, spread, log_reward, length, distinct, top_log_reward, top_diversity, modes.
StepMetrics ToMetrics(const WorldMeasurement& measurement);

}  // namespace gfn
