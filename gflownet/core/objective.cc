#include "gflownet/core/objective.h"

#include "gflownet/base/check.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/core/objective_impl.h"

namespace gfn {
namespace internal {

at::Tensor AsDouble(const at::Tensor& values) { return values.to(at::kDouble); }

at::Tensor SumByGroup(const at::Tensor& values_M, const at::Tensor& group_M, int64_t num_groups) {
  // The matrix of members costs G x M. Without it the order of a sum is not fixed on devices.
  constexpr int64_t kLargestMatrix = int64_t{1} << 16;
  if (num_groups * group_M.numel() > kLargestMatrix && values_M.device().is_cpu()) {
    return at::zeros({num_groups}, values_M.options()).index_add(0, group_M, values_M);
  }
  const at::Tensor groups_G = at::arange(num_groups, group_M.options());
  const at::Tensor member_GM = groups_G.unsqueeze(1).eq(group_M.unsqueeze(0)).to(values_M.scalar_type());
  return member_GM.matmul(values_M);
}

at::Tensor ExclusiveCumsum(const at::Tensor& values_BT) { return values_BT.cumsum(1) - values_BT; }

at::Tensor LogForwardMinusBackward(const TrajectoryScores& scores) {
  GFN_CHECK(scores.log_pf_BT.defined()) << "log_pf was not asked for";
  at::Tensor steps_BT = AsDouble(scores.log_pf_BT);
  if (scores.log_pb_BT.defined()) steps_BT = steps_BT - AsDouble(scores.log_pb_BT);
  return steps_BT.masked_fill(scores.mask_BT.logical_not(), 0);
}

at::Tensor FlowsWithReward(const TrajectoryScores& scores, const Targets& targets, bool forward_looking) {
  GFN_CHECK(scores.log_flow_BT.defined()) << "log_flow was not asked for";
  at::Tensor flows_BT = AsDouble(scores.log_flow_BT);
  if (forward_looking) {
    GFN_CHECK(targets.log_reward_along_BT.defined()) << "intermediate rewards were not evaluated";
    flows_BT = flows_BT + AsDouble(targets.log_reward_along_BT);
  }
  flows_BT = flows_BT.masked_fill(scores.mask_BT.logical_not(), 0);
  const at::Tensor flows_BT1 = at::cat({flows_BT, at::zeros_like(flows_BT.slice(1, 0, 1))}, 1);
  const at::Tensor lengths_B1 = scores.mask_BT.sum(1, /*keepdim=*/true);
  return flows_BT1.scatter(1, lengths_B1, AsDouble(targets.log_reward_B).unsqueeze(1));
}

at::Tensor Balances(const TrajectoryScores& scores, const Targets& targets, bool forward_looking) {
  const at::Tensor steps_BT = LogForwardMinusBackward(scores);
  const at::Tensor before_BT1 = at::cat({at::zeros_like(steps_BT.slice(1, 0, 1)), steps_BT.cumsum(1)}, 1);
  return FlowsWithReward(scores, targets, forward_looking) - before_BT1;
}

GroupLoss MeanOverSteps(const at::Tensor& cost_BT, const TrajectoryScores& scores) {
  const at::Tensor inside_BT = cost_BT.masked_fill(scores.mask_BT.logical_not(), 0);
  return {SumByGroup(inside_BT.sum(1), scores.group_B, scores.num_groups),
          SumByGroup(scores.mask_BT.sum(1).to(at::kDouble), scores.group_B, scores.num_groups)};
}

at::Tensor RowsPerGroup(const TrajectoryScores& scores) {
  return SumByGroup(at::ones(scores.group_B.sizes(), scores.group_B.options().dtype(at::kDouble)), scores.group_B,
                    scores.num_groups);
}

PairSums SumPairs(const at::Tensor& values_BK, const at::Tensor& valid_BK, const at::Tensor& node_weights_BK,
                  const at::Tensor& positions_K, double lambda, const Residual& residual) {
  // Invalid nodes get the value of nothing in particular, 0, before any subtraction; their pairs weigh 0.
  const at::Tensor clean_BK = values_BK.masked_fill(valid_BK.logical_not(), 0);
  const at::Tensor weights_BK = node_weights_BK * valid_BK;
  const at::Tensor distance_KK = (positions_K.unsqueeze(0) - positions_K.unsqueeze(1)).clamp_min(1) - 1;
  const at::Tensor decay_KK = at::pow(at::full({}, lambda, weights_BK.options()), distance_KK).triu(1);
  const at::Tensor weights_BKK = weights_BK.unsqueeze(2) * weights_BK.unsqueeze(1) * decay_KK;
  const at::Tensor cost_BKK = residual.Cost(clean_BK.unsqueeze(2) - clean_BK.unsqueeze(1));
  return {(weights_BKK * cost_BKK).sum({1, 2}), weights_BKK.sum({1, 2})};
}

}  // namespace internal

at::Tensor FinalLogZEstimates(const TrajectoryScores& scores, const Targets& targets) {
  return internal::AsDouble(targets.log_reward_B) - internal::LogForwardMinusBackward(scores).sum(1);
}

at::Tensor PrefixLogZEstimates(const TrajectoryScores& scores, const Targets& targets) {
  GFN_CHECK(scores.log_stop_BT.defined() && targets.log_reward_along_BT.defined())
      << "needs log_stop and rewards at every prefix";
  const at::Tensor before_BT = internal::ExclusiveCumsum(internal::LogForwardMinusBackward(scores));
  const at::Tensor estimates_BT =
      internal::AsDouble(targets.log_reward_along_BT) - before_BT - internal::AsDouble(scores.log_stop_BT);
  return estimates_BT.masked_fill(targets.stop_legal_BT.logical_not(), 0);
}

StatusOr<std::unique_ptr<Objective>> MakeObjective(const ObjectiveConfig& config) {
  return std::visit(
      [](const auto& alternative) -> StatusOr<std::unique_ptr<Objective>> {
        RETURN_IF_ERROR(CheckConfig(alternative, std::string(alternative.kKind)));
        return internal::Make(alternative);
      },
      config);
}

}  // namespace gfn
