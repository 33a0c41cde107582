// The objectives that a configuration can name, each with its equation, its source and when it applies. docs/objectives.md says
// what each costs. The losses themselves are in objective_*.cc.
// a_k is the estimate of log Z at prefix k, u_k = log F(s_k) - sum_{m<k} (log_pf - log_pb): both are constant along a trajectory
// when the sampler is perfect.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/core/objective_rl_config.h"
#include "gflownet/core/residual.h"

namespace gfn {

// ---- without a learned flow: objective_modified_subtb.cc, objective_trajectory.cc ----

// Malkin et al. 2022 / Madan et al. 2022 with the flow eliminated by F(s) = R(s stop) / q(stop | s) (Deleu et al. 2022;
// Hu et al. 2310.04363, Eq. 3), centred on the condition:
//   L_c = sum_{i<j} w_i w_j (a_i - a_j)^2 / sum_{i<j} w_i w_j  over all (rollout, prefix) pairs of the condition where stopping
// is legal, in O(L) by centring. All w are 1 by default. A path within one trajectory would cancel log q of the first min_len
// tokens, which then would never learn; across rollouts they do not cancel.
//   lambda < 1 (or root: true): the root joins as a node with learned log Z(x). For lambda < 1 pairs are those within a
// trajectory and weigh lambda^(distance - 1), the root sitting at position 0.
struct ModifiedSubTbConfig {
  static constexpr std::string_view kKind = "modified_subtb";
  double lambda = 1;
  bool root = false;
  bool paper_compat = false;
  double prefix_weight = 1;
  ResidualConfig residual = SquaredResidual{};

  template <class V>
  void Visit(V& v) {
    v("lambda", lambda, "in (0, 1]; 1 compares all prefixes of a condition with each other, less weighs near pairs more",
      Range{.min = 0, .max = 1, .min_open = true});
    v("root", root, "a learned log Z(x) joins as one more prefix; needed for lambda < 1 and for a single rollout of a condition");
    v("paper_compat", paper_compat,
      "pairs within one trajectory only, without a root, averaged over the batch as in 2310.04363's "
      "code; for worlds with one stop that is legal everywhere: the first min_len tokens would get no gradient");
    v("prefix_weight", prefix_weight,
      "in [0, 1]: weight of prefixes that the rollout went on from, against 1 for finished objects; "
      "0 is vargrad",
      Between(0, 1));
    v("residual", residual, "cost of a difference; other than squared costs O(L^2) memory per condition");
  }
  void Validate(ConfigErrors& errors) const;
};

// Modified detailed balance, Deleu et al. 2202.13903: a_k = a_{k+1} along every trajectory, that is
//   (log R(s_k stop) + log_pf + log_stop(s_{k+1}) - log R(s_{k+1} stop) - log_pb - log_stop(s_k))^2, mean over transitions.
// For worlds in which every state can stop, with one stop action: elsewhere the first actions would get no gradient, and objects
// of different stops would never be compared.
struct ModifiedDbConfig {
  static constexpr std::string_view kKind = "modified_db";
  ResidualConfig residual = SquaredResidual{};
  template <class V>
  void Visit(V& v) {
    v("residual", residual, "cost of a difference");
  }
};

// Trajectory balance, Malkin et al. 2201.13259: (log Z(x) + sum log_pf - log R / T - sum log_pb)^2, mean over rollouts.
struct TbConfig {
  static constexpr std::string_view kKind = "tb";
  ResidualConfig residual = SquaredResidual{};
  template <class V>
  void Visit(V& v) {
    v("residual", residual, "cost of a difference");
  }
};

// VarGrad / log-partition variance (Richter et al. 2010.10436, Zhang et al. 2305.15363): the variance of the final a_n over the
// rollouts of a condition; log Z is eliminated.
struct VarGradConfig {
  static constexpr std::string_view kKind = "vargrad";
  template <class V>
  void Visit(V&) {}
};

// -log q of the given trajectories. `given`: weighted by the batch's weights. `importance`: by the self-normalised weights
// R^(1/T) P_B / q of the rollouts of a condition (reweighted wake-sleep, Bornschein & Bengio 1406.2751), a low-variance start;
// meant for on-policy rollouts. On a DAG, train.backward_given draws the trajectories of the given objects from P_B at each step.
struct MaximumLikelihoodConfig {
  static constexpr std::string_view kKind = "maximum_likelihood";
  bool importance = false;
  template <class V>
  void Visit(V& v) {
    v("importance", importance,
      "weigh the rollouts of a condition by R^(1/T) / q, normalised; else by the weights that the data give");
  }
};

// ---- with learned flows: objective_flow.cc ----

// Flow matching, Bengio et al. 2106.04399: (log(eps + flow into s) - log(eps + flow out of s))^2 over the visited states but the
// first, the flow out of a finished object being R; mean over transitions. The policy gives flows of edges (EdgeFlowPolicy),
// which takes every parent of a visited state: discrete worlds with few parents.
struct FlowMatchingConfig {
  static constexpr std::string_view kKind = "fm";
  double epsilon = 0;
  ResidualConfig residual = SquaredResidual{};
  template <class V>
  void Visit(V& v) {
    v("epsilon", epsilon, "added to both flows, so that states of little flow matter less", NonNegative());
    v("residual", residual, "cost of a difference");
  }
};

// Detailed balance over states with learned log F(s), Bengio et al. 2111.09266:
// (log F(s_k) + log_pf - log F(s_{k+1}) - log_pb)^2, the finished state's flow being R; mean over transitions.
// forward_looking (Pan et al. 2302.01687): log F(s) = log F~(s) + log R~(s) with the intermediate reward R~ of the state, only F~
// being learned, so that a part of R is known at every step. R~ is R of stopping there, or an EnergyReward's.
struct DbConfig {
  static constexpr std::string_view kKind = "db";
  bool forward_looking = false;
  ResidualConfig residual = SquaredResidual{};
  template <class V>
  void Visit(V& v) {
    v("forward_looking", forward_looking, "learn the flow relative to the reward of stopping in the state, or to its energy");
    v("residual", residual, "cost of a difference");
  }
};

// SubTB(lambda) with learned log F(s), Madan et al. 2209.12782: (u_i - u_j)^2 of every sub-trajectory i < j, with the geometric
// weights lambda^(j-i-1), or uniform ones (lambda = 1), normalised per row. forward_looking as in DbConfig.
struct SubTbConfig {
  static constexpr std::string_view kKind = "subtb";
  double lambda = 0.9;
  bool pooled = false;
  bool forward_looking = false;
  ResidualConfig residual = SquaredResidual{};
  template <class V>
  void Visit(V& v) {
    v("lambda", lambda, "in (0, 1]: a sub-trajectory weighs lambda^(length - 1); 1: all weigh the same",
      Range{.min = 0, .max = 1, .min_open = true});
    v("pooled", pooled,
      "normalise over the sub-trajectories of the whole step, so that long rows weigh more, instead of per row");
    v("forward_looking", forward_looking, "learn the flow relative to the reward of stopping in the state, or to its energy");
    v("residual", residual, "cost of a difference");
  }
};

// ---- reinforcement learning, for comparison: objective_rl_config.h ----

using ObjectiveConfig =
    std::variant<ModifiedSubTbConfig, TbConfig, VarGradConfig, DbConfig, SubTbConfig, MaximumLikelihoodConfig, ModifiedDbConfig,
                 FlowMatchingConfig, ReinforceConfig, PpoConfig, GrpoConfig, DpgConfig, SoftQConfig, PathConsistencyConfig>;

}  // namespace gfn
