// A sampler of actions and what it says of trajectories. Exploration never enters here: it is a choice of sampling.
// Shapes: B rows, N live rows, A actions, T steps.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
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

// One trajectory to sample. Action k is drawn at (key, stream, k), so a trajectory does not depend on the rows beside it, on
// their order or on when the others finish.
struct RolloutRow {
  ConditionId condition;
  uint64_t stream = 0;
  Exploration exploration;
  std::vector<int64_t> prefix{};  // the first actions are these and are not drawn; they must be legal
};

// A rollout that a session made by itself.
struct WholeRollout {
  TrajectoryBatch batch;
  // log q of every action under the policy itself, whatever its row explored: what Score says of it. Float [B, T], 0 in padding,
  // on the device where it was computed: nobody waits for it before somebody reads it.
  at::Tensor log_q_BT;
};

// One rollout in progress, with whatever makes it fast (a KV cache, a recurrent state). It reads the parameters of the version
// that it began with. Rows are independent: dropping one changes no other.
//
// A step of a rollout is, in this order:
//   Logits or Draw   of the N live rows
//   Advance          with an action of every live row, those included that it finishes
//   Keep             with the rows that go on, where others have finished and some go on
// A session computes when Logits or Draw ask, and for the rows that are live then: an action that finishes its row costs nothing,
// and yet whoever decorates a session is told of every action. A session may be left at any time.
class RolloutSession {
 public:
  virtual ~RolloutSession() = default;
  // Unnormalised log-probabilities of every action in the current state of the N live rows, [N, A]; `state` has these rows.
  // The caller applies the support, so illegal actions may have any finite value.
  virtual at::Tensor Logits(const State& state) = 0;
  // What the Logits just returned were computed from, as hashes that Score names too (Need::kFingerprint), int64 [N]; undefined
  // (the default): the policy promises no such equality. A decorator passes it on.
  virtual at::Tensor Fingerprints() { return {}; }
  // Of continuous worlds instead of Logits: an action of each live row, float [N, D], drawn from the policy as the row's
  // exploration changes it. Refused where the policy has no density. The default has no continuous actions.
  virtual StatusOr<at::Tensor> Draw(const State& state, const DrawAddress& address);
  // Every live row takes its action (int64 [N], or float [N, D]).
  virtual void Advance(const at::Tensor& actions_N) = 0;
  // Goes on with these live rows (int64 [M], ascending, M > 0) only.
  virtual void Keep(const at::Tensor& rows_M) = 0;
  // Whether Keep takes rows in any order and more than once: a row that is repeated splits, and its copies go on by themselves.
  virtual bool MayRepeatRows() const { return false; }
  // Asked of a session that has not begun, whose rows are those of the rollout: the whole rollout in one go, where the session
  // can make it faster than step by step (on a device without waiting for it, in a fast world without tensors). The batch is what
  // Rollout returns, with the draws at the same addresses by the same rule: the same actions, but where logits that differ in
  // their last bits put a draw on the other side of an edge. Nothing (the default): it cannot for these rows, and the caller goes
  // step by step. A decorator passes it on.
  virtual std::optional<StatusOr<WholeRollout>> SampleWhole(const std::vector<RolloutRow>& rows_B, const RngKey& key);
};

struct ScoreOptions {
  Needs needs{};
  bool with_grad = true;  // without it nothing is recorded, and nothing is dropped out
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
  // temperature 1 and without exploration. Fills mask, groups and everything in options.needs, all on one device.
  virtual TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const = 0;
  // Unnormalised log P_B over the backward actions of each row, [N, A_back], for walking back from finished objects; undefined:
  // uniform over the parents.
  virtual at::Tensor BackwardLogits(const State&) const { return {}; }
  // Whether P_B has parameters that are trained. Without, it is fixed: uniform, or by counting.
  virtual bool LearnsBackward() const { return false; }
};

}  // namespace gfn
