// Learned log Z(x) as a function of features of the condition, so that conditions that were never trained on have one too.
// Shapes: G conditions, F features.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "gflownet/core/condition.h"
#include "gflownet/core/policy.h"
#include "gflownet/nets/mlp.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

// Float [G, F] of any conditions.
using ConditionFeatures = std::function<at::Tensor(const std::vector<ConditionId>&)>;

struct LogZNetworkOptions {
  int64_t width = 64;
  int64_t depth = 2;  // hidden layers, at least 1
};

// Any policy with kLogZ added: an MLP "log_z.*" of the group of LogZPolicy. The references must outlive this object.
class LogZNetworkPolicy : public Policy {
 public:
  LogZNetworkPolicy(const Policy& policy, ConditionFeatures features, int64_t num_features, ParameterSet& parameters,
                    const LogZNetworkOptions& options, const RngKey& init);

  Needs Provides() const override { return policy_.Provides() | Need::kLogZ; }
  const StatePolicy* OfStates() const override { return policy_.OfStates(); }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override {
    return policy_.StartRollout(conditions_B);
  }
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override;
  at::Tensor BackwardLogits(const State& state) const override { return policy_.BackwardLogits(state); }
  bool LearnsBackward() const override { return policy_.LearnsBackward(); }

  // [G], differentiable.
  at::Tensor LogZ(const std::vector<ConditionId>& conditions) const;

 private:
  const Policy& policy_;
  ConditionFeatures features_;
  Mlp network_;
};

}  // namespace gfn
