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

}  // namespace gfn::internal
