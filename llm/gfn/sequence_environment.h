// Token sequences as a tree: an action appends a token, a stop token ends the object. Which objects exist is decided here:
// the legal vocabulary, the stop tokens (each an object of its own), and the length, counted before the stop.
// Shapes: B rows, V vocabulary, S stop tokens, M = max_len + 1 places.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/core/environment.h"
#include "llm/gfn/sequence_condition.h"

namespace gfn {

struct SequenceSupport {
  int64_t vocab_size = 0;
  std::vector<bool> legal;           // [V] inner tokens
  std::vector<int64_t> stop_ids;     // sorted, distinct; never legal as inner tokens
  int64_t min_len = 1, max_len = 1;  // inner tokens
  // [V] inner tokens that are illegal in the last of max_len places, behind which the stop is forced; empty: none. Where a text
  // breaks off
  // ("he went to the.") the frozen model gives the stop next to nothing, far below what a sampler gives such an object.
  std::vector<bool> illegal_last = {};

  // Are these inner tokens an object, whatever stop follows?
  bool Contains(std::span<const int32_t> inner) const { return WhyNot(inner).empty(); }
  // Why they are none, for people; "" if they are one. `show` names a token; empty: by its number.
  std::string WhyNot(std::span<const int32_t> inner, const std::function<std::string(int32_t)>& show = {}) const;
};

class SequenceEnvironment : public Environment {
 public:
  // InvalidArgument if no object is left, or the lengths or ids make no sense. `to_text` shows tokens to people; may be empty.
  // The table is shared and may grow; it must outlive the environment.
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

  const SequenceSupport& support() const { return support_; }
  const SequenceConditionTable& conditions() const { return conditions_; }
  // uint8 [V], as the head takes it: inner tokens that are legal after k others, k < max_len.
  const at::Tensor& legal_V(int64_t k) const { return IsLastPlace(k) ? legal_last_V_ : legal_V_; }
  // After k inner tokens, do other ones follow than elsewhere?
  bool IsLastPlace(int64_t k) const { return !support_.illegal_last.empty() && k + 1 == support_.max_len; }
  // Index of a stop token in stop_ids; -1: not a stop.
  int64_t StopIndex(int64_t token) const;
  // Is a stop the only way on after k inner tokens, and is it a single one, so that its probability is 1?
  bool IsForcedStop(int64_t k) const { return k >= support_.max_len && support_.stop_ids.size() == 1; }

 private:
  SequenceEnvironment(SequenceSupport support, const SequenceConditionTable& conditions, std::string digest,
                      std::function<std::string(std::vector<int32_t>)> to_text);

  SequenceSupport support_;
  const SequenceConditionTable& conditions_;
  std::string digest_;
  std::function<std::string(std::vector<int32_t>)> to_text_;
  EnvironmentSpec spec_;
  at::Tensor legal_V_, legal_last_V_;  // uint8
  at::Tensor vocabulary_V_;            // bool: legal_V_
  at::Tensor stops_S_;
};

}  // namespace gfn
