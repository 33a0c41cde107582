// The hierarchical Gaussian mixture of Hu et al. 2302.06576 (section 4.1) in the plane: M groups of P components each. Component
// (i, j) is a Gaussian of standard deviation sigma at mean_i + petal_j, the petals being fixed points of a circle of radius 1 and
// all M P components of the same weight; only the M means are learned.
// Shapes: B rows, C data points, X = M P components.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/core/condition.h"
#include "lvm/code_world.h"
#include "lvm/condition_rows.h"
#include "lvm/generative_model.h"

namespace gfn {

// z = (i, j) under a point x. M = P, so that both choices have as many values.
class MixtureModel : public GenerativeModel {
 public:
  // `data_C2`: float64, the points; `means_M2`: where the means begin.
  static StatusOr<std::unique_ptr<MixtureModel>> Create(double sigma, const at::Tensor& data_C2, const at::Tensor& means_M2);

  ParameterSet& parameters() override { return parameters_; }
  StatusOr<at::Tensor> LogJoint(const TrajectoryBatch& batch) const override;
  StatusOr<TrajectoryBatch> SampleJoint(int64_t num, const RngKey& key) override;
  bool HasClosedForm() const override { return true; }
  Status Maximise(const TrajectoryBatch& weighted, double rate) override;
  std::string Digest() const override;

  const CodeWorld& world() const { return world_; }
  // Of the points of the data, in their order; equal points are one condition.
  const ConditionTable& conditions() const { return conditions_; }
  const at::Tensor& data() const { return data_C2_; }
  const at::Tensor& means() const { return means_M2_; }
  int64_t num_groups() const { return means_M2_.size(0); }
  // float64 [B, 2] of data and of the last dream.
  at::Tensor PointsOf(const std::vector<ConditionId>& conditions_B) const;
  at::Tensor PointsOf(const State& state) const;

  // log p(x, z) of every point and component, float64 [C, X]; log p(x) is its log-sum-exp over X.
  at::Tensor LogJointTable() const { return LogJointTable(means_M2_); }
  // Mean log p(x) of the data, with the model's means and with others.
  double MeanLogLikelihood() const { return MeanLogLikelihood(means_M2_); }
  double MeanLogLikelihood(const at::Tensor& means_M2) const {
    return LogJointTable(means_M2).logsumexp(1).mean().item<double>();
  }

  // What a network reads: x, and each choice as one-hot with a place for "not yet". float [B, 2 + 2 (M + 1)]
  at::Tensor Features(const State& state) const;
  int64_t NumFeatures() const { return 2 + world_.NumFeatures(); }

  // The means of the paper's data, at the corners (+-sqrt 2, +-sqrt 2) for M = 4: M points evenly on a circle of radius 2. [M, 2]
  static at::Tensor TrueMeans(int64_t num_groups);
  // Draws of the mixture with these means, float64 [num, 2].
  static at::Tensor Simulate(const at::Tensor& means_M2, double sigma, int64_t num, uint64_t seed);

 private:
  at::Tensor LogJointTable(const at::Tensor& means_M2) const;
  MixtureModel(double sigma, int64_t num_groups);
  at::Tensor LogDensity(const at::Tensor& difference_B2) const;

  double sigma_;
  CodeWorld world_;
  at::Tensor petals_P2_;
  ParameterSet parameters_;
  at::Tensor means_M2_;  // of parameters_
  ConditionTable conditions_;
  at::Tensor data_C2_;   // distinct points
  at::Tensor dream_D2_;  // those of the last SampleJoint, behind them
  ConditionRows rows_;   // of both
};

}  // namespace gfn
