// How a latent-variable model is fitted: where the E-step's z come from and what the M-step does with them. Configuration only.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/core/local_search.h"
#include "gflownet/train/optimizer.h"
#include "gflownet/train/schedule.h"

namespace gfn {

struct SleepConfig {
  int64_t every = 0;
  int64_t rows = 128;
  bool only = false;
  template <class V>
  void Visit(V& v) {
    v("every", every, "after every so many updates, one that maximises log q(z | x) of pairs drawn from the model; 0: never",
      NonNegative());
    v("rows", rows, "pairs of such an update", AtLeast(1));
    v("only", only, "no other updates: the wake-sleep algorithm");
  }
};

// z ~ q(z | x), a GFlowNet that is trained on R(z | x) = p(x, z) between M-steps.
struct SamplerEStepConfig {
  static constexpr std::string_view kKind = "sampler";
  int64_t min_updates = 1;
  int64_t max_updates = 1000;
  std::optional<ScheduleConfig> threshold;
  double average_decay = 0.9;
  int64_t samples = 1;
  int64_t chain_steps = 0;
  LocalSearchConfig chain;
  SleepConfig sleep;
  template <class V>
  void Visit(V& v) {
    v("min_updates", min_updates, "updates of the sampler between two M-steps at least", AtLeast(1));
    v("max_updates", max_updates, "and at most", AtLeast(1));
    v("threshold", threshold,
      "an M-step follows once the moving average of the loss is below this, by the number of M-steps taken; null: after "
      "max_updates");
    v("average_decay", average_decay, "decay of that average", Range{.min = 0, .max = 1, .max_open = true});
    v("samples", samples, "z of each x for an M-step", AtLeast(1));
    v("chain_steps", chain_steps,
      "Metropolis-Hastings steps on each z before an M-step: some last actions are taken back by P_B and made anew by P_F",
      NonNegative());
    v("chain", chain, "how such a step goes; its iterations are chain_steps");
    v("sleep", sleep, "the sleep phase");
  }
  void Validate(ConfigErrors& errors) const {
    if (min_updates > max_updates) errors.Add("min_updates", "is above max_updates");
    if (chain.greedy)
      errors.Add("chain.greedy", "is no Metropolis-Hastings step, and has another distribution than the posterior");
    if (sleep.only && sleep.every != 1) errors.Add("sleep.every", "must be 1 where there are no other updates");
  }
};

// The exact posterior over all z, of models where they can be listed.
struct ExactEStepConfig {
  static constexpr std::string_view kKind = "exact";
  template <class V>
  void Visit(V&) {}
};

// z ~ p(z | x) exactly, by listing.
struct ExactSamplingEStepConfig {
  static constexpr std::string_view kKind = "exact_sampling";
  int64_t samples = 1;
  template <class V>
  void Visit(V& v) {
    v("samples", samples, "z of each x for an M-step", AtLeast(1));
  }
};

// The product of one distribution a site that is nearest to the posterior, KL(q | p), by coordinate ascent.
struct MeanFieldEStepConfig {
  static constexpr std::string_view kKind = "mean_field";
  int64_t sweeps = 20;
  template <class V>
  void Visit(V& v) {
    v("sweeps", sweeps, "times that every site is updated in an E-step", AtLeast(1));
  }
};

// Monte-Carlo EM: chains that begin at z drawn by a policy that was never trained.
struct ChainEStepConfig {
  static constexpr std::string_view kKind = "chain";
  int64_t steps = 100;
  int64_t samples = 1;
  template <class V>
  void Visit(V& v) {
    v("steps", steps, "Metropolis-Hastings steps of each chain for an M-step", AtLeast(1));
    v("samples", samples, "chains of each x", AtLeast(1));
  }
};

struct GradientMStepConfig {
  static OptimizerConfig DefaultOptimizer() {
    OptimizerConfig config;
    config.learning_rate = 0.01;
    config.clip_norm = 0;
    return config;
  }
  static constexpr std::string_view kKind = "gradient";
  int64_t steps = 1;
  OptimizerConfig optimizer = DefaultOptimizer();
  template <class V>
  void Visit(V& v) {
    v("steps", steps, "gradient steps on the same z", AtLeast(1));
    v("optimizer", optimizer, "AdamW, of the model's parameters");
  }
};

struct ClosedFormMStepConfig {
  static constexpr std::string_view kKind = "closed_form";
  double rate = 1;
  template <class V>
  void Visit(V& v) {
    v("rate", rate, "share of the way to the maximum that an M-step goes", Range{.min = 0, .max = 1, .min_open = true});
  }
};

struct EmConfig {
  std::variant<SamplerEStepConfig, ExactEStepConfig, ExactSamplingEStepConfig, MeanFieldEStepConfig, ChainEStepConfig> e_step;
  std::variant<GradientMStepConfig, ClosedFormMStepConfig> m_step;
  int64_t m_conditions = 0;
  int64_t updates_per_step = 1;

  template <class V>
  void Visit(V& v) {
    v("e_step", e_step, "where the z of an M-step come from");
    v("m_step", m_step, "how the model's parameters follow");
    v("m_conditions", m_conditions, "different x of an M-step; 0: all", NonNegative());
    v("updates_per_step", updates_per_step,
      "a step of the run ends after so many updates of the sampler, or after an M-step if that comes first", AtLeast(1));
  }
};

}  // namespace gfn
