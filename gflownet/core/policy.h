// A sampler of actions and what it says of trajectories. Exploration never enters here: it is a choice of sampling.
// Shapes: B rows, N live rows, A actions, T steps.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/base/status.h"
#include "gflownet/core/condition.h"
#include "gflownet/core/exploration.h"
#include "gflownet/core/state.h"
#include "gflownet/core/trajectory.h"

namespace gfn {

// Where the draws of one step are made, and how: row n draws at (key, streams_N[n], position).
struct DrawAddress {
  RngKey key;
  std::vector<uint64_t> streams_N;
  uint64_t position = 0;
  std::vector<Exploration> exploration_N;
};

// One rollout in progress, with whatever makes it fast (a KV cache, a recurrent state). It reads the parameters of the version
// that it began with. Rows are independent: dropping one changes no other.
class RolloutSession {
 public:
  virtual ~RolloutSession() = default;
  // Unnormalised log-probabilities of every action in the current state of the N live rows, [N, A]; `state` has these rows.
  // The caller applies the support, so illegal actions may have any finite value.
  virtual at::Tensor Logits(const State& state) = 0;
  // Of continuous worlds instead of Logits: an action of each live row, float [N, D], drawn from the policy as the row's
  // exploration changes it. Refused where the policy has no density. The default has no continuous actions.
  virtual StatusOr<at::Tensor> Draw(const State& state, const DrawAddress& address);
  // Every live row takes its action (int64 [N], or float [N, D]).
  virtual void Advance(const at::Tensor& actions_N) = 0;
  // Goes on with these live rows (int64 [M], ascending) only.
  virtual void Keep(const at::Tensor& rows_M) = 0;
};

struct ScoreOptions {
  Needs needs{};
  bool with_grad = true;
  // Where the policy has dropout: its draws are addressed by this key and, per row, by a stream (empty: 0 .. B-1), so that they
  // do not depend on how a step is cut into micro-batches.
  RngKey dropout_key{0, RngPurpose::kDropout, 0};
  std::vector<uint64_t> dropout_streams_B{};
};

class StatePolicy;

class Policy {
 public:
  virtual ~Policy() = default;
  // The function of the state that draws this policy's actions, or null: a decorator that changes no probability answers with
  // that of the policy it wraps, so that exact evaluation reaches it.
  virtual const StatePolicy* OfStates() const { return nullptr; }
  // What Score can compute; an objective that needs more is refused before step 0.
  virtual Needs Provides() const = 0;
  virtual std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const = 0;
  // One teacher-forced pass over the batch. Log-probabilities are those of the session, renormalised over legal actions, at
  // temperature 1 and without exploration. Fills mask, groups and everything in options.needs.
  virtual TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const = 0;
  // Unnormalised log P_B over the backward actions of each row, [N, A_back], for walking back from finished objects; undefined:
  // uniform over the parents.
  virtual at::Tensor BackwardLogits(const State&) const { return {}; }
};

}  // namespace gfn
