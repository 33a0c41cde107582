#include "llm/gfn/sequence_environment.h"

#include "llm/gfn/trajectory_tokens.h"

namespace gfn {

StatusOr<std::unique_ptr<SequenceEnvironment>> SequenceEnvironment::Create(
    SequenceSupport support, const SequenceConditionTable& conditions, std::string digest,
    std::function<std::string(std::vector<int32_t>)> to_text) {
  ASSIGN_OR_RETURN(std::unique_ptr<const TokenRules> rules, SupportRules::Create(std::move(support)));
  return std::make_unique<SequenceEnvironment>(std::move(rules), conditions, std::move(digest), std::move(to_text));
}

SequenceEnvironment::SequenceEnvironment(std::unique_ptr<const TokenRules> rules, const SequenceConditionTable& conditions,
                                         std::string digest, std::function<std::string(std::vector<int32_t>)> to_text)
    : rules_(std::move(rules)), conditions_(conditions), digest_(std::move(digest)), to_text_(std::move(to_text)) {
  spec_.name = "sequence";
  spec_.num_actions = support().vocab_size;
  spec_.is_tree = true;
  spec_.max_steps = support().max_len + (support().ends_by_length ? 0 : 1);
  spec_.stop_actions = support().stop_ids;
  if (!support().stop_ids.empty()) stops_S_ = IndexTensor(support().stop_ids);
}

State SequenceEnvironment::Initial(const std::vector<ConditionId>& conditions_B) const {
  const int64_t B = static_cast<int64_t>(conditions_B.size());
  at::Tensor condition_B = at::empty({B}, at::kLong);
  for (int64_t b = 0; b < B; ++b) condition_B.mutable_data_ptr<int64_t>()[b] = conditions_.Index(conditions_B[b]);
  State state(at::zeros({B}, at::kBool));
  state.Set("condition", condition_B);
  state.Set("tokens", at::full({B, spec_.max_steps}, -1, at::kLong));
  state.Set("length", at::zeros({B}, at::kLong));
  return state;
}

State SequenceEnvironment::Step(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  const at::Tensor live_B = state.done_B().logical_not();
  const at::Tensor place_B1 = state.Get("length").clamp_max(spec_.max_steps - 1).unsqueeze(1);
  const at::Tensor written = state.Get("tokens").scatter(1, place_B1, actions_B.unsqueeze(1));
  State next = state;
  next.Set("tokens", at::where(live_B.unsqueeze(1), written, state.Get("tokens")));
  next.Set("length", state.Get("length") + live_B.to(at::kLong));
  const at::Tensor ends_B = stops_S_.defined() ? at::isin(actions_B, stops_S_) : next.Get("length").ge(spec_.max_steps);
  next.SetDone(state.done_B().logical_or(ends_B));
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
  const int64_t B = state.batch_size(), V = support().vocab_size;
  const at::Tensor tokens_BM = state.Get("tokens").contiguous(), length_B = state.Get("length").contiguous();
  const at::Tensor condition_B = state.Get("condition").contiguous(), done_B = state.done_B().contiguous();
  Support result;
  result.num_actions = V;
  result.stops_S = stops_S_;
  result.vocabulary_A = rules_->vocabulary_V();
  result.done_B = state.done_B();
  result.inner_legal_B = at::zeros({B}, at::kBool);
  if (stops_S_.defined()) result.stop_legal_B = at::zeros({B}, at::kBool);
  for (int64_t b = 0; b < B; ++b) {
    if (done_B.const_data_ptr<bool>()[b]) continue;
    const int64_t* row = tokens_BM.const_data_ptr<int64_t>() + b * spec_.max_steps;
    const std::vector<int32_t> tokens(row, row + length_B.const_data_ptr<int64_t>()[b]);
    const ConditionId id = conditions_.ids()[condition_B.const_data_ptr<int64_t>()[b]];
    const TokenChoice choice = rules_->After(conditions_.Get(id), tokens);
    result.inner_legal_B.mutable_data_ptr<bool>()[b] = choice.token_class != TokenChoice::kNone;
    if (choice.stop_legal) result.stop_legal_B.mutable_data_ptr<bool>()[b] = true;
    if (choice.forced != TokenChoice::kNone) {
      if (!result.forced_B.defined()) result.forced_B = at::full({B}, -1, at::kLong);
      result.forced_B.mutable_data_ptr<int64_t>()[b] = choice.forced;
    } else if (choice.token_class != TokenChoice::kNone && rules_->IsNarrow(choice.token_class)) {
      // Most steps of most rules need no [B, V].
      if (!result.mask_BA.defined()) result.mask_BA = at::ones({B, V}, at::kBool);
      result.mask_BA[b].copy_(rules_->class_V(choice.token_class));
    }
  }
  return result;
}

std::vector<std::vector<TokenChoice>> SequenceEnvironment::SupportAlong(const TrajectoryBatch& batch) const {
  const TokenTrajectories trajectories(batch, support().ends_by_length);
  std::vector<std::vector<TokenChoice>> along;
  for (int64_t b = 0; b < batch.size(); ++b) {
    along.push_back(rules_->Along(conditions_.Get(batch.condition_ids[b]), trajectories.inner[b]));
  }
  return along;
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
