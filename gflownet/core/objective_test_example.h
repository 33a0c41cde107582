// For tests of objectives: a batch with random numbers wherever an objective may look.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/core/objective.h"

namespace gfn {

constexpr int64_t kRows = 6, kSteps = 5, kGroups = 2;

// Of contiguous float64 tensors.
inline double At(const at::Tensor& tensor, int64_t row, int64_t step) {
  return tensor.data_ptr<double>()[row * tensor.size(1) + step];
}
inline double At(const at::Tensor& tensor, int64_t index) { return tensor.data_ptr<double>()[index]; }

// The cost of a difference, from the definitions.
inline double Cost(double x, const ResidualConfig& residual) {
  if (const auto* huber = std::get_if<HuberResidual>(&residual)) {
    return std::abs(x) <= huber->delta ? x * x : huber->delta * (2 * std::abs(x) - huber->delta);
  }
  if (const auto* cosh = std::get_if<ShiftedCoshResidual>(&residual)) {
    const double size = std::abs(x), low = std::min(size, cosh->limit);
    return std::exp(low) + std::exp(-low) - 2 + (std::exp(cosh->limit) - std::exp(-cosh->limit)) * (size - low);
  }
  if (const auto* linex = std::get_if<LinexResidual>(&residual)) {
    const double t = -linex->alpha * x, low = std::min(t, linex->limit);
    return 2 / (linex->alpha * linex->alpha) * (std::exp(low) + std::exp(linex->limit) * (t - low) - t - 1);
  }
  return x * x;
}

// Rows have different lengths; stopping is legal from min_length on.
struct Example {
  TrajectoryBatch batch;
  TrajectoryScores scores;
  at::Tensor sampled_log_pf_BT, weights_B;

  explicit Example(int64_t min_length, uint64_t seed = 1, bool dag = false) {
    uint64_t stream = 0;
    auto normal = [&](at::IntArrayRef shape, double mean, double scale) {
      const at::Tensor tensor = at::empty(shape, at::kDouble);
      for (int64_t i = 0; i < tensor.numel(); ++i) {
        tensor.data_ptr<double>()[i] = mean + scale * Normal({seed, RngPurpose::kTest, 0}, stream, i);
      }
      ++stream;
      return tensor;
    };
    const ConditionId first = HashCondition("first"), second = HashCondition("second");
    batch.condition_ids = {first, second, first, first, second, first};
    batch.lengths_B = at::tensor(std::vector<int64_t>{3, 5, 4, 3, 4, 5}, at::kLong);
    batch.actions_BT = at::zeros({kRows, kSteps}, at::kLong);
    const at::Tensor mask = batch.StepMask();
    const at::Tensor steps_T = at::arange(kSteps, at::kLong);
    batch.stop_legal_BT = steps_T.ge(min_length).unsqueeze(0).logical_and(mask);
    const at::Tensor legal = batch.stop_legal_BT.to(at::kDouble);
    batch.log_reward_along_BT = normal({kRows, kSteps}, -20, 3) * legal;
    batch.log_reward_B = batch.log_reward_along_BT.gather(1, (batch.lengths_B - 1).unsqueeze(1)).squeeze(1);

    SetGroups(batch, at::kCPU, scores);
    scores.log_pf_BT = (-normal({kRows, kSteps}, 0, 2).abs() * mask).requires_grad_();
    scores.log_stop_BT = (-normal({kRows, kSteps}, 0, 2).abs() * legal).requires_grad_();
    scores.log_flow_BT = (normal({kRows, kSteps}, -18, 2) * mask).requires_grad_();
    scores.log_z_G = normal({kGroups}, -18, 2).requires_grad_();
    if (dag) scores.log_pb_BT = (-normal({kRows, kSteps}, 0, 1).abs() * mask).requires_grad_();
    scores.log_inflow_BT = (normal({kRows, kSteps}, -18, 2) * mask).requires_grad_();
    sampled_log_pf_BT = scores.log_pf_BT.detach() + normal({kRows, kSteps}, 0, 0.3) * mask;
    weights_B = normal({kRows}, 2, 0.5).abs();
  }

  std::vector<at::Tensor> Leaves() const {
    std::vector<at::Tensor> leaves = {scores.log_pf_BT, scores.log_stop_BT, scores.log_flow_BT, scores.log_z_G,
                                      scores.log_inflow_BT};
    if (scores.log_pb_BT.defined()) leaves.push_back(scores.log_pb_BT);
    return leaves;
  }
  double LogPb(int64_t row, int64_t step) const { return scores.log_pb_BT.defined() ? At(scores.log_pb_BT, row, step) : 0; }
};

inline std::unique_ptr<Objective> Make(const ObjectiveConfig& config) {
  auto objective = MakeObjective(config);
  EXPECT_TRUE(objective.ok()) << Message(objective.status());
  return std::move(objective).value();
}

inline at::Tensor StepLoss(const GroupLoss& loss) { return loss.numerator_G.sum() / loss.weight_G.sum(); }

}  // namespace gfn
