// Latent codes: N sites of K values each, assigned from left to right (a tree) under a condition x, as in a mixture whose
// component is chosen level by level, or a grid of codes of a discrete VAE in raster order.
// Shapes: B rows, C conditions, X = K^N objects, N sites.
#pragma once

#include <string>
#include <vector>

#include "gflownet/core/trajectory.h"
#include "gflownet/env/assignment.h"

namespace gfn {

// States carry their condition as "condition" (int64 [B], ConditionColumn) and their codes as "values" (AssignmentWorld::Values).
class CodeWorld : public EnumerableEnvironment {
 public:
  CodeWorld(const std::string& name, int64_t num_sites, int64_t num_values) : codes_(name, num_sites, num_values) {}

  const EnvironmentSpec& Spec() const override { return codes_.Spec(); }
  State Initial(const std::vector<ConditionId>& conditions_B) const override;
  using Environment::Step;
  State Step(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override;
  State Undo(const State& state, const at::Tensor& backward_actions_B) const override;
  Support ForwardSupport(const State& state) const override { return codes_.ForwardSupport(state); }
  at::Tensor IsInitial(const State& state) const override { return codes_.IsInitial(state); }
  std::string Format(const State& state, int64_t row) const override { return codes_.Format(state, row); }
  std::string SupportDigest() const override { return codes_.SupportDigest(); }

  int64_t NumStates() const override { return codes_.NumStates(); }
  int64_t NumObjects() const override { return codes_.NumObjects(); }
  State StatesAt(const at::Tensor& index_B, ConditionId condition) const override;
  State ObjectsAt(const at::Tensor& index_B, ConditionId condition) const override;
  at::Tensor StateIndex(const State& state) const override { return codes_.StateIndex(state); }
  at::Tensor ObjectIndex(const State& state) const override { return codes_.ObjectIndex(state); }

  // One-hot, nothing and each value: float [B, N (K + 1)].
  at::Tensor Features(const State& state) const { return codes_.Features(state); }
  int64_t NumFeatures() const { return codes_.NumFeatures(); }
  int64_t num_values() const { return codes_.num_values(); }

  // Every object under every condition as a trajectory, the objects of one condition beside each other in the order of their
  // numbers: C * X rows. Small worlds only.
  TrajectoryBatch EveryObject(const std::vector<ConditionId>& conditions) const;
  // Trajectories to given codes, int64 [B, N].
  TrajectoryBatch TrajectoriesTo(const std::vector<ConditionId>& conditions_B, const at::Tensor& codes_BN) const;

 private:
  // The same without conditions.
  class Codes : public AssignmentWorld {
   public:
    Codes(const std::string& name, int64_t num_sites, int64_t num_values)
        : AssignmentWorld(name, num_sites, num_values, AssignmentOrder::kLeftToRight) {}
    std::string FormatSite(int64_t value) const override { return value < 0 ? ". " : std::to_string(value) + " "; }
  };
  Codes codes_;
};

}  // namespace gfn
