// DB and SubTB(lambda): losses with a learned flow log F(s). Equations and sources: objective.h.
#include "gflownet/base/check.h"
#include "gflownet/core/objective_impl.h"

namespace gfn::internal {
namespace {

// log F of s_0 .. s_T, the finished state's being log R / T; padding after it is 0. [B, T1]
at::Tensor FlowsWithReward(const TrajectoryScores& scores, const Targets& targets) {
  GFN_CHECK(scores.log_flow_BT.defined()) << "log_flow was not asked for";
  const at::Tensor flows_BT = AsDouble(scores.log_flow_BT).masked_fill(scores.mask_BT.logical_not(), 0);
  const at::Tensor flows_BT1 = at::cat({flows_BT, at::zeros_like(flows_BT.slice(1, 0, 1))}, 1);
  const at::Tensor lengths_B1 = scores.mask_BT.sum(1, /*keepdim=*/true);
  return flows_BT1.scatter(1, lengths_B1, AsDouble(targets.log_reward_B).unsqueeze(1));
}

class Db : public Objective {
 public:
  explicit Db(const DbConfig& config) : residual_(MakeResidual(config.residual)) {}
  std::string Name() const override { return std::string(DbConfig::kKind); }
  Needs needs() const override { return Need::kLogPf | Need::kLogPb | Needs(Need::kLogFlow); }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor flows_BT1 = FlowsWithReward(scores, targets);
    const int64_t num_steps = scores.mask_BT.size(1);
    const at::Tensor difference_BT =
        flows_BT1.slice(1, 0, num_steps) + LogForwardMinusBackward(scores) - flows_BT1.slice(1, 1, num_steps + 1);
    const at::Tensor cost_BT = residual_->Cost(difference_BT.masked_fill(scores.mask_BT.logical_not(), 0));
    return {SumByGroup(cost_BT.sum(1), scores.group_B, scores.num_groups),
            SumByGroup(scores.mask_BT.sum(1).to(at::kDouble), scores.group_B, scores.num_groups)};
  }

 private:
  std::unique_ptr<Residual> residual_;
};

class SubTb : public Objective {
 public:
  explicit SubTb(const SubTbConfig& config) : lambda_(config.lambda), residual_(MakeResidual(config.residual)) {}
  std::string Name() const override { return std::string(SubTbConfig::kKind); }
  Needs needs() const override { return Need::kLogPf | Need::kLogPb | Needs(Need::kLogFlow); }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    // u_k = log F(s_k) - sum_{m<k} (log_pf - log_pb): the balance of s_i .. s_j is u_i - u_j.
    const at::Tensor steps_BT = LogForwardMinusBackward(scores);
    const at::Tensor before_BT1 = at::cat({at::zeros_like(steps_BT.slice(1, 0, 1)), steps_BT.cumsum(1)}, 1);
    const at::Tensor balance_BT1 = FlowsWithReward(scores, targets) - before_BT1;
    const at::Tensor valid_BT1 = at::cat({at::ones_like(scores.mask_BT.slice(1, 0, 1)), scores.mask_BT}, 1);
    const PairSums sums = SumPairs(balance_BT1, valid_BT1, at::ones_like(balance_BT1).detach(),
                                   at::arange(balance_BT1.size(1), scores.group_B.options()), lambda_, *residual_);
    const at::Tensor rows_B = at::ones_like(sums.weight_B);
    return {SumByGroup(sums.cost_B / sums.weight_B, scores.group_B, scores.num_groups),
            SumByGroup(rows_B, scores.group_B, scores.num_groups)};
  }

 private:
  double lambda_;
  std::unique_ptr<Residual> residual_;
};

}  // namespace

std::unique_ptr<Objective> Make(const DbConfig& config) { return std::make_unique<Db>(config); }
std::unique_ptr<Objective> Make(const SubTbConfig& config) { return std::make_unique<SubTb>(config); }

}  // namespace gfn::internal
