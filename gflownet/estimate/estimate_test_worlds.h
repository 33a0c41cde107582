// For tests: small worlds with policies that say something, and their truth by walking every trajectory.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/core/rollout.h"
#include "gflownet/env/exact.h"
#include "gflownet/env/state_policies.h"
#include "gflownet/estimate/sample_from.h"
#include "gflownet/estimate/state_values.h"

namespace gfn {

inline const std::vector<ConditionId> kNone = {Unconditional()};

// A table of random logits, not too far from uniform, with a backward part of its own.
class RandomTable {
 public:
  RandomTable(const EnumerableEnvironment& world, const std::vector<ConditionId>& conditions, uint64_t seed, double scale = 0.5)
      : policy_(world, conditions, parameters_, StatePolicyOptions{.learned_backward = true, .dtype = at::kDouble}) {
    const at::NoGradGuard no_grad;
    uint64_t stream = 0;
    for (const Parameter& parameter : parameters_) {
      const at::Tensor values = at::empty(parameter.value.sizes(), at::kDouble);
      for (int64_t i = 0; i < values.numel(); ++i) {
        values.data_ptr<double>()[i] = scale * Normal({seed, RngPurpose::kTest, 0}, stream, static_cast<uint64_t>(i));
      }
      parameter.value.copy_(values);
      ++stream;
    }
  }
  const TabularPolicy& policy() const { return policy_; }

 private:
  ParameterSet parameters_;
  TabularPolicy policy_;
};

// Everything about one condition of a small world under a policy, by walking all trajectories.
struct Walked {
  StateGraph graph;
  at::Tensor log_reward_X;
  TrajectoryBatch all;  // every trajectory, with rewards
  at::Tensor log_pf_B, log_pb_B;
  at::Tensor object_B;

  static Walked Of(const EnumerableEnvironment& world, const Sampler& sampler) {
    StateGraph graph = StateGraph::Build(world, sampler.condition).value();
    at::Tensor log_reward_X = ExactLogReward(world, graph, *sampler.reward, sampler.condition).value();
    TrajectoryBatch all = EnumerateTrajectories(world, sampler.condition, 1 << 14).value();
    EXPECT_TRUE(EvaluateReward(*sampler.reward, all).ok());
    const StepSums sums = SumsAfter(sampler, all, 0);
    at::Tensor object_B = world.ObjectIndex(FinalStates(world, all));
    return {std::move(graph), std::move(log_reward_X), std::move(all), sums.log_pf_B, sums.log_pb_B, std::move(object_B)};
  }
};

// |mean - truth| within four standard errors (twice the 95 % half width), and the interval is narrow enough to mean something.
inline void ExpectCovers(const Interval& interval, double truth, double widest, const char* what) {
  const double half = (interval.high - interval.low) / 2;
  EXPECT_LE(half, widest) << what;
  EXPECT_LE(std::abs(interval.mean - truth), 2 * half + 1e-9) << what << ": " << interval.mean << " against " << truth;
}

}  // namespace gfn
