// Modified SubTB: see ModifiedSubTbConfig in objective_config.h for the equation and its sources.
#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/core/objective_impl.h"

namespace gfn {

void ModifiedSubTbConfig::Validate(ConfigErrors& errors) const {
  if (paper_compat && root) errors.Add("root", "is true, but paper_compat has no root");
  if (paper_compat && prefix_weight != 1)
    errors.Add("prefix_weight", "is " + FormatReal(prefix_weight) + ", but paper_compat has 1");
  if (std::holds_alternative<LinexResidual>(residual) && lambda == 1 && !paper_compat) {
    errors.Add("residual",
               "is linex, which tells the two sides of a difference apart, but with lambda = 1 the prefixes of a condition "
               "are compared in no order: use squared, huber or shifted_cosh");
  }
  if (lambda < 1 && !root && !paper_compat) {
    errors.Add("root", "is false, but lambda = " + FormatReal(lambda) +
                           " < 1 compares within trajectories only, where the first tokens cancel: set root: true "
                           "(a learned log Z(x)), or lambda: 1");
  }
}

namespace internal {
namespace {

class ModifiedSubTb : public Objective {
 public:
  explicit ModifiedSubTb(const ModifiedSubTbConfig& config) : config_(config), residual_(MakeResidual(config.residual)) {}

  std::string Name() const override { return std::string(config_.kKind); }
  Needs needs() const override {
    const Needs base = Need::kLogPf | Need::kLogPb | Need::kLogStop;
    return config_.root ? base | Need::kLogZ : base;
  }
  bool NeedsPrefixRewards() const override { return true; }
  // Within one trajectory, without a root, what lies before the first stop and what another stop is worth cancel.
  bool NeedsStopsEverywhere() const override { return config_.paper_compat; }
  int64_t MinRollouts() const override { return config_.root || config_.paper_compat ? 1 : 2; }

  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor estimates_BT = PrefixLogZEstimates(scores, targets);
    const at::Tensor weights_BT = NodeWeights(scores, targets);
    return config_.paper_compat || config_.lambda < 1 ? WithinTrajectories(scores, targets, estimates_BT, weights_BT)
                                                      : AcrossCondition(scores, targets, estimates_BT, weights_BT);
  }

 private:
  // 1 for the finished object of each row, prefix_weight for the prefixes before it. [B, T]
  at::Tensor NodeWeights(const TrajectoryScores& scores, const Targets& targets) const {
    const at::Tensor legal_BT = targets.stop_legal_BT.to(at::kDouble);
    const at::Tensor steps_after_BT = scores.mask_BT.to(at::kLong).flip(1).cumsum(1).flip(1);
    return at::where(steps_after_BT.eq(1), legal_BT, legal_BT * config_.prefix_weight);
  }

  // All legal (rollout, prefix) pairs of a condition, the root among them if it joins, compared with each other.
  GroupLoss AcrossCondition(const TrajectoryScores& scores, const Targets& targets, const at::Tensor& estimates_BT,
                            const at::Tensor& weights_BT) const {
    // Illegal entries leave before any subtraction.
    const at::Tensor places_M = targets.stop_legal_BT.flatten().nonzero().squeeze(1);
    at::Tensor values_M = estimates_BT.flatten().index_select(0, places_M);
    at::Tensor weights_M = weights_BT.flatten().index_select(0, places_M);
    at::Tensor group_M = scores.group_B.index_select(0, places_M.div(estimates_BT.size(1), "floor"));
    if (config_.root) {
      values_M = at::cat({values_M, AsDouble(scores.log_z_G)});
      weights_M = at::cat({weights_M, at::ones({scores.num_groups}, weights_M.options())});
      group_M = at::cat({group_M, at::arange(scores.num_groups, group_M.options())});
    }
    return residual_->IsSquared() ? Centred(values_M, weights_M, group_M, scores.num_groups)
                                  : AllPairs(values_M, weights_M, group_M, scores.num_groups);
  }

  // sum_{i<j} w_i w_j (a_i - a_j)^2 = W sum_i w_i (a_i - mean)^2 with W = sum w: O(L).
  GroupLoss Centred(const at::Tensor& values_M, const at::Tensor& weights_M, const at::Tensor& group_M,
                    int64_t num_groups) const {
    const at::Tensor total_G = SumByGroup(weights_M, group_M, num_groups);
    const at::Tensor pair_weight_G = (total_G.square() - SumByGroup(weights_M.square(), group_M, num_groups)) / 2;
    const at::Tensor has_pairs_G = pair_weight_G.gt(0);
    const at::Tensor mean_G = SumByGroup(weights_M * values_M, group_M, num_groups) / total_G.clamp_min(1e-300);
    const at::Tensor centred_M = values_M - mean_G.index_select(0, group_M);
    const at::Tensor sum_G = total_G * SumByGroup(weights_M * centred_M.square(), group_M, num_groups);
    return {at::where(has_pairs_G, sum_G / at::where(has_pairs_G, pair_weight_G, 1.0), at::zeros_like(sum_G)),
            has_pairs_G.to(at::kDouble)};
  }

  // The same mean over pairs for any residual, in O(M^2) memory per condition.
  GroupLoss AllPairs(const at::Tensor& values_M, const at::Tensor& weights_M, const at::Tensor& group_M,
                     int64_t num_groups) const {
    std::vector<at::Tensor> numerators, weights;
    for (int64_t group = 0; group < num_groups; ++group) {
      const at::Tensor rows_K = group_M.eq(group).nonzero().squeeze(1);
      const at::Tensor values_1K = values_M.index_select(0, rows_K).unsqueeze(0);
      const PairSums sums =
          SumPairs(values_1K, at::ones_like(values_1K, at::kBool), weights_M.index_select(0, rows_K).unsqueeze(0),
                   at::arange(rows_K.numel(), rows_K.options()), 1.0, *residual_);
      const at::Tensor has_pairs = sums.weight_B.gt(0);
      numerators.push_back(sums.cost_B / at::where(has_pairs, sums.weight_B, 1.0));
      weights.push_back(has_pairs.to(at::kDouble));
    }
    return {at::cat(numerators), at::cat(weights)};
  }

  // Pairs i < j of one trajectory, weighing lambda^(j-i-1).
  GroupLoss WithinTrajectories(const TrajectoryScores& scores, const Targets& targets, const at::Tensor& estimates_BT,
                               const at::Tensor& weights_BT) const {
    at::Tensor values_BK = estimates_BT, valid_BK = targets.stop_legal_BT, weights_BK = weights_BT;
    at::Tensor positions_K = at::arange(estimates_BT.size(1), scores.group_B.options());
    if (config_.root) {
      // The root is s_0 and so sits at position 0, also beside an a_0 where stopping at once is legal.
      values_BK = at::cat({AsDouble(scores.log_z_G).index_select(0, scores.group_B).unsqueeze(1), values_BK}, 1);
      valid_BK = at::cat({at::ones_like(valid_BK.slice(1, 0, 1)), valid_BK}, 1);
      weights_BK = at::cat({at::ones_like(weights_BK.slice(1, 0, 1)), weights_BK}, 1);
      positions_K = at::cat({at::zeros({1}, positions_K.options()), positions_K});
    }
    const PairSums sums = SumPairs(values_BK, valid_BK, weights_BK, positions_K, config_.lambda, *residual_);
    const at::Tensor cost_G = SumByGroup(sums.cost_B, scores.group_B, scores.num_groups);
    const at::Tensor weight_G = SumByGroup(sums.weight_B, scores.group_B, scores.num_groups);
    if (config_.paper_compat) return {cost_G, weight_G};
    const at::Tensor has_pairs_G = weight_G.gt(0);
    return {cost_G / at::where(has_pairs_G, weight_G, 1.0), has_pairs_G.to(at::kDouble)};
  }

  ModifiedSubTbConfig config_;
  std::unique_ptr<Residual> residual_;
};

}  // namespace

std::unique_ptr<Objective> Make(const ModifiedSubTbConfig& config) { return std::make_unique<ModifiedSubTb>(config); }

}  // namespace internal
}  // namespace gfn
