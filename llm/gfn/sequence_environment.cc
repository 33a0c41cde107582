#include "llm/gfn/sequence_environment.h"

#include <algorithm>

#include "gflownet/base/check.h"

namespace gfn {

std::string SequenceSupport::WhyNot(std::span<const int32_t> inner, const std::function<std::string(int32_t)>& show) const {
  const int64_t length = static_cast<int64_t>(inner.size());
  if (length < min_len || length > max_len) {
    return "it has " + std::to_string(length) + " tokens before its stop, expected " + std::to_string(min_len) + " to " +
           std::to_string(max_len);
  }
  const auto token = [&](size_t i) {
    return "token " + std::to_string(inner[i]) + (show ? " (" + show(inner[i]) + ")" : "") + " at place " + std::to_string(i + 1);
  };
  for (size_t i = 0; i < inner.size(); ++i) {
    const int32_t id = inner[i];
    if (id < 0 || id >= vocab_size) return token(i) + " is outside the vocabulary of " + std::to_string(vocab_size);
    if (std::find(stop_ids.begin(), stop_ids.end(), id) != stop_ids.end()) return token(i) + " is a stop, which ends the text";
    if (!legal[id]) return token(i) + " is not allowed inside";
  }
  if (illegal_last.empty() || length < max_len || length == 0 || !illegal_last[inner.back()]) return "";
  return token(inner.size() - 1) + " is not allowed as the last of " + std::to_string(max_len);
}

StatusOr<std::unique_ptr<SequenceEnvironment>> SequenceEnvironment::Create(
    SequenceSupport support, const SequenceConditionTable& conditions, std::string digest,
    std::function<std::string(std::vector<int32_t>)> to_text) {
  if (support.stop_ids.empty()) return InvalidArgument("no stop token: a sequence could never end");
  if (support.min_len < 0 || support.max_len < support.min_len) {
    return InvalidArgument("lengths must be 0 <= min_len <= max_len, found min_len " + std::to_string(support.min_len) +
                           " and max_len " + std::to_string(support.max_len));
  }
  if (static_cast<int64_t>(support.legal.size()) != support.vocab_size)
    return InvalidArgument("the legal vocabulary has another size than the model's");
  std::sort(support.stop_ids.begin(), support.stop_ids.end());
  for (const int64_t stop : support.stop_ids) {
    if (stop < 0 || stop >= support.vocab_size) {
      return InvalidArgument("stop token " + std::to_string(stop) + " is outside the vocabulary of " +
                             std::to_string(support.vocab_size));
    }
    support.legal[stop] = false;  // never an inner token
  }
  if (std::adjacent_find(support.stop_ids.begin(), support.stop_ids.end()) != support.stop_ids.end()) {
    return InvalidArgument("a stop token is given twice");
  }
  if (support.max_len > 0 && std::find(support.legal.begin(), support.legal.end(), true) == support.legal.end()) {
    return InvalidArgument("the vocabulary limits leave no legal token");
  }
  if (!support.illegal_last.empty() && static_cast<int64_t>(support.illegal_last.size()) != support.vocab_size)
    return InvalidArgument("illegal_last has another size than the model's vocabulary");
  if (!support.illegal_last.empty() && support.max_len > 0) {
    int64_t num_left = 0;
    for (int64_t v = 0; v < support.vocab_size; ++v) num_left += support.legal[v] && !support.illegal_last[v] ? 1 : 0;
    if (num_left == 0) return InvalidArgument("the vocabulary limits leave no legal token for the last place");
  }
  return std::unique_ptr<SequenceEnvironment>(
      new SequenceEnvironment(std::move(support), conditions, std::move(digest), std::move(to_text)));
}

SequenceEnvironment::SequenceEnvironment(SequenceSupport support, const SequenceConditionTable& conditions, std::string digest,
                                         std::function<std::string(std::vector<int32_t>)> to_text)
    : support_(std::move(support)), conditions_(conditions), digest_(std::move(digest)), to_text_(std::move(to_text)) {
  spec_.name = "sequence";
  spec_.num_actions = support_.vocab_size;
  spec_.is_tree = true;
  spec_.max_steps = support_.max_len + 1;
  spec_.stop_actions = support_.stop_ids;
  legal_V_ = at::zeros({support_.vocab_size}, at::kByte);
  for (int64_t v = 0; v < support_.vocab_size; ++v) legal_V_.mutable_data_ptr<uint8_t>()[v] = support_.legal[v] ? 1 : 0;
  vocabulary_V_ = legal_V_.to(at::kBool);
  legal_last_V_ = legal_V_.clone();
  for (size_t v = 0; v < support_.illegal_last.size(); ++v) {
    if (support_.illegal_last[v]) legal_last_V_.mutable_data_ptr<uint8_t>()[v] = 0;
  }
  stops_S_ = at::empty({static_cast<int64_t>(support_.stop_ids.size())}, at::kLong);
  std::copy(support_.stop_ids.begin(), support_.stop_ids.end(), stops_S_.mutable_data_ptr<int64_t>());
}

int64_t SequenceEnvironment::StopIndex(int64_t token) const {
  const auto found = std::lower_bound(support_.stop_ids.begin(), support_.stop_ids.end(), token);
  return found != support_.stop_ids.end() && *found == token ? found - support_.stop_ids.begin() : -1;
}

State SequenceEnvironment::Initial(const std::vector<ConditionId>& conditions_B) const {
  const int64_t B = static_cast<int64_t>(conditions_B.size());
  at::Tensor condition_B = at::empty({B}, at::kLong);
  for (int64_t b = 0; b < B; ++b) condition_B.mutable_data_ptr<int64_t>()[b] = conditions_.Index(conditions_B[b]);
  State state(at::zeros({B}, at::kBool));
  state.Set("condition", condition_B);
  state.Set("tokens", at::full({B, support_.max_len + 1}, -1, at::kLong));
  state.Set("length", at::zeros({B}, at::kLong));
  return state;
}

State SequenceEnvironment::Step(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  const at::Tensor live_B = state.done_B().logical_not();
  const at::Tensor place_B1 = state.Get("length").clamp_max(support_.max_len).unsqueeze(1);
  const at::Tensor written = state.Get("tokens").scatter(1, place_B1, actions_B.unsqueeze(1));
  State next = state;
  next.Set("tokens", at::where(live_B.unsqueeze(1), written, state.Get("tokens")));
  next.Set("length", state.Get("length") + live_B.to(at::kLong));
  next.SetDone(state.done_B().logical_or(at::isin(actions_B, stops_S_)));
  return next;
}

State SequenceEnvironment::Undo(const State& state, const at::Tensor&) const {
  const at::Tensor moves_B = state.Get("length").gt(0);
  const at::Tensor place_B1 = (state.Get("length") - 1).clamp_min(0).unsqueeze(1);
  State previous = state;
  previous.Set("tokens", at::where(moves_B.unsqueeze(1), state.Get("tokens").scatter(1, place_B1, -1), state.Get("tokens")));
  previous.Set("length", (state.Get("length") - 1).clamp_min(0));
  previous.SetDone(at::zeros_like(state.done_B()));
  return previous;
}

Support SequenceEnvironment::ForwardSupport(const State& state) const {
  const at::Tensor& length_B = state.Get("length");
  Support support;
  support.num_actions = support_.vocab_size;
  support.stops_S = stops_S_;
  support.vocabulary_A = vocabulary_V_;
  support.stop_legal_B = length_B.ge(support_.min_len);
  support.inner_legal_B = length_B.lt(support_.max_len);
  if (IsLastPlace(support_.max_len - 1)) {
    // Only where a row is at its last place, so that the other steps of a rollout need no [B, V].
    const at::Tensor last_B = length_B.eq(support_.max_len - 1);
    if (last_B.any().item<bool>()) {
      support.mask_BA = last_B.logical_not().unsqueeze(1).logical_or(legal_last_V_.to(at::kBool).unsqueeze(0));
    }
  }
  support.done_B = state.done_B();
  return support;
}

at::Tensor SequenceEnvironment::IsInitial(const State& state) const { return state.Get("length").eq(0); }

std::string SequenceEnvironment::Format(const State& state, int64_t row) const {
  std::vector<int32_t> tokens;
  const int64_t length = state.Get("length")[row].item<int64_t>();
  for (int64_t i = 0; i < length; ++i) tokens.push_back(static_cast<int32_t>(state.Get("tokens")[row][i].item<int64_t>()));
  if (to_text_) return to_text_(tokens);
  std::string text;
  for (const int32_t token : tokens) text.append(std::to_string(token)).append(1, ' ');
  return text;
}

std::string SequenceEnvironment::SupportDigest() const { return digest_; }

}  // namespace gfn
