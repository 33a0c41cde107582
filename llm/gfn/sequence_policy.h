// The language model with an adapter as a policy over token sequences: it samples on a cache and scores in one teacher-forced
// pass, both with the same support.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "gflownet/core/policy.h"
#include "gflownet/tensor/parameter_set.h"
#include "llm/gfn/sequence_environment.h"
#include "llm/model/language_model.h"
#include "llm/model/lm_head.h"

namespace gfn {

// What the policy reads: its own prompt, or only x (the left-context baseline; the base model as it is).
enum class PromptSource { kPrompt, kX };

class SequencePolicy : public Policy {
 public:
  // adapter may be null: the untrained model. parameters (whose version guards open sessions) may be null with it. Everything is
  // borrowed. share_prefixes: rollouts of a condition share what they have in common (off only to compare costs).
  SequencePolicy(const LanguageModel& model, const Adapter* adapter, const ParameterSet* parameters,
                 const SequenceEnvironment& environment, PromptSource source = PromptSource::kPrompt, bool share_prefixes = true);

  // log_pf and log_stop; fingerprints where the model keeps bits.
  Needs Provides() const override;
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override;
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override;

  const std::vector<int32_t>& Prompt(ConditionId id) const;

 private:
  // The head's numbers of rows of hidden states; class_rows: rows at which only the tokens of that class are legal, of classes
  // other than the first.
  HeadScores ScoreRows(const at::Tensor& hidden_RC, const std::vector<int64_t>& targets,
                       const std::map<int32_t, std::set<int64_t>>& class_rows) const;

  const LanguageModel& model_;
  const Adapter* adapter_;
  const ParameterSet* parameters_;
  const SequenceEnvironment& environment_;
  PromptSource source_;
  bool share_prefixes_;
};

}  // namespace gfn
