// Token sequences as a tree: an action appends a token, a stop token ends the object, or its length where there is none. Which
// objects exist is decided by TokenRules; each stop token makes an object of its own, and lengths are counted before the stop.
// Shapes: B rows, L actions of a row, S stop tokens, M places: the most actions that an object takes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gflownet/core/environment.h"
#include "gflownet/core/trajectory.h"
#include "llm/gfn/sequence_condition.h"
#include "llm/gfn/token_rules.h"

namespace gfn {

class SequenceEnvironment : public Environment {
 public:
  // `digest` names the rules. `to_text` shows tokens to people; may be empty. The table is shared and may grow; it must outlive
  // the environment.
  SequenceEnvironment(std::unique_ptr<const TokenRules> rules, const SequenceConditionTable& conditions, std::string digest,
                      std::function<std::string(std::vector<int32_t>)> to_text);
  // With SupportRules; InvalidArgument if the support makes no sense.
  static StatusOr<std::unique_ptr<SequenceEnvironment>> Create(SequenceSupport support, const SequenceConditionTable& conditions,
                                                               std::string digest,
                                                               std::function<std::string(std::vector<int32_t>)> to_text);

  const EnvironmentSpec& Spec() const override { return spec_; }
  State Initial(const std::vector<ConditionId>& conditions_B) const override;
  using Environment::Step;
  State Step(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override;
  State Undo(const State& state, const at::Tensor& backward_actions_B) const override;
  Support ForwardSupport(const State& state) const override;
  at::Tensor IsInitial(const State& state) const override;
  std::string Format(const State& state, int64_t row) const override;
  std::string SupportDigest() const override;

  const TokenRules& rules() const { return *rules_; }
  const SequenceSupport& support() const { return rules_->support(); }
  const SequenceConditionTable& conditions() const { return conditions_; }
  // What was legal at every action of whole trajectories, [B][L].
  std::vector<std::vector<TokenChoice>> SupportAlong(const TrajectoryBatch& batch) const;

 private:
  std::unique_ptr<const TokenRules> rules_;
  const SequenceConditionTable& conditions_;
  std::string digest_;
  std::function<std::string(std::vector<int32_t>)> to_text_;
  EnvironmentSpec spec_;
  at::Tensor stops_S_;  // undefined where the object ends by its length
};

}  // namespace gfn
