// Sampling trajectories, and getting their states back. No gradient is recorded.
// Shapes: B rows, T steps.
#pragma once

#include <cstdint>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/exploration.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/trajectory.h"

namespace gfn {

// Samples one trajectory per row: by the session in one go where it can (RolloutSession::SampleWhole), else step by step, with
// finished rows leaving the session. Logits that are not finite are refused with row and step.
StatusOr<TrajectoryBatch> Rollout(const Environment& environment, const Policy& policy, const std::vector<RolloutRow>& rows_B,
                                  const RngKey& key);

// The logits that are sampled from: legal actions only (the others -inf), then each row's exploration. Nothing in it waits for
// the device. [N, A], legal [N, A] bool
at::Tensor BehaviourLogits(const at::Tensor& logits_NA, const at::Tensor& legal_NA, const std::vector<Exploration>& rows);

// `num` rows of each condition, streams counted from `first_stream`, all with the same exploration.
std::vector<RolloutRow> RolloutRows(const std::vector<ConditionId>& conditions, int64_t num, const Exploration& exploration = {},
                                    uint64_t first_stream = 0);

// The states s_0 .. s_T of a batch; a finished row repeats its finished state.
std::vector<State> Unroll(const Environment& environment, const TrajectoryBatch& batch);
// The finished states only.
State FinalStates(const Environment& environment, const TrajectoryBatch& batch);

// Fills what the environment knows of a batch with only conditions, actions and lengths: backward actions and stop_legal_BT.
// An action that is illegal where it was taken, or a length at which the object is not finished, is refused with row and step.
Status CompleteBatch(const Environment& environment, TrajectoryBatch& batch);

}  // namespace gfn
