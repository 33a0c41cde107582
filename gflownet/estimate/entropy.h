// Entropy of what a sampler makes, and what parts of it say of each other, in nats. Three roads to the same numbers:
//   exact        from log p of every object of an enumerable world
//   Monte Carlo  H = -E_q[log q(x)] over samples. In a tree log q(x) is the trajectory's log P_F; in a DAG it is a sum over all
//                ways to x, bounded from both sides by trajectories drawn back from x:
//                  lower  log 1/K sum_k P_F(tau_k) / P_B(tau_k | x),  tau_k ~ P_B(. | x)             (Burda et al. 1509.00519)
//                  upper  the same with the sampled trajectory itself as one more       (Sobolev & Vetrov 1909.13496)
//   a second GFlowNet  (Foundations, Bengio et al. 2111.09266, section 6): with R' = R / c and c >= max R, a sampler of the
//   reward
//                -R' log R' has the total Z_ent, and H = log Z' + Z_ent / Z' for Z' = sum of R'.
// A state, or a condition, is given by what the samples begin with: conditional entropies need nothing else.
// Shapes: X objects, B samples.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/estimate/importance.h"
#include "gflownet/estimate/sample_from.h"

namespace gfn {

// ---- exact ----

// -sum p log p of p = exp(log_p) / sum; -infinity entries count nothing.
double ExactEntropy(const at::Tensor& log_p_X);

// The distribution of a part of the object, given the part's value of every object (any int64). log-probabilities, one a value.
at::Tensor LogMarginal(const at::Tensor& log_p_X, const at::Tensor& part_X);

// I(A; B) = H(A) + H(B) - H(A, B) of two parts of the object.
double ExactMutualInformation(const at::Tensor& log_p_X, const at::Tensor& a_X, const at::Tensor& b_X);

// ---- Monte Carlo ----

// Bounds of log q(x | start) of each sample; equal in a tree. float64 [B]
struct LogMarginalBounds {
  at::Tensor lower_B, upper_B;
};
// A start of `num_given` actions, and how many trajectories are drawn back from each sample: by the policy's P_B from the initial
// state, by the uniform one below the start otherwise (`below`; then every way to the start must have as many actions).
struct BackwardDraws {
  int64_t num_given = 0;
  BelowFunction below;
  int64_t num_backward = 16;
  RngKey key{0, RngPurpose::kBackward, 0};
};
StatusOr<LogMarginalBounds> BoundLogMarginal(const Sampler& sampler, const SamplesFrom& samples, const BackwardDraws& draws);

struct EntropyEstimate {
  Interval low;   // from the upper bound of log q: below H in expectation; equal to `high` in a tree
  Interval high;  // from the lower bound: above H in expectation
};
// Of the objects that the sampler makes from the state after `path` on; {}: the terminating distribution. `below` may be empty
// without a path and in a tree.
StatusOr<EntropyEstimate> EstimateEntropy(const Sampler& sampler, const std::vector<int64_t>& path, const BelowFunction& below,
                                          int64_t num_backward, const EstimateOptions& options);

// I(A; B) of two parts of the samples by counting, with the Miller-Madow correction of each entropy (Miller 1955); the interval
// is that of the mean of log p(a, b) / p(a) p(b), and of the chi-square variable that is left where the parts are independent
// (Wilks 1938). For parts with far fewer values than samples.
Interval EstimateMutualInformation(const std::vector<int64_t>& a_B, const std::vector<int64_t>& b_B, double confidence = 0.95);

// I(X; C) of object and condition, every condition being equally likely: the mean of log q(x | c) - log 1/C sum_c' q(x | c'). In
// a tree, where log q(x | c) is a score. `sampler.condition` plays no part; num_samples are drawn of each condition.
StatusOr<Interval> EstimateConditionInformation(const Sampler& sampler, const std::vector<ConditionId>& conditions,
                                                const EstimateOptions& options);

// ---- a second GFlowNet ----

// -R' log R' for R' = (R / c)^(1/T), untempered itself: train on it at temperature 1. log c must exceed every log R: a reward
// that does not keep to it is refused by name.
class EntropyReward : public Reward {
 public:
  EntropyReward(const Reward& reward, double log_c, double temperature = 1)
      : reward_(reward), log_c_(log_c), temperature_(temperature) {}
  StatusOr<RewardValue> LogReward(const TrajectoryBatch& batch) const override;
  std::string Digest() const override;

  const Reward& reward() const { return reward_; }  // R
  double log_c() const { return log_c_; }
  double temperature() const { return temperature_; }

 private:
  const Reward& reward_;
  double log_c_, temperature_;
};

// H from log Z' (of the first sampler: log Z - log c / T) and log Z_ent (of the second).
Interval EntropyFromTotals(const Interval& log_z_scaled, const Interval& log_z_ent);

}  // namespace gfn
