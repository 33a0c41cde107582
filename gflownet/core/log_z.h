// Learned log Z(x): one number per condition of a table, as a parameter of its own group with its own learning rate.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "gflownet/core/condition.h"
#include "gflownet/core/policy.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

// Any policy with kLogZ added (a decorator: everything else is passed through). Conditions outside the table at construction are
// a programmer error when log Z is asked for; sampling from them is fine.
class LogZPolicy : public Policy {
 public:
  static constexpr char kGroup[] = "log_z";

  // Registers "log_z" (fp32 [C]) in `parameters`; `initial_C` (one per condition of the table, in its order) may be undefined:
  // zeros. A rough estimate saves hundreds of steps, since log Z of a text is far from 0. The references must outlive this
  // object.
  LogZPolicy(const Policy& policy, const ConditionTable& conditions, ParameterSet& parameters, const at::Tensor& initial_C);

  Needs Provides() const override { return policy_.Provides() | Need::kLogZ; }
  const StatePolicy* OfStates() const override { return policy_.OfStates(); }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override {
    return policy_.StartRollout(conditions_B);
  }
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override;
  at::Tensor BackwardLogits(const State& state) const override { return policy_.BackwardLogits(state); }
  bool LearnsBackward() const override { return policy_.LearnsBackward(); }

 private:
  const Policy& policy_;
  const ConditionTable& conditions_;
  at::Tensor log_z_C_;
};

}  // namespace gfn
