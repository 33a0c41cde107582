// A world seen from any of its states, and under any number of questions: each condition has a root, a trajectory begins there,
// and only parents that lie below the root are legal on the way back. A GFlowNet trained on it is state-conditional (Foundations,
// Bengio et al. 2111.09266, section 5): its log Z is minus the free energy of the root, and where objects are sets it samples the
// supersets of the root. With every root at the initial state the conditions may be anything else, such as preferences.
// For worlds that can be listed. Shapes: B batch, N states, X objects. Nodes 0 .. N-1 are states of the world, N .. N+X-1
// objects.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/reward.h"
#include "gflownet/env/state_graph.h"

namespace gfn {

class RootedWorld : public EnumerableEnvironment {
 public:
  // `roots`: the state of the world where each condition begins. The world must outlive this object, be deterministic and have
  // the rules of `world_condition`.
  static StatusOr<std::unique_ptr<RootedWorld>> Create(const EnumerableEnvironment& world, ConditionId world_condition,
                                                       const std::map<ConditionId, int64_t>& roots);

  const EnvironmentSpec& Spec() const override { return spec_; }
  State Initial(const std::vector<ConditionId>& conditions_B) const override;
  using Environment::Step;
  State Step(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override;
  State Undo(const State& state, const at::Tensor& backward_actions_B) const override;
  using Environment::BackwardAction;
  at::Tensor BackwardAction(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override;
  Support ForwardSupport(const State& state) const override;
  Support BackwardSupport(const State& state) const override;
  at::Tensor IsInitial(const State& state) const override { return state.Get("is_start"); }
  std::string Format(const State& state, int64_t row) const override;
  std::string SupportDigest() const override;

  // State 0 is the condition's root, 1 + n is state n of the world: those that the root does not reach are listed and never met.
  int64_t NumStates() const override { return 1 + num_states_; }
  int64_t NumObjects() const override { return num_objects_; }
  State StatesAt(const at::Tensor& index_B, ConditionId condition) const override;
  State ObjectsAt(const at::Tensor& index_B, ConditionId condition) const override;
  at::Tensor StateIndex(const State& state) const override;
  at::Tensor ObjectIndex(const State& state) const override { return Node(state) - num_states_; }

  // int64 [B]: the node of the world.
  static const at::Tensor& Node(const State& state) { return state.Get("node"); }
  // The states as the world has them; all rows done, or none.
  State InWorld(const State& state) const;
  // bool [N + X]: the nodes that the condition's root reaches, itself included.
  const at::Tensor& Reached(ConditionId condition) const;
  std::vector<ConditionId> conditions() const;

 private:
  struct Root {
    int64_t node = 0;
    at::Tensor reached;  // bool [N + X]
  };
  RootedWorld(const EnumerableEnvironment& world, ConditionId world_condition);
  State MakeState(at::Tensor node_B, at::Tensor is_start_B, at::Tensor condition_B) const;
  // bool [B]: does each row's own root reach the node of the same place.
  at::Tensor IsReached(const State& state, const at::Tensor& node_B) const;
  const Root& RootOf(ConditionId condition) const;

  const EnumerableEnvironment& world_;
  ConditionId world_condition_;
  EnvironmentSpec spec_;
  int64_t num_states_ = 0, num_objects_ = 0;
  // What each action leads to, -1 where it is illegal: [N, A] and [N + X, A_back]; and the backward action of each step, [N, A].
  at::Tensor child_NA_, parent_, backward_NA_;
  std::map<ConditionId, Root> roots_;
};

// log R of the objects of a rooted world by their number, one row of a table a condition; unreachable objects are never asked
// for.
class TableReward : public StateReward {
 public:
  TableReward(const RootedWorld& world, std::map<ConditionId, at::Tensor> log_reward_X)
      : StateReward(world), world_(world), log_reward_X_(std::move(log_reward_X)) {}
  at::Tensor LogRewardOf(const State& objects) const override;
  std::string Digest() const override;
  // float64 [X]: -infinity where the condition's root does not lead.
  at::Tensor Target(ConditionId condition) const;

 private:
  const RootedWorld& world_;
  std::map<ConditionId, at::Tensor> log_reward_X_;
};

}  // namespace gfn
