// Choices of the sampling step that make a behaviour policy out of the learned one. They act on a copy of the logits while
// sampling and can never reach log_pf, which is always computed at temperature 1 by Policy::Score.
#pragma once

#include <cstdint>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/rng.h"

namespace gfn {

// The values used for one rollout. The defaults sample from the policy itself.
struct Exploration {
  double epsilon = 0;      // probability of a uniform draw among the legal actions instead of the policy's
  double temperature = 1;  // logits are divided by it
  int64_t top_k = 0;       // keep the k most probable legal actions; 0: all
  double top_p = 1;        // keep the smallest set of most probable legal actions that holds this much probability
  double min_p = 0;        // keep legal actions of at least this share of the most probable one's probability

  bool operator==(const Exploration&) const = default;
  bool IsOnPolicy() const { return epsilon == 0 && temperature == 1 && top_k == 0 && top_p == 1 && min_p == 0; }
};

struct ExplorationConfig {
  double epsilon = 0;
  double epsilon_end = 0;
  int64_t epsilon_steps = 0;
  double temperature_min = 1;
  double temperature_max = 1;
  int64_t top_k = 0;
  double top_p = 1;

  template <class V>
  void Visit(V& v) {
    v("epsilon", epsilon, "probability of a uniform draw among the legal actions, mixed into every step", Between(0, 1));
    v("epsilon_end", epsilon_end, "epsilon from optimiser step epsilon_steps on, reached in a straight line", Between(0, 1));
    v("epsilon_steps", epsilon_steps, "optimiser steps until epsilon_end; 0: epsilon stays as it is", NonNegative());
    v("temperature_min", temperature_min, "the sampling temperature is drawn from U[temperature_min, temperature_max]",
      Positive());
    v("temperature_max", temperature_max, "see temperature_min; equal values fix the temperature", Positive());
    v("top_k", top_k, "sample among the k most probable legal actions; 0: all", NonNegative());
    v("top_p", top_p, "sample among the fewest legal actions that hold this probability; 1: all",
      Range{.min = 0, .max = 1, .min_open = true});
  }
  void Validate(ConfigErrors& errors) const;
};

// Draws the temperature, at one address of the key. key.step is the optimiser step, by which epsilon goes.
Exploration DrawExploration(const ExplorationConfig& config, const RngKey& key, uint64_t stream, uint64_t position);

}  // namespace gfn
