// TB, VarGrad, maximum likelihood and modified DB: losses without a learned flow. Equations and sources: objective_config.h.
#include "gflownet/base/check.h"
#include "gflownet/core/objective_impl.h"

namespace gfn::internal {
namespace {

class Tb : public Objective {
 public:
  explicit Tb(const TbConfig& config) : residual_(MakeResidual(config.residual)) {}
  std::string Name() const override { return std::string(TbConfig::kKind); }
  Needs needs() const override { return Need::kLogPf | Need::kLogPb | Needs(Need::kLogZ); }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor log_z_B = AsDouble(scores.log_z_G).index_select(0, scores.group_B);
    const at::Tensor cost_B = residual_->Cost(log_z_B - FinalLogZEstimates(scores, targets));
    return {SumByGroup(cost_B, scores.group_B, scores.num_groups), RowsPerGroup(scores)};
  }

 private:
  std::unique_ptr<Residual> residual_;
};

class VarGrad : public Objective {
 public:
  std::string Name() const override { return std::string(VarGradConfig::kKind); }
  Needs needs() const override { return Need::kLogPf | Need::kLogPb; }
  int64_t MinRollouts() const override { return 2; }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor estimates_B = FinalLogZEstimates(scores, targets);
    const at::Tensor rows_G = RowsPerGroup(scores);
    const at::Tensor mean_G = SumByGroup(estimates_B, scores.group_B, scores.num_groups) / rows_G;
    const at::Tensor centred_B = estimates_B - mean_G.index_select(0, scores.group_B);
    const at::Tensor sum_G = SumByGroup(centred_B.square(), scores.group_B, scores.num_groups);
    return {sum_G / (rows_G - 1).clamp_min(1), rows_G.gt(1).to(at::kDouble)};
  }
};

class MaximumLikelihood : public Objective {
 public:
  explicit MaximumLikelihood(const MaximumLikelihoodConfig& config) : importance_(config.importance) {}
  std::string Name() const override { return std::string(MaximumLikelihoodConfig::kKind); }
  Needs needs() const override { return importance_ ? Need::kLogPf | Need::kLogPb : Needs(Need::kLogPf); }
  bool NeedsGivenObjects() const override { return !importance_; }
  bool TrainsBackward() const override { return false; }
  // The importance weights are those of rollouts of q; under another sampler they leave a gradient at the target.
  bool NeedsOnPolicy() const override { return importance_; }
  int64_t MinRollouts() const override { return importance_ ? 2 : 1; }
  bool IsSurrogate() const override { return importance_; }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor log_q_B = AsDouble(scores.log_pf_BT).masked_fill(scores.mask_BT.logical_not(), 0).sum(1);
    if (!importance_) {
      const at::Tensor weights_B = AsDouble(targets.weight_B);
      return {SumByGroup(-weights_B * log_q_B, scores.group_B, scores.num_groups),
              SumByGroup(weights_B, scores.group_B, scores.num_groups)};
    }
    const at::Tensor weights_B = SelfNormalisedWeights(scores, targets);
    const at::Tensor sum_G = SumByGroup(-weights_B * log_q_B, scores.group_B, scores.num_groups);
    return {sum_G, at::ones_like(sum_G).detach()};
  }

 private:
  bool importance_;
};

class ModifiedDb : public Objective {
 public:
  explicit ModifiedDb(const ModifiedDbConfig& config) : residual_(MakeResidual(config.residual)) {}
  std::string Name() const override { return std::string(ModifiedDbConfig::kKind); }
  Needs needs() const override { return Need::kLogPf | Need::kLogPb | Needs(Need::kLogStop); }
  bool NeedsPrefixRewards() const override { return true; }
  bool NeedsStopsEverywhere() const override { return true; }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor estimates_BT = PrefixLogZEstimates(scores, targets);
    const int64_t num_pairs = estimates_BT.size(1) - 1;
    const at::Tensor pairs_BP = targets.stop_legal_BT.slice(1, 0, num_pairs).logical_and(targets.stop_legal_BT.slice(1, 1));
    const at::Tensor difference_BP = estimates_BT.slice(1, 0, num_pairs) - estimates_BT.slice(1, 1);
    const at::Tensor cost_BP = residual_->Cost(difference_BP).masked_fill(pairs_BP.logical_not(), 0);
    return {SumByGroup(cost_BP.sum(1), scores.group_B, scores.num_groups),
            SumByGroup(pairs_BP.sum(1).to(at::kDouble), scores.group_B, scores.num_groups)};
  }

 private:
  std::unique_ptr<Residual> residual_;
};

}  // namespace

at::Tensor SelfNormalisedWeights(const TrajectoryScores& scores, const Targets& targets) {
  // The softmax of the log Z estimates over the rows of each group.
  const at::Tensor estimates_B = FinalLogZEstimates(scores, targets).detach();
  const at::Tensor same_BB = scores.group_B.unsqueeze(1).eq(scores.group_B.unsqueeze(0));
  const at::Tensor log_sum_B = estimates_B.unsqueeze(0).masked_fill(same_BB.logical_not(), -INFINITY).logsumexp(1);
  return (estimates_B - log_sum_B).exp();
}

std::unique_ptr<Objective> Make(const ModifiedDbConfig& config) { return std::make_unique<ModifiedDb>(config); }
std::unique_ptr<Objective> Make(const TbConfig& config) { return std::make_unique<Tb>(config); }
std::unique_ptr<Objective> Make(const VarGradConfig&) { return std::make_unique<VarGrad>(); }
std::unique_ptr<Objective> Make(const MaximumLikelihoodConfig& config) { return std::make_unique<MaximumLikelihood>(config); }

}  // namespace gfn::internal
