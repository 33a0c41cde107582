// Reinforcement learning in the same interface as the balance losses, for comparison: objective_rl.cc.
// The reward of a step is log_pb, that of the last one besides log R / T, and the policy's entropy is added: the value of a state
// is then log F(s), and the best policy draws in proportion to R (Tiapkin et al. 2310.12934, Deleu et al. 2402.10309).
#pragma once

#include <cstdint>
#include <string_view>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/enum_table.h"
#include "gflownet/core/residual.h"

namespace gfn {

enum class Baseline { kNone, kGroup, kLogZ };
GFN_ENUM_TABLE(Baseline, {Baseline::kNone, "none", "no baseline: the variance is that of log R"},
               {Baseline::kGroup, "group", "the mean of the other rollouts of the condition"},
               {Baseline::kLogZ, "log_z", "a learned log Z(x), fitted to the returns"})

// REINFORCE (Williams 1992) on the reverse KL: -(a - baseline) sum log_pf - sum log_pb with a = the final a_n as a constant.
// On-policy rollouts only.
struct ReinforceConfig {
  static constexpr std::string_view kKind = "reinforce";
  Baseline baseline = Baseline::kGroup;
  template <class V>
  void Visit(V& v) {
    v("baseline", baseline, "what is subtracted from the return");
  }
};

// PPO (Schulman et al. 1707.06347): -min(r A, clip(r, 1 - clip, 1 + clip) A) + value_weight (V - V_target)^2 per step, r the
// ratio of the policy to the one that drew the rollouts, A by GAE(gae_lambda) (Schulman et al. 1506.02438), V = log F(s); mean
// over steps. On-policy rollouts, on which train.updates_per_batch steps are taken.
struct PpoConfig {
  static constexpr std::string_view kKind = "ppo";
  double clip = 0.2;
  double value_weight = 0.5;
  double gae_lambda = 0.95;
  template <class V>
  void Visit(V& v) {
    v("clip", clip, "the ratio to the policy that drew the rollouts counts within 1 - clip .. 1 + clip", Positive());
    v("value_weight", value_weight, "weight of the value's squared error", Positive());
    v("gae_lambda", gae_lambda, "1: returns of whole rollouts; less: leans on the value of later states", Between(0, 1));
  }
};

// GRPO (Shao et al. 2402.03300) on the returns of reinforce: A = (a_n - group mean) / group deviation of a whole rollout, the
// clipped ratio of PPO at every step, no value; mean over steps. On-policy rollouts, on which train.updates_per_batch steps are
// taken. Its entropy term is the published KL penalty to p(z | x), with coefficient 1, where R = p(z | x) p(y | x z).
struct GrpoConfig {
  static constexpr std::string_view kKind = "grpo";
  double clip = 0.2;
  bool normalise = true;
  template <class V>
  void Visit(V& v) {
    v("clip", clip, "the ratio to the policy that drew the rollouts counts within 1 - clip .. 1 + clip", Positive());
    v("normalise", normalise, "advantages are divided by the group's standard deviation (off: 2503.20783)");
  }
};

// DPG (Parshakova et al. 1912.08517; GDC, Khalifa et al. 2012.11635): -sum (w - 1 / n) log q over the rollouts of a condition, w
// their weights R^(1/T) P_B / q made to sum to 1: the forward KL with a baseline. On-policy rollouts only.
struct DpgConfig {
  static constexpr std::string_view kKind = "dpg";
  template <class V>
  void Visit(V&) {}
};

// Soft Q-learning (Haarnoja et al. 1702.08165): Q(s, a) = log F(s) + log_pf towards the constant log_pb + log F(s'); mean over
// steps. DB with a gradient through its near side only, without a target network; P_B gets no gradient.
struct SoftQConfig {
  static constexpr std::string_view kKind = "soft_q";
  ResidualConfig residual = SquaredResidual{};
  template <class V>
  void Visit(V& v) {
    v("residual", residual, "cost of a difference, the same on both sides");
  }
  void Validate(ConfigErrors& errors) const;  // linex
};

// Path consistency learning (Nachum et al. 1702.08892): (u_k - u_{k+steps})^2 from every state, cut at the end of the trajectory;
// mean over states. 1 is DB.
struct PathConsistencyConfig {
  static constexpr std::string_view kKind = "path_consistency";
  int64_t steps = 3;
  ResidualConfig residual = SquaredResidual{};
  template <class V>
  void Visit(V& v) {
    v("steps", steps, "actions between the two states that are compared", AtLeast(1));
    v("residual", residual, "cost of a difference");
  }
};

}  // namespace gfn
