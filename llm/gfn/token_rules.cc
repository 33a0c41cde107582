#include "llm/gfn/token_rules.h"

#include <algorithm>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

// Class 0 is the legal vocabulary; where the last place allows less, class 1 is what it allows.
std::vector<std::vector<bool>> ClassesOf(const SequenceSupport& support) {
  std::vector<std::vector<bool>> classes = {support.legal};
  if (support.illegal_last.empty()) return classes;
  classes.push_back(support.legal);
  for (int64_t v = 0; v < support.vocab_size; ++v) classes[1][v] = support.legal[v] && !support.illegal_last[v];
  return classes;
}

SequenceSupport WithSortedStops(SequenceSupport support) {
  std::ranges::sort(support.stop_ids);
  for (const int64_t stop : support.stop_ids) support.legal[stop] = false;  // never an inner token
  return support;
}

Status CheckEnds(const SequenceSupport& support) {
  if (support.ends_by_length) {
    if (!support.stop_ids.empty()) return InvalidArgument("objects end by their length, and yet there are stop tokens");
    if (support.min_len != support.max_len || support.max_len < 1) {
      return InvalidArgument("objects end by their length, which must be one: min_len = max_len >= 1, found min_len " +
                             std::to_string(support.min_len) + " and max_len " + std::to_string(support.max_len));
    }
  } else if (support.stop_ids.empty()) {
    return InvalidArgument("no stop token: a sequence could never end");
  }
  if (support.min_len < 0 || support.max_len < support.min_len) {
    return InvalidArgument("lengths must be 0 <= min_len <= max_len, found min_len " + std::to_string(support.min_len) +
                           " and max_len " + std::to_string(support.max_len));
  }
  for (const int64_t stop : support.stop_ids) {
    if (stop < 0 || stop >= support.vocab_size) {
      return InvalidArgument("stop token " + std::to_string(stop) + " is outside the vocabulary of " +
                             std::to_string(support.vocab_size));
    }
  }
  std::vector<int64_t> stops = support.stop_ids;
  std::ranges::sort(stops);
  if (std::ranges::adjacent_find(stops) != stops.end()) return InvalidArgument("a stop token is given twice");
  return OkStatus();
}

}  // namespace

bool SequenceSupport::Contains(std::span<const int32_t> inner) const { return SupportRules(*this).WhyNot({}, inner).empty(); }

TokenRules::TokenRules(SequenceSupport support, const std::vector<std::vector<bool>>& classes)
    : support_(WithSortedStops(std::move(support))) {
  GFN_CHECK(!classes.empty()) << "rules without a class of tokens";
  const int64_t num_tokens = support_.vocab_size;
  at::Tensor any_V = at::zeros({num_tokens}, at::kByte);
  for (const std::vector<bool>& members : classes) {
    GFN_CHECK_EQ(static_cast<int64_t>(members.size()), num_tokens) << "a class of tokens has another vocabulary";
    at::Tensor class_V = at::zeros({num_tokens}, at::kByte);
    uint8_t* data = class_V.mutable_data_ptr<uint8_t>();
    for (int64_t v = 0; v < num_tokens; ++v) data[v] = members[v] ? 1 : 0;
    for (const int64_t stop : support_.stop_ids) data[stop] = 0;
    any_V.bitwise_or_(class_V);
    class_sizes_.push_back(std::count(data, data + num_tokens, 1));
    classes_.push_back(std::move(class_V));
  }
  num_inner_ = any_V.sum().item<int64_t>();
  vocabulary_V_ = any_V.to(at::kBool);
}

TokenChoice TokenRules::After(const SequenceCondition& condition, std::span<const int32_t> tokens) const {
  const int64_t k = static_cast<int64_t>(tokens.size());
  GFN_CHECK(k <= support_.max_len && (!support_.ends_by_length || k < support_.max_len))
      << "nothing follows " << k << " tokens, max_len is " << support_.max_len;
  const TokenChoice choice = Decide(condition, tokens);
  if (choice.forced != TokenChoice::kNone) {
    GFN_CHECK(choice == TokenChoice::Forced(choice.forced)) << "nothing but token " << choice.forced << " is legal";
    GFN_CHECK(choice.forced >= 0 && choice.forced < support_.vocab_size && StopIndex(choice.forced) < 0)
        << "token " << choice.forced << " cannot be forced";
    GFN_CHECK(k < support_.max_len) << "a token is forced behind max_len = " << support_.max_len << " others";
    return choice;
  }
  GFN_CHECK(choice.token_class >= TokenChoice::kNone && choice.token_class < num_classes());
  const bool goes_on = choice.token_class != TokenChoice::kNone && class_sizes_[choice.token_class] > 0;
  GFN_CHECK(!goes_on || k < support_.max_len) << "inner tokens are legal behind max_len = " << support_.max_len;
  GFN_CHECK(!choice.stop_legal || (k >= support_.min_len && !support_.stop_ids.empty())) << "a stop is legal behind " << k;
  GFN_CHECK(goes_on || choice.stop_legal) << "nothing is legal behind " << k << " tokens";
  return {.token_class = goes_on ? choice.token_class : TokenChoice::kNone, .stop_legal = choice.stop_legal};
}

std::vector<TokenChoice> TokenRules::Along(const SequenceCondition& condition, std::span<const int32_t> inner) const {
  std::vector<TokenChoice> choices;
  const size_t num_actions = inner.size() + (support_.ends_by_length ? 0 : 1);
  for (size_t k = 0; k < num_actions; ++k) choices.push_back(After(condition, inner.first(k)));
  return choices;
}

std::vector<TokenChoice> TokenRules::ByStep() const {
  GFN_CHECK(DependsOnStepOnly()) << "which tokens are legal depends on those before them";
  return Along({}, std::vector<int32_t>(support_.max_len, 0));
}

bool TokenRules::IsCertain(const TokenChoice& choice) const {
  if (choice.forced != TokenChoice::kNone) return true;
  const int64_t num_inner = choice.token_class == TokenChoice::kNone ? 0 : class_sizes_[choice.token_class];
  return num_inner + (choice.stop_legal ? static_cast<int64_t>(support_.stop_ids.size()) : 0) == 1;
}

bool TokenRules::Allows(const TokenChoice& choice, int64_t token) const {
  if (token < 0 || token >= support_.vocab_size) return false;
  if (choice.forced != TokenChoice::kNone) return token == choice.forced;
  if (StopIndex(token) >= 0) return choice.stop_legal;
  return choice.token_class != TokenChoice::kNone && class_V(choice.token_class).const_data_ptr<uint8_t>()[token] != 0;
}

at::Tensor TokenRules::Legal(const TokenChoice& choice) const {
  at::Tensor legal_V = choice.token_class == TokenChoice::kNone ? at::zeros({support_.vocab_size}, at::kBool)
                                                                : class_V(choice.token_class).to(at::kBool);
  bool* legal = legal_V.mutable_data_ptr<bool>();
  if (choice.forced != TokenChoice::kNone) legal[choice.forced] = true;
  if (choice.stop_legal) {
    for (const int64_t stop : support_.stop_ids) legal[stop] = true;
  }
  return legal_V;
}

std::string TokenRules::WhyNot(const SequenceCondition& condition, std::span<const int32_t> inner,
                               const std::function<std::string(int32_t)>& show) const {
  const int64_t length = static_cast<int64_t>(inner.size());
  if (length < support_.min_len || length > support_.max_len) {
    return "it has " + std::to_string(length) + " tokens before its " + (support_.ends_by_length ? "end" : "stop") +
           ", expected " + std::to_string(support_.min_len) + " to " + std::to_string(support_.max_len);
  }
  const auto name = [&](int32_t id) { return "token " + std::to_string(id) + (show ? " (" + show(id) + ")" : ""); };
  for (int64_t k = 0; k < length; ++k) {
    const int32_t id = inner[k];
    const std::string token = name(id) + " at place " + std::to_string(k + 1);
    if (id < 0 || id >= support_.vocab_size)
      return token + " is outside the vocabulary of " + std::to_string(support_.vocab_size);
    if (StopIndex(id) >= 0) return token + " is a stop, which ends the text";
    const TokenChoice choice = After(condition, inner.first(k));
    if (Allows(choice, id)) continue;
    if (choice.forced != TokenChoice::kNone) return token + " is not what must stand there, " + name(choice.forced);
    if (!vocabulary_V_.const_data_ptr<bool>()[id]) return token + " is not allowed inside";
    if (k + 1 == support_.max_len) {
      return name(id) + " at place " + std::to_string(k + 1) + " is not allowed as the last of " +
             std::to_string(support_.max_len);
    }
    return token + " is not allowed there";
  }
  if (support_.ends_by_length || After(condition, inner).stop_legal) return "";
  return "it may not end behind " + std::to_string(length) + " tokens";
}

int64_t TokenRules::StopIndex(int64_t token) const {
  const auto found = std::ranges::lower_bound(support_.stop_ids, token);
  return found != support_.stop_ids.end() && *found == token ? found - support_.stop_ids.begin() : -1;
}

StatusOr<std::unique_ptr<SupportRules>> SupportRules::Create(SequenceSupport support) {
  RETURN_IF_ERROR(CheckEnds(support));
  if (static_cast<int64_t>(support.legal.size()) != support.vocab_size)
    return InvalidArgument("the legal vocabulary has another size than the model's");
  if (!support.illegal_last.empty() && static_cast<int64_t>(support.illegal_last.size()) != support.vocab_size)
    return InvalidArgument("illegal_last has another size than the model's vocabulary");
  auto rules = std::make_unique<SupportRules>(std::move(support));
  if (rules->support().max_len > 0) {
    if (!rules->vocabulary_V().any().item<bool>()) return InvalidArgument("the vocabulary limits leave no legal token");
    if (!rules->class_V(rules->num_classes() - 1).any().item<bool>())
      return InvalidArgument("the vocabulary limits leave no legal token for the last place");
  }
  return rules;
}

SupportRules::SupportRules(SequenceSupport support) : TokenRules(support, ClassesOf(support)) {}

TokenChoice SupportRules::Decide(const SequenceCondition&, std::span<const int32_t> tokens) const {
  const int64_t k = static_cast<int64_t>(tokens.size());
  TokenChoice choice{.stop_legal = k >= support().min_len && !support().ends_by_length};
  // The last place has a class of its own where it allows less.
  if (k < support().max_len) choice.token_class = k + 1 == support().max_len ? num_classes() - 1 : 0;
  return choice;
}

}  // namespace gfn
