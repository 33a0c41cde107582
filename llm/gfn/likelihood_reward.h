// log R of ending a sequence after its first k tokens, for every k where stopping is legal, from the frozen model:
//
//   log R_k = log p(z_1..k | x) + log p(stop | x z_1..k) + log p(y | x z_1..k stop)
//
// p is the model's full softmax: no vocabulary limit of the sampler enters, and tokens that were forced count like others. Where
// an object ends by its length there is no stop: log R = log p(z | x) + log p(y | x z), of whole objects alone. All prefixes of
// all rollouts go through the model in one forest: x once a condition, each rollout as a branch, a copy of (stop, y) as a twig at
// every legal prefix.
#pragma once

#include <string>

#include "gflownet/core/reward.h"
#include "llm/gfn/sequence_environment.h"
#include "llm/model/language_model.h"

namespace gfn {

struct LikelihoodRewardOptions {
  const Adapter* adapter = nullptr;         // nullptr: the base model
  const Adapter* answer_adapter = nullptr;  // of y and its rivals, where their model is fitted (EM); nullptr: as the rest
  bool share_prefixes = true;               // rollouts share what they have in common (off only to compare costs)
  int64_t max_positions = 4096;             // of one forward pass; more are split between conditions
  // Taken from log R where a rival of the condition is likelier than y behind the same z stop; 0: rivals are not scored.
  double rival_penalty = 0;
};

class LikelihoodReward : public PrefixReward {
 public:
  // digest names the model and everything else that decides the value.
  LikelihoodReward(const LanguageModel& model, const SequenceEnvironment& environment, std::string digest,
                   LikelihoodRewardOptions options);

  // float64. Terms of the finished object: "log_p_z", "log_p_stop", "log_p_y", and "rival", 0 or -rival_penalty.
  StatusOr<RewardValueAlong> LogRewardAlong(const TrajectoryBatch& batch) const override;
  // Of the finished objects alone: one suffix a rollout.
  StatusOr<RewardValue> LogReward(const TrajectoryBatch& batch) const override;
  std::string Digest() const override { return digest_; }

 private:
  StatusOr<RewardValueAlong> Evaluate(const TrajectoryBatch& batch, bool every_prefix) const;

  const LanguageModel& model_;
  const SequenceEnvironment& environment_;
  std::string digest_;
  LikelihoodRewardOptions options_;
};

}  // namespace gfn
