// The objectives behind MakeObjective, for objective*.cc and their tests; users include objective.h.
// Shapes: B rows, T steps, G groups, M entries.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "gflownet/core/objective.h"

namespace gfn::internal {

// Everything below is computed in float64: a_k is a difference of sums of hundreds of nats.
at::Tensor AsDouble(const at::Tensor& values);

// Sum over the entries of each group, [G]. A matrix product: the same bits whatever the number of threads.
at::Tensor SumByGroup(const at::Tensor& values_M, const at::Tensor& group_M, int64_t num_groups);

// Sum over entries before each step: 0, x_0, x_0 + x_1, .. [B, T]
at::Tensor ExclusiveCumsum(const at::Tensor& values_BT);

// log_pf - log_pb of every step, 0 in padding. [B, T]
at::Tensor LogForwardMinusBackward(const TrajectoryScores& scores);

// log F of s_0 .. s_T from the learned flow, the finished state's being log R / T; padding after it is 0. `forward_looking` adds
// the intermediate rewards. [B, T1]
at::Tensor FlowsWithReward(const TrajectoryScores& scores, const Targets& targets, bool forward_looking = false);

// u_k = log F(s_k) - sum_{m<k} (log_pf - log_pb): the balance of s_i .. s_j is u_i - u_j. [B, T1]
at::Tensor Balances(const TrajectoryScores& scores, const Targets& targets, bool forward_looking = false);

// The mean over the steps of all rows of costs that are looked at within the mask only.
GroupLoss MeanOverSteps(const at::Tensor& cost_BT, const TrajectoryScores& scores);

// Rows of each group. [G]
at::Tensor RowsPerGroup(const TrajectoryScores& scores);

// R^(1/T) P_B / q of each row, made to sum to 1 over the rows of its group; without gradient. [B]
at::Tensor SelfNormalisedWeights(const TrajectoryScores& scores, const Targets& targets);

// Sum over i < j of weight(j - i) w_i w_j cost(x_i - x_j) within each row, and the same without cost. Nodes have a position
// (int64 [K]) and are left out where valid_BK is false; weight(d) = lambda^(max(d, 1) - 1).
struct PairSums {
  at::Tensor cost_B, weight_B;
};
PairSums SumPairs(const at::Tensor& values_BK, const at::Tensor& valid_BK, const at::Tensor& node_weights_BK,
                  const at::Tensor& positions_K, double lambda, const Residual& residual);

std::unique_ptr<Objective> Make(const ModifiedSubTbConfig& config);
std::unique_ptr<Objective> Make(const TbConfig& config);
std::unique_ptr<Objective> Make(const VarGradConfig& config);
std::unique_ptr<Objective> Make(const DbConfig& config);
std::unique_ptr<Objective> Make(const SubTbConfig& config);
std::unique_ptr<Objective> Make(const MaximumLikelihoodConfig& config);
std::unique_ptr<Objective> Make(const ModifiedDbConfig& config);
std::unique_ptr<Objective> Make(const FlowMatchingConfig& config);
std::unique_ptr<Objective> Make(const ReinforceConfig& config);
std::unique_ptr<Objective> Make(const PpoConfig& config);
std::unique_ptr<Objective> Make(const GrpoConfig& config);
std::unique_ptr<Objective> Make(const DpgConfig& config);
std::unique_ptr<Objective> Make(const SoftQConfig& config);
std::unique_ptr<Objective> Make(const PathConsistencyConfig& config);

}  // namespace gfn::internal
