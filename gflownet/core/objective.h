// A training loss over what a policy says of a batch. Objectives are pure functions of tensors: no environment, no network,
// no configuration of a run, no input or output. Minimising one makes q(x) proportional to R(x)^(1/T).
// Shapes: B rows, T steps, G groups (distinct conditions).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/core/residual.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/trajectory.h"

namespace gfn {

// The loss of a step is sum(numerator) / sum(weight) over all groups of all its micro-batches; the trainer divides once, so how
// a step is cut into micro-batches of whole groups changes nothing.
struct GroupLoss {
  at::Tensor numerator_G;  // with gradient
  at::Tensor weight_G;     // >= 0, without gradient; a group of weight 0 has nothing to say
};

class Objective {
 public:
  virtual ~Objective() = default;
  virtual std::string Name() const = 0;
  virtual Needs needs() const = 0;
  // Uses Targets::log_reward_along_BT: the reward must be a PrefixReward.
  virtual bool NeedsPrefixRewards() const { return false; }
  // Trains on known objects instead of the policy's own; the reward is not evaluated.
  virtual bool NeedsGivenObjects() const { return false; }
  // Fewest rollouts of a condition with which every parameter gets a gradient.
  virtual int64_t MinRollouts() const { return 1; }
  virtual GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const = 0;
};

// a_n = log R / T + sum log_pb - sum log_pf of each row: its estimate of log Z. Equal for all rows of a condition when the
// sampler is perfect. [B]
at::Tensor FinalLogZEstimates(const TrajectoryScores& scores, const Targets& targets);

// a_k for every prefix where stopping is legal: log R_k / T + sum_{m<k} (log_pb - log_pf) - log_stop; 0 elsewhere. [B, T]
at::Tensor PrefixLogZEstimates(const TrajectoryScores& scores, const Targets& targets);

// ---- modified SubTB: objective_modified_subtb.cc ---------------------------------------------------------------------------------

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
    v("paper_compat", paper_compat, "pairs within one trajectory only, without a root, averaged over the batch as in 2310.04363's "
      "code; the first min_len tokens then get no gradient");
    v("prefix_weight", prefix_weight, "in [0, 1]: weight of prefixes that the rollout went on from, against 1 for finished objects; "
      "0 is vargrad", Between(0, 1));
    v("residual", residual, "cost of a difference; other than squared costs O(L^2) memory per condition");
  }
  void Validate(ConfigErrors& errors) const;
};

// ---- trajectory losses: objective_trajectory.cc, objective_flow.cc ---------------------------------------------------------------------------------

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

// Detailed balance over states with learned log F(s), Bengio et al. 2111.09266:
// (log F(s_k) + log_pf - log F(s_{k+1}) - log_pb)^2, the finished state's flow being R; mean over transitions.
struct DbConfig {
  static constexpr std::string_view kKind = "db";
  ResidualConfig residual = SquaredResidual{};
  template <class V>
  void Visit(V& v) {
    v("residual", residual, "cost of a difference");
  }
};

// SubTB(lambda) with learned log F(s), Madan et al. 2209.12782: every sub-trajectory i < j weighs lambda^(j-i-1), normalised per row.
struct SubTbConfig {
  static constexpr std::string_view kKind = "subtb";
  double lambda = 0.9;
  ResidualConfig residual = SquaredResidual{};
  template <class V>
  void Visit(V& v) {
    v("lambda", lambda, "in (0, 1]: a sub-trajectory weighs lambda^(length - 1)", Range{.min = 0, .max = 1, .min_open = true});
    v("residual", residual, "cost of a difference");
  }
};

// -log q of the given trajectories. `given`: weighted by the batch's weights. `importance`: by the self-normalised weights
// R^(1/T) P_B / q of the rollouts of a condition (reweighted wake-sleep, Bornschein & Bengio 1406.2751), a low-variance start;
// meant for on-policy rollouts.
struct MaximumLikelihoodConfig {
  static constexpr std::string_view kKind = "maximum_likelihood";
  bool importance = false;
  template <class V>
  void Visit(V& v) {
    v("importance", importance, "weigh the rollouts of a condition by R^(1/T) / q, normalised; else by the weights that the data give");
  }
};

using ObjectiveConfig =
    std::variant<ModifiedSubTbConfig, TbConfig, VarGradConfig, DbConfig, SubTbConfig, MaximumLikelihoodConfig>;

// InvalidArgument with every value out of range.
StatusOr<std::unique_ptr<Objective>> MakeObjective(const ObjectiveConfig& config);

}  // namespace gfn
