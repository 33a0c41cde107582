// The checks of `gfn doctor` on a language model: invariants of the sampler, measured on the user's own model and machine.
#pragma once

#include <string>
#include <vector>

#include "gflownet/core/objective.h"
#include "tasks/text/text_parts.h"

namespace gfn {

// What is examined: the sampler of the parts, piece by piece, so that a test can put a wrong piece in its place. What it is
// compared with is made from the parts' model, adapter, configuration and conditions.
struct ExaminedSampler {
  const Environment* environment = nullptr;  // what rollouts go by
  const Policy* policy = nullptr;            // the base with the adapter
  const Policy* untrained = nullptr;         // the base alone
  const Reward* reward = nullptr;
  const Objective* objective = nullptr;
};
ExaminedSampler SamplerOf(const TextParts& parts, const Objective& objective);

struct TextFindings {
  std::vector<Check> checks;
  std::string not_checked;  // what was left out, and why; empty: nothing
};

// The names of the checks, for the planted mistakes of the tests.
namespace text_check {
inline constexpr char kSessionIsPlain[] = "sampler = one plain pass";
inline constexpr char kHidden[] = "sampler = scorer, hidden states that differ in a bit";
inline constexpr char kSamplerIsScorer[] = "sampler = scorer, log q of a token";
inline constexpr char kSequence[] = "sampler = scorer, log q of a sequence";
inline constexpr char kScorerIsPlain[] = "scorer = one plain pass, log q of a token";
inline constexpr char kRowsAlone[] = "scorer, rows one by one = together";
inline constexpr char kDrawn[] = "actions drawn otherwise than log q says (share)";
inline constexpr char kSupport[] = "objects outside the support";
inline constexpr char kAdapterReaches[] = "the adapter reaches log q";
inline constexpr char kZeroAdapter[] = "adapter of zeros = base, log q of a token";
inline constexpr char kUntrained[] = "untrained sampler = base, log q of a token";
inline constexpr char kMerged[] = "sampler = float64 with the adapter in the weights";
inline constexpr char kReward[] = "reward of the forest = one sequence at a time";
inline constexpr char kRewardAlone[] = "reward of whole objects = that of the last prefix";
inline constexpr char kRewardTerms[] = "reward = the sum of its terms";
inline constexpr char kBase[] = "logits of the base that changed on the way";
inline constexpr char kGradient[] = "gradient of a tensor = float64";
inline constexpr char kDifferences[] = "gradient = finite differences, a direction a tensor";
inline constexpr char kObjective[] = "objective = finite differences in log q";
inline constexpr char kRight[] = "a sampler that is right has no loss";
}  // namespace text_check

// Runs all checks on objects of these conditions, `rollouts` of them drawn for each. The adapter is moved until it is seen in log
// q, and put back.
StatusOr<TextFindings> CheckSampler(TextParts& parts, const ExaminedSampler& sampler, const std::vector<ConditionId>& conditions,
                                    int64_t rollouts);

}  // namespace gfn
