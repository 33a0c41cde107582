// The objects that the checks of `gfn doctor` look at, and an adapter that can be seen.
#pragma once

#include <cstdint>
#include <vector>

#include "gflownet/core/rollout.h"
#include "tasks/text/text_checks.h"

namespace gfn {

// How far the adapter moves some token's log q at least, relative as everything here: far above what rounding does in any type.
inline constexpr double kVisible = 0.25;

// Objects to look at: of every length, with prefixes in common, of rows that leave at different times, and drawn ones.
struct TextProbe {
  std::vector<RolloutRow> rows;  // of `drawn`
  TrajectoryBatch drawn;
  TrajectoryBatch all;                // listed objects first, then those with a prefix in common with a drawn one, then the drawn
  std::vector<int64_t> plain;         // rows of it that are compared with plain passes,
  std::vector<int64_t> plain_reward;  // and those whose rewards are, at every prefix
};

// Where the drawn ones are drawn.
inline constexpr RngKey kProbeKey{1, RngPurpose::kTest, 0};

// Objects of random legal tokens, of the shortest, a middle and the longest length, for each condition.
StatusOr<TrajectoryBatch> ListedObjects(const TextParts& parts, const std::vector<ConditionId>& conditions);

// Moves the adapter's B until it is seen: a check of an adapter that changes nothing would prove nothing.
void PerturbAdapter(TextParts& parts, const TrajectoryBatch& batch);

StatusOr<TextProbe> MakeProbe(const ExaminedSampler& sampler, const TrajectoryBatch& listed,
                              const std::vector<ConditionId>& conditions, int64_t rollouts);

}  // namespace gfn
