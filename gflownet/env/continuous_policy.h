// A policy for worlds whose actions are points of the unit box or torus: mixtures of truncated or wrapped normal densities, with
// parameters from an MLP on features of the state.
// Shapes: B rows, D coordinates, K components, T steps, F features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/policy.h"
#include "gflownet/env/state_policies.h"
#include "gflownet/env/world.h"
#include "gflownet/nets/linear.h"
#include "gflownet/nets/mlp.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

// Mixtures over points of [0, 1]^D, one a row: sum_k w_k prod_d f(x_d; mean_kd, sigma_kd), f a normal density cut to [0, 1] or
// wrapped around it.
struct PointMixture {
  at::Tensor log_weights_BK;        // normalised
  at::Tensor means_BKD, sigma_BKD;  // means in (0, 1)
  bool wraps = false;

  at::Tensor LogDensity(const at::Tensor& points_BD) const;  // [B], differentiable
  // Inverse-CDF draws from uniforms in (0, 1): the first number of a row chooses the component. [B, 1 + D] -> [B, D]
  at::Tensor Draw(const at::Tensor& uniforms) const;
};

struct ContinuousPolicyOptions {
  MlpOptions mlp{};  // heads.learned_backward: else backward points are uniform, a density of 1
  int64_t num_components = 8;
  bool wraps = false;
};

// Hidden layers "mlp.*" with linear heads "forward", "backward" and "flow", group "policy". Exploration: `epsilon` mixes in
// uniform points, `temperature` widens every component; top-k and top-p are refused.
class ContinuousPolicy : public Policy {
 public:
  ContinuousPolicy(const Environment& environment, StateFeatures features, int64_t num_features, ParameterSet& parameters,
                   const ContinuousPolicyOptions& options, const RngKey& init);

  Needs Provides() const override;
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override;
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override;
  bool LearnsBackward() const override { return backward_ != nullptr; }

  // The density of the next point, and of the point before.
  PointMixture Forward(const State& state) const;
  PointMixture Backward(const State& state) const;

 private:
  at::Tensor Hidden(const State& state) const;
  PointMixture MixtureOf(const at::Tensor& outputs) const;

  const Environment& environment_;
  StateFeatures features_;
  ContinuousPolicyOptions options_;
  Mlp trunk_;
  std::unique_ptr<Linear> forward_, backward_, flow_;
};

// The policy that fits a world: MlpPolicy, or ContinuousPolicy where actions are points.
std::unique_ptr<Policy> MakePolicy(const RewardedWorld& world, ParameterSet& parameters, const MlpOptions& options,
                                   const RngKey& init);

// log of the density of where trajectories end, by quadrature over `points_GD` at every step: [G]. Exact up to the quadrature,
// G^2 work a step. `states_at` makes the states of points after a number of moves, as Box::At does.
at::Tensor LogTerminatingDensity(const ContinuousPolicy& policy, const Environment& environment, const at::Tensor& points_GD,
                                 const std::function<State(const at::Tensor& points_GD, int64_t moves)>& states_at);

}  // namespace gfn
