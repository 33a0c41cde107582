// REINFORCE, PPO, GRPO, DPG, soft Q-learning and path consistency. Equations and sources: objective_rl_config.h.
#include "gflownet/base/check.h"
#include "gflownet/core/objective_impl.h"

namespace gfn {

void SoftQConfig::Validate(ConfigErrors& errors) const {
  if (std::holds_alternative<LinexResidual>(residual)) {
    errors.Add("residual",
               "is linex, whose two sides differ, but the far side of soft_q gets no gradient: the errors of one sign run away "
               "from state to state; use squared, huber or shifted_cosh");
  }
}

namespace internal {
namespace {

// log_pb of every step as it is learned; 0 in padding and on a tree. [B, T]
at::Tensor LogPb(const TrajectoryScores& scores) {
  if (!scores.log_pb_BT.defined()) return at::zeros(scores.mask_BT.sizes(), scores.mask_BT.options().dtype(at::kDouble));
  return AsDouble(scores.log_pb_BT).masked_fill(scores.mask_BT.logical_not(), 0);
}

// What PPO maximises at each step: min(r A, clip(r) A), r the ratio to the policy that drew the rollouts. [B, T]
at::Tensor ClippedGain(const at::Tensor& log_pf_BT, const at::Tensor& sampled_BT, const at::Tensor& advantage_BT, double clip) {
  const at::Tensor ratio_BT = (log_pf_BT - sampled_BT).exp();
  return at::minimum(ratio_BT * advantage_BT, ratio_BT.clamp(1 - clip, 1 + clip) * advantage_BT);
}
// log_pf under the policy that drew the rollouts; of the first step on them that is the policy itself. [B, T]
at::Tensor SampledLogPf(const TrajectoryScores& scores, const Targets& targets) {
  return targets.sampled_log_pf_BT.defined() ? AsDouble(targets.sampled_log_pf_BT) : AsDouble(scores.log_pf_BT).detach();
}

class Reinforce : public Objective {
 public:
  explicit Reinforce(const ReinforceConfig& config) : baseline_(config.baseline) {}
  std::string Name() const override { return std::string(ReinforceConfig::kKind); }
  Needs needs() const override {
    const Needs base = Need::kLogPf | Need::kLogPb;
    return baseline_ == Baseline::kLogZ ? base | Need::kLogZ : base;
  }
  int64_t MinRollouts() const override { return baseline_ == Baseline::kGroup ? 2 : 1; }
  bool NeedsOnPolicy() const override { return true; }
  bool AllowsSeveralUpdates() const override { return false; }
  bool IsSurrogate() const override { return true; }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor return_B = FinalLogZEstimates(scores, targets).detach();
    const at::Tensor log_q_B = AsDouble(scores.log_pf_BT).masked_fill(scores.mask_BT.logical_not(), 0).sum(1);
    at::Tensor cost_B = -LogPb(scores).sum(1);
    if (baseline_ == Baseline::kLogZ) {
      const at::Tensor log_z_B = AsDouble(scores.log_z_G).index_select(0, scores.group_B);
      cost_B = cost_B - (return_B - log_z_B.detach()) * log_q_B + (return_B - log_z_B).square();
    } else {
      cost_B = cost_B - (baseline_ == Baseline::kGroup ? AboveTheOthers(return_B, scores) : return_B) * log_q_B;
    }
    return {SumByGroup(cost_B, scores.group_B, scores.num_groups), RowsPerGroup(scores)};
  }

 private:
  // x_i - mean of the others of its group = (x_i - mean) n / (n - 1); 0 where there are no others. [B]
  static at::Tensor AboveTheOthers(const at::Tensor& values_B, const TrajectoryScores& scores) {
    const at::Tensor rows_G = RowsPerGroup(scores);
    const at::Tensor mean_G = SumByGroup(values_B, scores.group_B, scores.num_groups) / rows_G;
    const at::Tensor scale_G = rows_G / (rows_G - 1).clamp_min(1);
    return (values_B - mean_G.index_select(0, scores.group_B)) * scale_G.index_select(0, scores.group_B);
  }

  Baseline baseline_;
};

class Ppo : public Objective {
 public:
  explicit Ppo(const PpoConfig& config) : config_(config) {}
  std::string Name() const override { return std::string(PpoConfig::kKind); }
  Needs needs() const override { return Need::kLogPf | Need::kLogPb | Needs(Need::kLogFlow); }
  bool NeedsOnPolicy() const override { return true; }
  bool IsSurrogate() const override { return true; }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor log_pf_BT = AsDouble(scores.log_pf_BT);
    const at::Tensor sampled_BT = SampledLogPf(scores, targets);
    const at::Tensor values_BT1 = FlowsWithReward(scores, targets);
    const at::Tensor values_BT = values_BT1.slice(1, 0, log_pf_BT.size(1));
    const at::Tensor advantage_BT = Advantages(values_BT1.detach(), LogPb(scores).detach() - sampled_BT, scores.mask_BT);
    const at::Tensor gain_BT = ClippedGain(log_pf_BT, sampled_BT, advantage_BT, config_.clip);
    const at::Tensor error_BT = values_BT - (values_BT.detach() + advantage_BT);
    return MeanOverSteps(config_.value_weight * error_BT.square() - gain_BT - LogPb(scores), scores);
  }

 private:
  // GAE: A_k = delta_k + lambda A_{k+1}, delta_k = r_k + V(s_{k+1}) - V(s_k); the finished state's value is log R / T. [B, T]
  at::Tensor Advantages(const at::Tensor& values_BT1, const at::Tensor& rewards_BT, const at::Tensor& mask_BT) const {
    const int64_t num_steps = rewards_BT.size(1);
    const at::Tensor delta_BT =
        (rewards_BT + values_BT1.slice(1, 1) - values_BT1.slice(1, 0, num_steps)).masked_fill(mask_BT.logical_not(), 0);
    std::vector<at::Tensor> columns(num_steps);
    at::Tensor next_B = at::zeros_like(delta_BT.select(1, 0));
    for (int64_t k = num_steps - 1; k >= 0; --k) columns[k] = next_B = delta_BT.select(1, k) + config_.gae_lambda * next_B;
    return at::stack(columns, 1);
  }

  PpoConfig config_;
};

class Grpo : public Objective {
 public:
  explicit Grpo(const GrpoConfig& config) : config_(config) {}
  std::string Name() const override { return std::string(GrpoConfig::kKind); }
  Needs needs() const override { return Need::kLogPf | Need::kLogPb; }
  int64_t MinRollouts() const override { return 2; }
  bool NeedsOnPolicy() const override { return true; }
  bool IsSurrogate() const override { return true; }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor sampled_BT = SampledLogPf(scores, targets);
    // Returns are those of the policy that drew the rollouts, also in later steps on them.
    const at::Tensor reward_BT = (LogPb(scores).detach() - sampled_BT).masked_fill(scores.mask_BT.logical_not(), 0);
    const at::Tensor return_B = AsDouble(targets.log_reward_B) + reward_BT.sum(1);
    const at::Tensor rows_G = RowsPerGroup(scores);
    const auto of_group = [&](const at::Tensor& values_B) {
      return (SumByGroup(values_B, scores.group_B, scores.num_groups) / rows_G).index_select(0, scores.group_B);
    };
    at::Tensor advantage_B = return_B - of_group(return_B);
    // Equal returns leave nothing to learn, and no noise to blow up.
    if (config_.normalise) advantage_B = advantage_B / (of_group(advantage_B.square()).sqrt() + 1e-6);
    const at::Tensor advantage_BT = advantage_B.unsqueeze(1).expand_as(sampled_BT);
    const at::Tensor gain_BT = ClippedGain(AsDouble(scores.log_pf_BT), sampled_BT, advantage_BT, config_.clip);
    return MeanOverSteps(-gain_BT - LogPb(scores), scores);
  }

 private:
  GrpoConfig config_;
};

class Dpg : public Objective {
 public:
  std::string Name() const override { return std::string(DpgConfig::kKind); }
  Needs needs() const override { return Need::kLogPf | Need::kLogPb; }
  int64_t MinRollouts() const override { return 2; }
  bool TrainsBackward() const override { return false; }
  bool NeedsOnPolicy() const override { return true; }
  bool AllowsSeveralUpdates() const override { return false; }
  bool IsSurrogate() const override { return true; }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor log_q_B = AsDouble(scores.log_pf_BT).masked_fill(scores.mask_BT.logical_not(), 0).sum(1);
    const at::Tensor share_B = RowsPerGroup(scores).reciprocal().index_select(0, scores.group_B);
    const at::Tensor sum_G =
        SumByGroup(-(SelfNormalisedWeights(scores, targets) - share_B) * log_q_B, scores.group_B, scores.num_groups);
    return {sum_G, at::ones_like(sum_G).detach()};
  }
};

class SoftQ : public Objective {
 public:
  explicit SoftQ(const SoftQConfig& config) : residual_(MakeResidual(config.residual)) {}
  std::string Name() const override { return std::string(SoftQConfig::kKind); }
  bool TrainsBackward() const override { return false; }  // a learned one is part of the target
  bool IsSurrogate() const override { return true; }
  Needs needs() const override { return Need::kLogPf | Need::kLogPb | Needs(Need::kLogFlow); }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor flows_BT1 = FlowsWithReward(scores, targets);
    const at::Tensor q_BT = flows_BT1.slice(1, 0, scores.mask_BT.size(1)) + AsDouble(scores.log_pf_BT);
    const at::Tensor target_BT = (LogPb(scores) + flows_BT1.slice(1, 1)).detach();
    return MeanOverSteps(residual_->Cost((q_BT - target_BT).masked_fill(scores.mask_BT.logical_not(), 0)), scores);
  }

 private:
  std::unique_ptr<Residual> residual_;
};

class PathConsistency : public Objective {
 public:
  explicit PathConsistency(const PathConsistencyConfig& config)
      : steps_(config.steps), residual_(MakeResidual(config.residual)) {}
  std::string Name() const override { return std::string(PathConsistencyConfig::kKind); }
  Needs needs() const override { return Need::kLogPf | Need::kLogPb | Needs(Need::kLogFlow); }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor balance_BT1 = Balances(scores, targets);
    const int64_t num_steps = scores.mask_BT.size(1);
    const at::Tensor later_BT = at::minimum(at::arange(num_steps, scores.group_B.options()).unsqueeze(0) + steps_,
                                            scores.mask_BT.sum(1, /*keepdim=*/true));
    const at::Tensor difference_BT = balance_BT1.slice(1, 0, num_steps) - balance_BT1.gather(1, later_BT);
    return MeanOverSteps(residual_->Cost(difference_BT.masked_fill(scores.mask_BT.logical_not(), 0)), scores);
  }

 private:
  int64_t steps_;
  std::unique_ptr<Residual> residual_;
};

}  // namespace

std::unique_ptr<Objective> Make(const ReinforceConfig& config) { return std::make_unique<Reinforce>(config); }
std::unique_ptr<Objective> Make(const PpoConfig& config) { return std::make_unique<Ppo>(config); }
std::unique_ptr<Objective> Make(const GrpoConfig& config) { return std::make_unique<Grpo>(config); }
std::unique_ptr<Objective> Make(const DpgConfig&) { return std::make_unique<Dpg>(); }
std::unique_ptr<Objective> Make(const SoftQConfig& config) { return std::make_unique<SoftQ>(config); }
std::unique_ptr<Objective> Make(const PathConsistencyConfig& config) { return std::make_unique<PathConsistency>(config); }

}  // namespace internal
}  // namespace gfn
