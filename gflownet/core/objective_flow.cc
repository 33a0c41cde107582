// Flow matching, DB and SubTB(lambda): losses with a learned flow. Equations and sources: objective_config.h.
#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/core/objective_impl.h"

namespace gfn::internal {
namespace {

std::string NameOf(std::string_view kind, bool forward_looking) {
  return forward_looking ? "forward-looking " + std::string(kind) : std::string(kind);
}

class FlowMatching : public Objective {
 public:
  explicit FlowMatching(const FlowMatchingConfig& config) : epsilon_(config.epsilon), residual_(MakeResidual(config.residual)) {}
  std::string Name() const override { return std::string(FlowMatchingConfig::kKind); }
  // log_pf and log_pb only for the estimates of log Z that every step reports.
  Needs needs() const override { return Need::kLogPf | Need::kLogPb | Need::kLogFlow | Needs(Need::kLogInflow); }
  bool NeedsListedParents() const override { return true; }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    GFN_CHECK(scores.log_inflow_BT.defined()) << "log_inflow was not asked for";
    const at::Tensor inflow_BT = AsDouble(scores.log_inflow_BT);
    const at::Tensor outflow_BT = FlowsWithReward(scores, targets).slice(1, 1);
    const at::Tensor difference_BT = PlusEpsilon(inflow_BT) - PlusEpsilon(outflow_BT);
    return MeanOverSteps(residual_->Cost(difference_BT.masked_fill(scores.mask_BT.logical_not(), 0)), scores);
  }

 private:
  at::Tensor PlusEpsilon(const at::Tensor& log_flow) const {
    return epsilon_ == 0 ? log_flow : at::logaddexp(log_flow, at::full({}, std::log(epsilon_), log_flow.options()));
  }

  double epsilon_;
  std::unique_ptr<Residual> residual_;
};

class Db : public Objective {
 public:
  explicit Db(const DbConfig& config) : forward_looking_(config.forward_looking), residual_(MakeResidual(config.residual)) {}
  std::string Name() const override { return NameOf(DbConfig::kKind, forward_looking_); }
  Needs needs() const override { return Need::kLogPf | Need::kLogPb | Needs(Need::kLogFlow); }
  bool NeedsIntermediateRewards() const override { return forward_looking_; }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor flows_BT1 = FlowsWithReward(scores, targets, forward_looking_);
    const int64_t num_steps = scores.mask_BT.size(1);
    const at::Tensor difference_BT =
        flows_BT1.slice(1, 0, num_steps) + LogForwardMinusBackward(scores) - flows_BT1.slice(1, 1, num_steps + 1);
    return MeanOverSteps(residual_->Cost(difference_BT.masked_fill(scores.mask_BT.logical_not(), 0)), scores);
  }

 private:
  bool forward_looking_;
  std::unique_ptr<Residual> residual_;
};

class SubTb : public Objective {
 public:
  explicit SubTb(const SubTbConfig& config) : config_(config), residual_(MakeResidual(config.residual)) {}
  std::string Name() const override { return NameOf(SubTbConfig::kKind, config_.forward_looking); }
  Needs needs() const override { return Need::kLogPf | Need::kLogPb | Needs(Need::kLogFlow); }
  bool NeedsIntermediateRewards() const override { return config_.forward_looking; }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    const at::Tensor balance_BT1 = Balances(scores, targets, config_.forward_looking);
    const at::Tensor valid_BT1 = at::cat({at::ones_like(scores.mask_BT.slice(1, 0, 1)), scores.mask_BT}, 1);
    const PairSums sums = SumPairs(balance_BT1, valid_BT1, at::ones_like(balance_BT1).detach(),
                                   at::arange(balance_BT1.size(1), scores.group_B.options()), config_.lambda, *residual_);
    if (config_.pooled) {
      return {SumByGroup(sums.cost_B, scores.group_B, scores.num_groups),
              SumByGroup(sums.weight_B, scores.group_B, scores.num_groups)};
    }
    return {SumByGroup(sums.cost_B / sums.weight_B, scores.group_B, scores.num_groups), RowsPerGroup(scores)};
  }

 private:
  SubTbConfig config_;
  std::unique_ptr<Residual> residual_;
};

}  // namespace

std::unique_ptr<Objective> Make(const FlowMatchingConfig& config) { return std::make_unique<FlowMatching>(config); }
std::unique_ptr<Objective> Make(const DbConfig& config) { return std::make_unique<Db>(config); }
std::unique_ptr<Objective> Make(const SubTbConfig& config) { return std::make_unique<SubTb>(config); }

}  // namespace gfn::internal
