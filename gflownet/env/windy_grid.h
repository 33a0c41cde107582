// A hypergrid with wind: after a step a gust may carry the walker one cell further along the first axis. A stochastic world (Pan
// et al. 2302.09465): the policy chooses an action, nature what comes of it, so a way to a cell is a pair of action and outcome.
// Shapes: B batch, D dimensions. Actions are the hypergrid's. Outcome 0 is calm, 1 a gust, which needs room along the first axis;
// the stop is always calm. Backward action 2 a + o undoes action a with outcome o.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/env/hypergrid.h"
#include "gflownet/env/world.h"

namespace gfn {

struct WindyGridConfig {
  static constexpr std::string_view kKind = "windy_grid";
  int64_t dimensions = 2;
  int64_t side = 7;
  double gust = 0.2;
  HypergridRewardConfig reward{};
  template <class V>
  void Visit(V& v) {
    v("dimensions", dimensions, "number of coordinates", Between(1, 32));
    v("side", side, "cells along each coordinate", Between(2, 4096));
    v("gust", gust, "probability of a gust after a step that leaves room for it",
      Range{.min = 0, .max = 1, .min_open = true, .max_open = true});
    v("reward", reward, "the reward of a cell, as of the hypergrid");
  }
};

class WindyGrid : public Hypergrid {
 public:
  explicit WindyGrid(const WindyGridConfig& config);

  int64_t NumOutcomes() const override { return 2; }
  at::Tensor LogOutcomes(const State& state, const at::Tensor& actions_B) const override;
  using Environment::Step;
  State Step(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override;
  State Undo(const State& state, const at::Tensor& backward_actions_B) const override;
  using Environment::BackwardAction;
  at::Tensor BackwardAction(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override;
  Support BackwardSupport(const State& state) const override;
  std::string SupportDigest() const override;

 private:
  double gust_;
};

StatusOr<RewardedWorld> CreateWorld(const WindyGridConfig& config);

}  // namespace gfn
