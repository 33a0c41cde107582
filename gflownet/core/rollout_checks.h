// A sampling session asked again: what it says of every action of a batch, for comparison with what Score says of the same batch,
// and what it would have drawn. For discrete worlds; used by `gfn doctor` and by the conformance suites.
// Shapes: B rows, T steps, N live rows, A actions.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/base/status.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/rollout.h"
#include "gflownet/core/trajectory.h"

namespace gfn {

// Called at every step: rows of the batch that are live (int64 [N]), their states, and the session's logits [N, A].
using SeeLogits = std::function<void(int64_t step, const at::Tensor& live_N, const State& state_N, const at::Tensor& logits_NA)>;

struct Replay {
  // log q over the legal actions, float64 on the CPU. 0 in padding.
  at::Tensor log_pf_BT;
  // log q of the row's own stop action; 0 where it is illegal. Undefined where no action stops.
  at::Tensor log_stop_BT;
  // What RolloutSession::Fingerprints said, int64; undefined where it said nothing.
  at::Tensor fingerprint_BT;
};

// Leads a session along the batch in the order of a rollout (core/policy.h), finished rows leaving on the way.
Replay ReplayThroughSession(const Environment& environment, const Policy& policy, const TrajectoryBatch& batch,
                            const SeeLogits& see = {});

struct Redrawn {
  int64_t drawn = 0;      // actions that were drawn: those of a row's prefix are not
  int64_t different = 0;  // where the session's probabilities draw another one
  double Share() const { return drawn == 0 ? 0 : static_cast<double>(different) / static_cast<double>(drawn); }
};

// Draws every action of a rollout again, at its own address, from what a session says step by step. `batch` is what
// Rollout(environment, policy, rows_B, key) returned; no row explores. A rollout in one go (a device, a fast world) may differ
// where logits that differ in their last bits put a draw on the other side of an edge; one of other probabilities differs often.
StatusOr<Redrawn> DrawAgain(const Environment& environment, const Policy& policy, const TrajectoryBatch& batch,
                            const std::vector<RolloutRow>& rows_B, const RngKey& key);

// max |a - b| / max(1, |b|), as the table of tolerances has it (gflownet/tensor/tolerances.h); infinite where shapes differ or a
// number is not finite.
double LargestDifference(const at::Tensor& a, const at::Tensor& b);

}  // namespace gfn
