// A calculator as part of the world: behind "=" the tokens of the result are forced. They stand in the context and in the reward,
// their probability under the sampler is 1, and they are the same whenever the same tokens are looked at again.
#pragma once

#include "llm/gfn/token_rules.h"
#include "llm/tokenizer/tokenizer.h"

namespace gfn {

class CalculatorRules : public SupportRules {
 public:
  // `tokenizer` has to outlive the rules. A result that does not fit into max_len, or whose tokens are not in the vocabulary, is
  // not forced.
  CalculatorRules(SequenceSupport support, const Tokenizer& tokenizer, int64_t max_operands);

  bool DependsOnStepOnly() const override { return false; }

 protected:
  TokenChoice Decide(const SequenceCondition& condition, std::span<const int32_t> tokens) const override;

 private:
  const Tokenizer& tokenizer_;
  int64_t max_operands_;
  std::vector<bool> has_equals_, legal_;  // [V]
};

}  // namespace gfn
