// Policies for worlds whose states are numbers: a table with one row per state, and an MLP on features.
// Shapes: B rows, C conditions, N states, A actions, F features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/core/state_policy.h"
#include "gflownet/env/world.h"
#include "gflownet/nets/linear.h"
#include "gflownet/nets/mlp.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

inline constexpr char kPolicyGroup[] = "policy";  // of the parameters

struct StatePolicyOptions {
  bool learned_backward = false;  // else uniform over the parents; ignored on a tree
  bool flow = false;              // a head for log F(s)
  at::ScalarType dtype = at::kFloat;
};

// One row of logits per (condition, decision state), all zero at first: the uniform policy. Parameters "table.forward" [C, N, A],
// "table.backward" [C, N + X, A_back], "table.flow" [C, N], group "policy". With several conditions the world's states must carry
// theirs as "condition" (int64 [B], the bits of the id), as PrefixTree's do.
class TabularPolicy : public StatePolicy {
 public:
  TabularPolicy(const EnumerableEnvironment& environment, std::vector<ConditionId> conditions, ParameterSet& parameters,
                const StatePolicyOptions& options);
  StateValues Evaluate(const State& state) const override;
  bool HasFlow() const override { return flow_.defined(); }
  bool HasLearnedBackward() const override { return backward_.defined(); }

 private:
  at::Tensor Rows(const State& state, const at::Tensor& index_B, const at::Tensor& table) const;

  const EnumerableEnvironment& enumerable_;
  std::vector<ConditionId> conditions_;
  at::Tensor forward_, backward_, flow_;
};

struct MlpOptions {
  StatePolicyOptions heads;
  int64_t width = 256;
  int64_t depth = 2;  // hidden layers, at least 1

  // num_features, then the width of every hidden layer.
  std::vector<int64_t> HiddenSizes(int64_t num_features) const;
};

class FastMlp;

// Hidden ReLU layers "mlp.*" with linear heads "forward", "backward" and "flow", group "policy". In a world with a fast face
// (core/fast_world.h), on the features of that face, in float32 and on the CPU, whole rollouts and their scores take the fast
// road: the same actions, scores and gradients up to rounding, without an operation a step. There `parameters` must outlive the
// policy.
class MlpPolicy : public StatePolicy {
 public:
  ~MlpPolicy() override;
  MlpPolicy(const Environment& environment, StateFeatures features, int64_t num_features, ParameterSet& parameters,
            const MlpOptions& options, const RngKey& init);
  StateValues Evaluate(const State& state) const override;
  bool HasFlow() const override { return flow_ != nullptr; }
  bool HasLearnedBackward() const override { return backward_ != nullptr; }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override;
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override;
  // The fast road, or null.
  const FastMlp* fast() const { return fast_.get(); }

 private:
  StateFeatures features_;
  at::ScalarType dtype_;
  Mlp trunk_;
  std::unique_ptr<Linear> forward_, backward_, flow_;
  std::unique_ptr<FastMlp> fast_;
};

}  // namespace gfn
