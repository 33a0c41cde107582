// Ways to get objects of high reward, or of the target itself, out of a policy that is not trained for it. Configuration only.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"

namespace gfn {

// Ancestral sampling, changed token by token.
struct SamplingMethod {
  static constexpr std::string_view kKind = "sampling";
  double temperature = 1;
  int64_t top_k = 0;
  double top_p = 1;
  double min_p = 0;
  template <class V>
  void Visit(V& v) {
    v("temperature", temperature, "logits are divided by it", Positive());
    v("top_k", top_k, "among the k most probable actions; 0: all", NonNegative());
    v("top_p", top_p, "among the fewest actions that hold this probability", Range{.min = 0, .max = 1, .min_open = true});
    v("min_p", min_p, "among actions of at least this share of the most probable one's probability", Between(0, 1));
  }
};

// The most probable action at every step.
struct GreedyMethod {
  static constexpr std::string_view kKind = "greedy";
  template <class V>
  void Visit(V&) {}
};

// Beam search for the objects of highest log q, without a length penalty: it goes on until no unfinished hypothesis can overtake.
struct BeamMethod {
  static constexpr std::string_view kKind = "beam";
  int64_t beams = 0;
  template <class V>
  void Visit(V& v) {
    v("beams", beams, "hypotheses that are kept; 0: as many as samples are asked for", NonNegative());
  }
};

// Diverse beam search (Vijayakumar et al. 1610.02424): groups of beams one after the other, each penalised for the actions that
// earlier groups took at the same step.
struct DiverseBeamMethod {
  static constexpr std::string_view kKind = "diverse_beam";
  int64_t beams = 0;
  int64_t groups = 0;
  double penalty = 1;
  template <class V>
  void Visit(V& v) {
    v("beams", beams, "hypotheses of all groups together; 0: as many as samples are asked for", NonNegative());
    v("groups", groups, "groups, which divide the beams evenly; 0: one a beam", NonNegative());
    v("penalty", penalty, "nats for each earlier group that took the same action", NonNegative());
  }
};

// Of some draws of the policy the one of highest reward.
struct BestOfMethod {
  static constexpr std::string_view kKind = "best_of";
  int64_t candidates = 8;
  template <class V>
  void Visit(V& v) {
    v("candidates", candidates, "draws for each sample", AtLeast(1));
  }
};

// Draws of the policy, drawn from once more by their weights R^(1/T) / q.
struct ImportanceMethod {
  static constexpr std::string_view kKind = "importance";
  int64_t candidates = 64;
  template <class V>
  void Visit(V& v) {
    v("candidates", candidates, "draws for all samples of a condition", AtLeast(1));
  }
};

// Sequential Monte Carlo: particles are drawn step by step from the policy, weighted by the reward of stopping where they are,
// and resampled when their weights get uneven. With a policy p_LM and T = 1 / alpha it is Power-SMC (2602.10273).
struct SmcMethod {
  static constexpr std::string_view kKind = "smc";
  int64_t particles = 32;
  int64_t every = 1;
  double ess_threshold = 0.5;
  double temperature = 1;
  int64_t sweeps = 0;
  template <class V>
  void Visit(V& v) {
    v("particles", particles, "particles of a condition", AtLeast(2));
    v("every", every, "they are weighted behind every so many actions", AtLeast(1));
    v("ess_threshold", ess_threshold, "resampled where the effective sample size is below this share of them", Between(0, 1));
    v("temperature", temperature, "of the proposal", Positive());
    v("sweeps", sweeps,
      "runs more, each with a particle of the one before that is kept (conditional SMC, which leaves the target invariant)",
      NonNegative());
  }
};

// Metropolis-Hastings that makes the end of an object anew (core/local_search.h), from draws of the policy.
struct MetropolisHastingsMethod {
  static constexpr std::string_view kKind = "metropolis_hastings";
  int64_t steps = 32;
  template <class V>
  void Visit(V& v) {
    v("steps", steps, "moves of each chain; a sample is the end of a chain of its own", AtLeast(1));
  }
};

using DecodingMethod = std::variant<SamplingMethod, GreedyMethod, BeamMethod, DiverseBeamMethod, BestOfMethod, ImportanceMethod,
                                    SmcMethod, MetropolisHastingsMethod>;

}  // namespace gfn
