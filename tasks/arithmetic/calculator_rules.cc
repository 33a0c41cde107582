#include "tasks/arithmetic/calculator_rules.h"

#include <algorithm>

#include "tasks/arithmetic/calculator.h"
#include "tasks/text/text_data.h"

namespace gfn {

CalculatorRules::CalculatorRules(SequenceSupport support, const Tokenizer& tokenizer, int64_t max_operands)
    : SupportRules(std::move(support)), tokenizer_(tokenizer), max_operands_(max_operands) {
  const int64_t num_tokens = this->support().vocab_size;
  has_equals_.resize(num_tokens);
  legal_.resize(num_tokens);
  for (int32_t id = 0; id < std::min<int64_t>(num_tokens, tokenizer.vocab_size()); ++id) {
    has_equals_[id] = tokenizer.TokenBytes(id).find('=') != std::string_view::npos;
    legal_[id] = this->support().legal[id] && StopIndex(id) < 0;
  }
}

TokenChoice CalculatorRules::Decide(const SequenceCondition& condition, std::span<const int32_t> tokens) const {
  // Nothing that is forced has a "=" in it: what stands behind the last one is the result, or begins with it.
  const auto last = std::find_if(tokens.rbegin(), tokens.rend(), [&](int32_t id) { return has_equals_[id]; });
  if (last == tokens.rend()) return SupportRules::Decide(condition, tokens);
  const auto asked = static_cast<size_t>(tokens.rend() - last);  // tokens up to and with the "="
  const std::string text = DecodeAsItStands(tokenizer_, {tokens.begin(), tokens.begin() + static_cast<int64_t>(asked)});
  const std::optional<std::string_view> expression = AskedExpression(text);
  const std::optional<int64_t> value = expression ? Calculate(*expression, max_operands_) : std::nullopt;
  if (!value) return SupportRules::Decide(condition, tokens);
  const std::vector<int32_t> result = EncodeContinuation(tokenizer_, std::to_string(*value));
  const size_t done = tokens.size() - asked;
  const bool fits = static_cast<int64_t>(asked + result.size()) <= support().max_len &&
                    std::ranges::all_of(result, [&](int32_t id) { return legal_[id]; });
  if (!fits || done >= result.size()) return SupportRules::Decide(condition, tokens);
  return TokenChoice::Forced(result[done]);
}

}  // namespace gfn
