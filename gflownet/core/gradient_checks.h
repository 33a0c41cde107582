// Is the gradient of a training step the derivative of its loss? In two halves, because objectives may hold parts of themselves
// fixed (reinforce, ppo, soft_q): the derivative of the objective in the scores, and that of the scores in the parameters.
// Every parameter tensor gets a random direction of its own, so a gradient that is missing cannot hide: a direction taken from
// the computed gradient would not move what that gradient leaves out.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/base/status.h"
#include "gflownet/core/batch_loss.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

// Puts the values back that the parameters had, bit for bit, at its end.
class KeepParameters {
 public:
  explicit KeepParameters(ParameterSet& parameters);
  ~KeepParameters();
  KeepParameters(const KeepParameters&) = delete;
  KeepParameters& operator=(const KeepParameters&) = delete;
  void Restore();

 private:
  ParameterSet& parameters_;
  std::vector<at::Tensor> values_;
};

// The loss of a batch as a linear function of the scores, around the scores `at`: sum of dL/dscore * score. Its gradient in the
// parameters is the training step's, and it has no curvature of its own that a finite difference would meet.
class LinearLoss {
 public:
  LinearLoss(const Objective& objective, const BatchLoss& at);
  // A float64 scalar. Scores that this policy does not provide (log Z of a policy without one) are left out.
  at::Tensor Value(const Policy& policy, const TrajectoryBatch& batch, const ScoreOptions& options) const;
  // Rounding of the scores in their own dtype, as it comes out in Value.
  double noise() const { return noise_; }

 private:
  TrajectoryScores derivatives_;
  double noise_ = 0;
};

struct GradientError {
  double value = 0;     // the largest |difference quotient - gradient| along a direction, relative to what is usual along it
  std::string tensors;  // moved there
};

struct GradientCheckOptions {
  RngKey key{1, RngPurpose::kTest, 2};
  double step = 1e-2;      // of a tensor, relative to the root mean square of its values
  double enough = 1e-2;    // a quotient that is farther away is taken again at a smaller step, clear of the kinks of a network
  int64_t directions = 8;  // at most: tensors share one where there are more of them, each with draws of its own
  double noise = 0;        // of a value; what it does to a quotient is no error
};

// `value`: a scalar with gradient, a function of the parameters. They are the same in the end, without gradients.
StatusOr<GradientError> CompareWithDifferences(ParameterSet& parameters, const std::function<at::Tensor()>& value,
                                               const GradientCheckOptions& options);

// The same of the objective alone, whose parameters are the scores; 0 for one that is a surrogate (Objective::IsSurrogate).
StatusOr<GradientError> CompareObjectiveWithDifferences(const Objective& objective, const BatchLoss& at);

// A sampler that is right has no loss: the square root of the mean loss when log R is what the scores say, T (log q - log P_B +
// log Z), at every stop too. -1 for objectives that do not say it of their scores alone (learned flows, likelihood, surrogates).
double LossOfTheRightSampler(const Environment& environment, const Policy& policy, const Objective& objective,
                             const TrajectoryBatch& batch, const BatchLossOptions& options);

}  // namespace gfn
