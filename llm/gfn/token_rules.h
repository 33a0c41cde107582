// Which tokens may follow: the one answer for sampling, scoring, replay, devices and doctor.
//
// Rules are a pure function of a condition and the tokens so far. What may follow is
//   one token alone, which is forced (a calculator's output): its probability is 1, log q = 0, no gradient, no exploration; its
//     log p_LM stays in R, and no object ends inside such a span, or
//   an inner token of one of a few classes, or a stop where it is legal.
// Shapes: B rows, L actions of a row, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gflownet/base/status.h"
#include "llm/gfn/sequence_condition.h"

namespace gfn {

// The outermost bounds, which any rules keep: vocabulary, stops and lengths.
struct SequenceSupport {
  int64_t vocab_size = 0;
  std::vector<bool> legal;           // [V] inner tokens
  std::vector<int64_t> stop_ids;     // sorted, distinct; never legal as inner tokens
  int64_t min_len = 1, max_len = 1;  // inner tokens
  // [V] inner tokens that are illegal in the last of max_len places, behind which the stop is forced; empty: none. Where a text
  // breaks off ("he went to the.") the frozen model gives the stop next to nothing, far below what a sampler gives such an
  // object.
  std::vector<bool> illegal_last = {};
  // The object ends with its max_len-th token: there is no stop token, neither in q nor in R. stop_ids is empty, min_len is
  // max_len.
  bool ends_by_length = false;

  // Are these inner tokens an object under SupportRules, whatever stop follows? Whoever asks often makes the rules.
  bool Contains(std::span<const int32_t> inner) const;
};

// What may follow the tokens of one row.
struct TokenChoice {
  static constexpr int32_t kNone = -1;
  int32_t token_class = kNone;  // inner tokens of this class; kNone: no inner token but the forced one
  bool stop_legal = false;      // may the object end here
  int32_t forced = kNone;       // this inner token and nothing else

  static TokenChoice Forced(int32_t token) { return {.token_class = kNone, .stop_legal = false, .forced = token}; }
  auto operator<=>(const TokenChoice&) const = default;
};

class TokenRules {
 public:
  virtual ~TokenRules() = default;

  // What may follow `tokens` (inner tokens that were legal, at most max_len; fewer than max_len where the object ends by length).
  // Rules that leave nothing or break the bounds of the support are a programmer error.
  TokenChoice After(const SequenceCondition& condition, std::span<const int32_t> tokens) const;
  // The same behind each prefix of `inner`, one for each action of a trajectory: [n + 1], or [n] where the object ends by length.
  std::vector<TokenChoice> Along(const SequenceCondition& condition, std::span<const int32_t> inner) const;

  // Whether the number of tokens so far decides alone: such rules are tables (ByStep), which a device reads without its host.
  virtual bool DependsOnStepOnly() const = 0;
  // What may follow k tokens, of rules that depend on the step alone: [max_len + 1], or [max_len] where the object ends by
  // length.
  std::vector<TokenChoice> ByStep() const;

  // Is one action alone legal, so that its probability is 1?
  bool IsCertain(const TokenChoice& choice) const;
  bool Allows(const TokenChoice& choice, int64_t token) const;
  // bool [V], stops included.
  at::Tensor Legal(const TokenChoice& choice) const;

  // Why these inner tokens are no object of the condition, for people; "" if they are one, whatever stop follows. `show` names a
  // token; empty: by its number.
  std::string WhyNot(const SequenceCondition& condition, std::span<const int32_t> inner,
                     const std::function<std::string(int32_t)>& show = {}) const;

  const SequenceSupport& support() const { return support_; }
  // Index of a stop token in stop_ids; -1: not a stop.
  int64_t StopIndex(int64_t token) const;
  int32_t num_classes() const { return static_cast<int32_t>(classes_.size()); }
  // uint8 [V], as the head takes it: the inner tokens of a class. Without stops.
  const at::Tensor& class_V(int32_t token_class) const { return classes_[token_class]; }
  // bool [V]: the inner tokens of any class, and whether a class has fewer.
  const at::Tensor& vocabulary_V() const { return vocabulary_V_; }
  bool IsNarrow(int32_t token_class) const { return class_sizes_[token_class] < num_inner_; }

 protected:
  // classes: inner tokens of each, [V]; there is at least one. Stops are taken out of support and classes, stop_ids are sorted.
  TokenRules(SequenceSupport support, const std::vector<std::vector<bool>>& classes);

 private:
  virtual TokenChoice Decide(const SequenceCondition& condition, std::span<const int32_t> tokens) const = 0;

  SequenceSupport support_;
  std::vector<at::Tensor> classes_;
  std::vector<int64_t> class_sizes_;
  at::Tensor vocabulary_V_;
  int64_t num_inner_ = 0;
};

// Lengths and vocabulary, and nothing else.
class SupportRules : public TokenRules {
 public:
  // InvalidArgument if no object is left, or the lengths or ids make no sense.
  static StatusOr<std::unique_ptr<SupportRules>> Create(SequenceSupport support);
  // Of a support that Create takes.
  explicit SupportRules(SequenceSupport support);

  bool DependsOnStepOnly() const override { return true; }

 protected:
  TokenChoice Decide(const SequenceCondition& condition, std::span<const int32_t> tokens) const override;
};

}  // namespace gfn
