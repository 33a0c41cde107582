// A continuous world (Lahlou et al. 2301.12594): a point moves about the unit box, or the unit torus, for a fixed number of
// steps, and where it ends is the object. An action is the next point itself, so forward and backward densities need no Jacobian.
// Shapes: B batch, D dimensions, T steps, G points of a quadrature.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/reward.h"
#include "gflownet/env/world.h"

namespace gfn {

struct BoxRewardConfig {
  int64_t num_modes = 3;
  double width = 0.08;
  double background = 0.02;
  int64_t seed = 1;
  template <class V>
  void Visit(V& v) {
    v("num_modes", num_modes, "Gaussian bumps of height 1", Between(1, 4096));
    v("width", width, "standard deviation of a bump", Range{.min = 0.005, .max = 0.5});
    v("background", background, "reward everywhere", Positive());
    v("seed", seed, "where the bumps are", NonNegative());
  }
};

struct BoxConfig {
  static constexpr std::string_view kKind = "box";
  int64_t dimensions = 2;
  int64_t num_steps = 2;
  bool torus = false;
  BoxRewardConfig reward{};
  template <class V>
  void Visit(V& v) {
    v("dimensions", dimensions, "coordinates of a point", Between(1, 16));
    v("num_steps", num_steps, "moves of a trajectory; the point after the last is the object", Between(1, 64));
    v("torus", torus, "opposite sides are the same place");
    v("reward", reward, "a mixture of bumps");
  }
};

class Box : public Environment {
 public:
  explicit Box(const BoxConfig& config);

  const EnvironmentSpec& Spec() const override { return spec_; }
  State Initial(const std::vector<ConditionId>& conditions_B) const override;
  using Environment::Step;
  State Step(const State& state, const at::Tensor& actions_BD, const at::Tensor& outcome_B) const override;
  // A backward action is the point before, float [B, D]; of the first move that is the origin.
  State Undo(const State& state, const at::Tensor& backward_actions_BD) const override;
  using Environment::BackwardAction;
  at::Tensor BackwardAction(const State& state, const at::Tensor& actions_BD, const at::Tensor& outcome_B) const override;
  Support ForwardSupport(const State& state) const override;
  Support BackwardSupport(const State& state) const override;
  at::Tensor IsInitial(const State& state) const override;
  std::string Format(const State& state, int64_t row) const override;
  std::string SupportDigest() const override;

  static const at::Tensor& Position(const State& state) { return state.Get("position"); }  // float64 [B, D]
  static const at::Tensor& Moves(const State& state) { return state.Get("moves"); }        // int64 [B]: made so far
  // Points after `moves` moves, float64 [B, D].
  State At(const at::Tensor& position_BD, int64_t moves) const;
  // Coordinates (of a torus cosine and sine) and the one-hot number of moves.
  at::Tensor Features(const State& state) const;
  int64_t NumFeatures() const { return (config_.torus ? 2 : 1) * config_.dimensions + config_.num_steps + 1; }
  const BoxConfig& config() const { return config_; }

 private:
  BoxConfig config_;
  EnvironmentSpec spec_;
};

// R(x) = background + sum over modes of exp(-|x - c|^2 / (2 width^2)); on a torus the distance is the shortest one.
class BoxReward : public StateReward {
 public:
  BoxReward(const Box& world, const BoxRewardConfig& config);
  at::Tensor LogRewardOf(const State& objects) const override;
  std::string Digest() const override;

 private:
  BoxConfig box_;
  BoxRewardConfig config_;
  at::Tensor centres_MD_;
};

// The midpoints of a regular partition into points_per_dimension^D cells, as an array [G, D] in float64: sums over them divided
// by G are integrals. Refused when there are more than 2^22.
StatusOr<at::Tensor> Midpoints(int64_t dimensions, int64_t points_per_dimension);
// log of the integral of R over the box.
StatusOr<double> BoxLogZ(const Box& world, const StateReward& reward, int64_t points_per_dimension);

StatusOr<RewardedWorld> CreateWorld(const BoxConfig& config);

}  // namespace gfn
