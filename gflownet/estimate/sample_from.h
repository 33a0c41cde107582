// Weighted samples that begin in any state of any world: what the estimators stand on.
// Shapes: B samples.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trajectory.h"
#include "gflownet/estimate/importance.h"

namespace gfn {

// A sampler and its target R^(1/T) under one condition; everything is borrowed.
struct Sampler {
  const Environment* environment = nullptr;
  const Policy* policy = nullptr;
  const Reward* reward = nullptr;
  ConditionId condition = Unconditional();
  double temperature = 1;
};

struct EstimateOptions {
  int64_t num_samples = 1000;
  double confidence = 0.95;
  RngKey key{0, RngPurpose::kEval, 0};
  int64_t rows_at_a_time = 1024;  // changes nothing but memory
};

// bool [B]: whether each state is the root or lies below it.
using BelowFunction = std::function<at::Tensor(const State&)>;
// Below a state of a world that is listed: by its number.
BelowFunction BelowState(const EnumerableEnvironment& environment, at::Tensor reached);  // reached: bool [N + X], ReachedFrom

// Trajectories whose first actions are given, with rewards. The sums are over the steps after these, in float64.
struct SamplesFrom {
  TrajectoryBatch batch;
  at::Tensor log_pf_B;  // log P_F
  at::Tensor log_pb_B;  // log P_B of the same steps; 0 in a tree
};

// Samples of the policy that begin in the state after the actions `path` ({}: the initial state). A path that is not legal, or
// that finishes the object, is refused with its place. Sample n is drawn on stream n.
StatusOr<SamplesFrom> SampleFrom(const Sampler& sampler, const std::vector<int64_t>& path, const EstimateOptions& options);

// How many distinct objects the trajectories end in.
int64_t CountDistinct(const Environment& environment, const TrajectoryBatch& batch);

// log P_F and log P_B of the steps after the first `num_given`, float64 [B] each.
struct StepSums {
  at::Tensor log_pf_B, log_pb_B;
};
StepSums SumsAfter(const Sampler& sampler, const TrajectoryBatch& batch, int64_t num_given);

// bool [B, A_back]: the legal backward actions that lead to a parent below the root.
at::Tensor ParentsBelow(const Environment& environment, const State& state, const BelowFunction& below);
// log of the uniform backward policy that only walks below a state: each parent below the root alike. Over the steps after the
// first `num_given`. float64 [B]
at::Tensor LogPbBelow(const Environment& environment, const TrajectoryBatch& batch, int64_t num_given,
                      const BelowFunction& below);

// log R / T + log P_B - log P_F of each sample, as numbers.
std::vector<double> LogWeights(const SamplesFrom& samples, const at::Tensor& log_pb_B, double temperature);

// log F(s) of the state after `path`, under the policy's P_B (state_values.h); {}: log Z.
StatusOr<LogZEstimate> EstimateLogFlow(const Sampler& sampler, const std::vector<int64_t>& path, const EstimateOptions& options);
// log Z(s), minus the free energy of that state. `below` is not asked in a tree and may then be empty.
StatusOr<LogZEstimate> EstimateLogSumBelow(const Sampler& sampler, const std::vector<int64_t>& path, const BelowFunction& below,
                                           const EstimateOptions& options);
// E over the target of log w by trajectories of exact samples of the target drawn back by P_B: an upper bound of log Z in
// expectation. `target`: complete trajectories with rewards.
Interval UpperBoundFromTarget(const Sampler& sampler, const TrajectoryBatch& target, double confidence = 0.95);

// Of samples that begin in the state after `num_given` actions: the same from draws that are there already.
LogZEstimate LogFlowOf(const Sampler& sampler, const SamplesFrom& samples, double confidence);
LogZEstimate LogSumBelowOf(const Sampler& sampler, const SamplesFrom& samples, int64_t num_given, const BelowFunction& below,
                           double confidence);

// Values of a float64 vector on the CPU.
std::vector<double> ToDoubles(const at::Tensor& values_B);

}  // namespace gfn
