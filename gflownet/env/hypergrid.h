// The hypergrid of Bengio et al. 2021 (2106.04399): a walker starts at the origin of a grid of `side` cells in each of d
// dimensions, every action adds 1 to one coordinate, the last action stops. A DAG: a cell has as many parents as non-zero
// coordinates.
// Shapes: B batch, D dimensions. Actions 0 .. D-1 step, D stops. Backward actions 0 .. D-1 take a step back, D undoes the stop.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/fast_world.h"
#include "gflownet/core/reward.h"
#include "gflownet/env/counting.h"
#include "gflownet/env/world.h"

namespace gfn {

struct HypergridRewardConfig {
  double r0 = 0.1;
  double r1 = 0.5;
  double r2 = 2.0;
  template <class V>
  void Visit(V& v) {
    v("r0", r0, "reward everywhere", Positive());
    v("r1", r1, "added where every coordinate is in the outer half: |x / (side - 1) - 1/2| > 1/4", NonNegative());
    v("r2", r2, "added in the rings of modes: 0.3 < |x / (side - 1) - 1/2| < 0.4 for every coordinate", NonNegative());
  }
  // The hard variant of Tiapkin et al. 2310.12934: next to nothing between the modes, so that they are found one by one or not at
  // all.
  static HypergridRewardConfig Hard() { return {.r0 = 1e-4, .r1 = 1.0, .r2 = 3.0}; }
};

struct HypergridConfig {
  int64_t dimensions = 2;
  int64_t side = 8;
  template <class V>
  void Visit(V& v) {
    v("dimensions", dimensions, "number of coordinates", Between(1, 32));
    v("side", side, "cells along each coordinate", Between(2, 4096));
  }
  void Validate(ConfigErrors& errors) const;
};

class Hypergrid : public EnumerableEnvironment, public FastWorld {
 public:
  explicit Hypergrid(const HypergridConfig& config);

  const EnvironmentSpec& Spec() const override { return spec_; }
  State Initial(const std::vector<ConditionId>& conditions_B) const override;
  using Environment::Step;
  State Step(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override;
  State Undo(const State& state, const at::Tensor& backward_actions_B) const override;
  using Environment::BackwardAction;
  at::Tensor BackwardAction(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override;
  at::Tensor ForwardAction(const State&, const at::Tensor& backward_actions_B) const override { return backward_actions_B; }
  Support ForwardSupport(const State& state) const override;
  Support BackwardSupport(const State& state) const override;
  at::Tensor IsInitial(const State& state) const override;
  at::Tensor IsBelow(const State& state, const State& root) const override;
  std::string Format(const State& state, int64_t row) const override;
  std::string SupportDigest() const override;

  // Cells are numbered row-major, so a parent always has a smaller number. Every cell can be an object.
  int64_t NumStates() const override { return cells_.Count(); }
  int64_t NumObjects() const override { return cells_.Count(); }
  State StatesAt(const at::Tensor& index_B, ConditionId condition) const override;
  State ObjectsAt(const at::Tensor& index_B, ConditionId condition) const override;
  at::Tensor StateIndex(const State& state) const override;
  at::Tensor ObjectIndex(const State& state) const override { return StateIndex(state); }

  // Rows are the D coordinates and a 1 behind them once stopped; features are one-hot coordinates.
  int64_t RowWords() const override { return config_.dimensions + 1; }
  void InitialRow(int32_t* row) const override;
  bool RowIsDone(const int32_t* row) const override { return row[config_.dimensions] != 0; }
  void StepRow(int32_t* row, int64_t action) const override { ++row[action]; }
  int64_t BackwardActionOfRow(const int32_t*, int64_t action) const override { return action; }
  void LegalOfRow(const int32_t* row, bool* legal_A) const override;
  void LegalBackOfRow(const int32_t* row, bool* legal_back) const override;
  int64_t NumRowFeatures() const override { return config_.dimensions * config_.side; }
  int64_t MaxActive() const override { return config_.dimensions; }
  int64_t FeaturesOfRow(const int32_t* row, int32_t* index, float* value) const override;
  State StateOfRows(const int32_t* rows, int64_t num_rows) const override;
  void RowsOfState(const State& state, int32_t* rows) const override;

  // int64 [B, D]: the coordinates of a state of this world.
  static const at::Tensor& Position(const State& state) { return state.Get("position"); }
  // One-hot coordinates, float [B, D * side].
  at::Tensor Features(const State& state) const;
  int64_t NumFeatures() const { return config_.dimensions * config_.side; }
  const HypergridConfig& config() const { return config_; }

 protected:
  EnvironmentSpec spec_;

 private:
  HypergridConfig config_;
  MixedRadix cells_;
};

// The same in another dtype.
at::Tensor HypergridFeatures(const Hypergrid& grid, const State& state, at::ScalarType dtype);

// R(x) = r0 + r1 prod 1(|x_i| > 1/4) + r2 prod 1(0.3 < |x_i| < 0.4), x_i = coordinate / (side - 1) - 1/2, compared in integers.
// A side below 7, and 11, has no coordinate strictly between the bounds of the rings, and so no modes.
class HypergridReward : public StateReward {
 public:
  HypergridReward(const Hypergrid& grid, const HypergridRewardConfig& config);
  at::Tensor LogRewardOf(const State& objects) const override;
  std::string Digest() const override;
  // Where r2 is added, bool [B], and whether there is such a cell.
  at::Tensor InModeRing(const State& objects) const;
  bool HasModes() const;

 private:
  HypergridRewardConfig config_;
  at::Tensor outer_S_, ring_S_;  // bool [side]: the coordinates of either kind
};

StatusOr<RewardedWorld> CreateWorld(const HypergridConfig& config, const HypergridRewardConfig& reward);

}  // namespace gfn
