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
#include "gflownet/tensor/linear.h"
#include "gflownet/tensor/mlp.h"
#include "gflownet/tensor/parameter_set.h"

namespace gfn {

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
};

// Hidden ReLU layers "mlp.*" with linear heads "forward", "backward" and "flow", group "policy".
class MlpPolicy : public StatePolicy {
 public:
  MlpPolicy(const Environment& environment, FeatureFunction features, int64_t num_features, ParameterSet& parameters,
            const MlpOptions& options, const RngKey& init);
  StateValues Evaluate(const State& state) const override;
  bool HasFlow() const override { return flow_ != nullptr; }
  bool HasLearnedBackward() const override { return backward_ != nullptr; }

 private:
  FeatureFunction features_;
  at::ScalarType dtype_;
  Mlp trunk_;
  std::unique_ptr<Linear> forward_, backward_, flow_;
};

}  // namespace gfn
