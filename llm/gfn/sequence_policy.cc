#include "llm/gfn/sequence_policy.h"

#include <algorithm>
#include <optional>

#include "gflownet/base/check.h"
#include "gflownet/base/digest.h"
#include "gflownet/base/phase.h"
#include "gflownet/tensor/categorical.h"
#include "llm/generate/decode_session.h"
#include "llm/gfn/device_rollout.h"
#include "llm/gfn/token_rows.h"
#include "llm/gfn/trajectory_tokens.h"

namespace gfn {
namespace {

// A hash of each row's bits, never 0. float [R, C] on the CPU -> int64 [R]
at::Tensor HashRows(const at::Tensor& values_RC) {
  const at::Tensor values = values_RC.detach().contiguous();
  const size_t row_bytes = static_cast<size_t>(values.size(1) * values.element_size());
  const auto* data = static_cast<const std::byte*>(values.const_data_ptr());
  at::Tensor hashes_R = at::empty({values.size(0)}, at::kLong);
  for (int64_t r = 0; r < values.size(0); ++r) {
    hashes_R.mutable_data_ptr<int64_t>()[r] = static_cast<int64_t>(HashBytes({data + r * row_bytes, row_bytes}) | 1);
  }
  return hashes_R;
}

class SequenceSession : public RolloutSession {
 public:
  SequenceSession(const LanguageModel& model, const Adapter* adapter, const ParameterSet* parameters,
                  const SequenceEnvironment& environment, const std::vector<std::vector<int32_t>>& prompts,
                  const std::vector<int32_t>& prompt_of_row)
      : decoder_(model, adapter, prompts, prompt_of_row, static_cast<int32_t>(environment.support().max_len)),
        environment_(environment),
        parameters_(parameters),
        version_(parameters != nullptr ? parameters->version() : 0) {}

  at::Tensor Logits(const State&) override {
    GFN_CHECK(parameters_ == nullptr || parameters_->version() == version_) << "the adapter changed during a rollout";
    return decoder_.Logits();
  }
  at::Tensor Fingerprints() override { return decoder_.model().KeepsBits() ? HashRows(decoder_.Hidden()) : at::Tensor(); }
  void Advance(const at::Tensor& actions_N) override {
    const at::Tensor actions = actions_N.to(at::kCPU).contiguous();
    const int64_t* data = actions.const_data_ptr<int64_t>();
    decoder_.Advance(std::vector<int32_t>(data, data + actions.numel()));
  }
  void Keep(const at::Tensor& rows_M) override {
    const at::Tensor rows = rows_M.to(at::kCPU).contiguous();
    decoder_.Keep({rows.const_data_ptr<int64_t>(), static_cast<size_t>(rows.numel())});
  }
  bool MayRepeatRows() const override { return true; }

  // On the host rows leave when they are done, which saves more than it costs; a device would wait for the host at each step.
  std::optional<StatusOr<WholeRollout>> SampleWhole(const std::vector<RolloutRow>& rows_B, const RngKey& key) override {
    if (decoder_.model().device().is_cpu() || !WhyNotOnDevice(environment_, rows_B).empty()) return std::nullopt;
    return SampleOnDevice(decoder_, environment_, rows_B, key);
  }

 private:
  DecodeSession decoder_;
  const SequenceEnvironment& environment_;
  const ParameterSet* parameters_;
  uint64_t version_;
};

}  // namespace

SequencePolicy::SequencePolicy(const LanguageModel& model, const Adapter* adapter, const ParameterSet* parameters,
                               const SequenceEnvironment& environment, PromptSource source, bool share_prefixes)
    : model_(model),
      adapter_(adapter),
      parameters_(parameters),
      environment_(environment),
      source_(source),
      share_prefixes_(share_prefixes) {}

Needs SequencePolicy::Provides() const {
  Needs needs = Need::kLogPf;
  if (!environment_.support().stop_ids.empty()) needs = needs | Need::kLogStop;
  return model_.KeepsBits() ? needs | Need::kFingerprint : needs;
}

const std::vector<int32_t>& SequencePolicy::Prompt(ConditionId id) const {
  const SequenceCondition& condition = environment_.conditions().Get(id);
  return source_ == PromptSource::kPrompt ? condition.prompt : condition.x;
}

std::unique_ptr<RolloutSession> SequencePolicy::StartRollout(const std::vector<ConditionId>& conditions_B) const {
  const Grouping grouping = GroupRows(conditions_B);
  std::vector<std::vector<int32_t>> prompts;
  for (const ConditionId id : grouping.conditions) prompts.push_back(Prompt(id));
  const std::vector<int32_t> prompt_of_row(grouping.group_of_row.begin(), grouping.group_of_row.end());
  return std::make_unique<SequenceSession>(model_, adapter_, parameters_, environment_, prompts, prompt_of_row);
}

HeadScores SequencePolicy::ScoreRows(const at::Tensor& hidden_RC, const std::vector<int64_t>& targets,
                                     const std::map<int32_t, std::set<int64_t>>& class_rows) const {
  const TokenRules& rules = environment_.rules();
  const std::vector<int64_t>& stop_ids = rules.support().stop_ids;
  HeadScores head = ScoreHead(model_, hidden_RC, {targets, stop_ids, rules.class_V(0)});
  // Only the normaliser is another one where another class is legal.
  for (const auto& [token_class, members] : class_rows) {
    const at::Tensor rows = IndexTensor({members.begin(), members.end()}).to(hidden_RC.device());
    const std::vector<int64_t> no_targets(members.size(), -1);
    const HeadScores other =
        ScoreHead(model_, hidden_RC.index_select(0, rows), {no_targets, stop_ids, rules.class_V(token_class)});
    head.log_norm_R = head.log_norm_R.index_copy(0, rows, other.log_norm_R);
  }
  return head;
}

TrajectoryScores SequencePolicy::Score(const TrajectoryBatch& batch, const ScoreOptions& options) const {
  GFN_CHECK(Provides().Covers(options.needs)) << "asked for " << options.needs.Without(Provides()).ToString();
  at::AutoGradMode grad_mode(options.with_grad);
  const TokenRules& rules = environment_.rules();
  const bool has_stops = !rules.support().stop_ids.empty();
  const TokenTrajectories trajectories(batch, rules.support().ends_by_length);
  const std::vector<std::vector<TokenChoice>> along = environment_.SupportAlong(batch);
  const Grouping grouping = GroupRows(batch.condition_ids);
  const int64_t B = batch.size(), T = batch.num_steps();

  // The forest: one root a condition, rollouts behind it. Tokens are read up to the last action that is not certain.
  Forest forest;
  std::vector<int32_t> roots;
  for (const ConditionId id : grouping.conditions) roots.push_back(forest.AddRoot(Prompt(id)));
  std::vector<std::vector<Forest::Place>> places(B);
  for (int64_t b = 0; b < B; ++b) {
    const int32_t root = roots[grouping.group_of_row[b]];
    size_t num_read = along[b].size();
    while (num_read > 0 && rules.IsCertain(along[b][num_read - 1])) --num_read;
    if (num_read > 0) --num_read;  // the last such action is scored, not read
    const std::span<const int32_t> read(trajectories.inner[b].data(), num_read);
    const int32_t root_len = static_cast<int32_t>(forest.segments()[root].tokens.size());
    places[b] = forest.AddPath(root, root_len, read, share_prefixes_);
  }
  const PackedForest packed = PackForest(forest);

  // One row of the head for each action (b, k) that is not certain: the action's logit, the stops', the inner normaliser.
  TokenRows head_rows;
  std::map<int32_t, std::set<int64_t>> class_rows;
  std::vector<int64_t> row_of_entry(B * T, 0), stop_of_row(B, 0);
  at::Tensor decided_BT = at::zeros({B, T}, at::kBool), is_stop_BT = at::zeros({B, T}, at::kBool);
  at::Tensor inner_legal_BT = at::zeros({B, T}, at::kBool), stop_legal_BT = at::zeros({B, T}, at::kBool);
  at::Tensor illegal_BT;
  for (int64_t b = 0; b < B; ++b) {
    const auto& z = trajectories.inner[b];
    const int64_t n = static_cast<int64_t>(z.size());
    if (has_stops) {
      stop_of_row[b] = rules.StopIndex(trajectories.stop[b]);
      GFN_CHECK_GE(stop_of_row[b], 0) << "token " << trajectories.stop[b] << " is no stop";
    }
    for (int64_t k = 0; k < static_cast<int64_t>(along[b].size()); ++k) {
      const TokenChoice& choice = along[b][k];
      if (!rules.Allows(choice, k < n ? z[k] : trajectories.stop[b])) {
        if (!illegal_BT.defined()) illegal_BT = at::zeros({B, T}, at::kBool);
        illegal_BT.mutable_data_ptr<bool>()[b * T + k] = true;
      }
      if (rules.IsCertain(choice)) continue;
      const int32_t root = roots[grouping.group_of_row[b]];
      const int64_t position = k == 0 ? packed.starts[root] + static_cast<int64_t>(forest.segments()[root].tokens.size()) - 1
                                      : packed.Position(places[b][k - 1]);
      row_of_entry[b * T + k] = head_rows.Add(position, k < n ? z[k] : -1);
      if (choice.token_class > 0) class_rows[choice.token_class].insert(row_of_entry[b * T + k]);
      decided_BT.mutable_data_ptr<bool>()[b * T + k] = true;
      is_stop_BT.mutable_data_ptr<bool>()[b * T + k] = k == n;
      inner_legal_BT.mutable_data_ptr<bool>()[b * T + k] = choice.token_class != TokenChoice::kNone;
      stop_legal_BT.mutable_data_ptr<bool>()[b * T + k] = choice.stop_legal;
    }
  }
  TrajectoryScores scores;
  SetGroups(batch, model_.device(), scores);
  // Of an action that the rules do not allow, q is 0: nobody draws such a batch by the same rules.
  const auto without_illegal = [&](const at::Tensor& log_pf_BT) {
    return illegal_BT.defined() ? log_pf_BT.masked_fill(illegal_BT.to(log_pf_BT.device()), -INFINITY) : log_pf_BT;
  };
  if (head_rows.positions.empty()) {  // every action is certain, as in the empty sequence with a single stop
    const at::Tensor zeros_BT = at::zeros({B, T}, at::TensorOptions().dtype(model_.activation_type()).device(model_.device()));
    scores.log_pf_BT = without_illegal(zeros_BT);
    if (has_stops) scores.log_stop_BT = zeros_BT;
    if (options.needs.Has(Need::kFingerprint)) scores.fingerprint_BT = zeros_BT.to(at::kLong);
    return scores;
  }
  AddPhaseWork("positions", static_cast<double>(packed.num_tokens()));
  AddPhaseWork("head_rows", static_cast<double>(head_rows.positions.size()));
  std::optional<RngKey> dropout_key;
  if (options.with_grad && adapter_ != nullptr && adapter_->dropout > 0) dropout_key = options.dropout_key;
  const at::Tensor hidden = model_.Forward(packed, head_rows.positions,
                                           {.adapter = adapter_, .with_grad = options.with_grad, .dropout_key = dropout_key});
  const HeadScores head = ScoreRows(hidden, head_rows.targets, class_rows);

  // From rows to entries: log q = logit - log(sum over legal inner tokens + sum over stops where legal).
  const at::Device device = hidden.device();
  const auto to_device = [&](const at::Tensor& x) { return x.to(device); };
  const at::Tensor entry = to_device(IndexTensor(row_of_entry));
  const auto expand = [&](const at::Tensor& row_values) { return row_values.index_select(0, entry).view({B, T}); };
  const at::Tensor decided = to_device(decided_BT), log_norm_inner_BT = expand(head.log_norm_R);
  const at::Tensor zero = at::zeros({}, hidden.options());
  if (!has_stops) {
    scores.log_pf_BT = without_illegal(at::where(decided, expand(head.logit_target_R) - log_norm_inner_BT, zero));
  } else {
    const at::Tensor stop_index_B1 = to_device(IndexTensor(stop_of_row)).unsqueeze(1);
    const at::Tensor logit_stop_BT = head.logit_stop_RS.index_select(0, entry)
                                         .view({B, T, -1})
                                         .gather(2, stop_index_B1.unsqueeze(1).expand({B, T, 1}))
                                         .squeeze(2);
    const at::Tensor is_stop = to_device(is_stop_BT), stop_legal = to_device(stop_legal_BT);
    const at::Tensor log_norm_stop_BT = expand(LogSumExp(head.logit_stop_RS));
    const at::Tensor both = at::logaddexp(log_norm_inner_BT, log_norm_stop_BT);
    const at::Tensor log_norm_BT =
        at::where(to_device(inner_legal_BT), at::where(stop_legal, both, log_norm_inner_BT), log_norm_stop_BT);
    scores.log_pf_BT =
        without_illegal(at::where(decided, at::where(is_stop, logit_stop_BT, expand(head.logit_target_R)) - log_norm_BT, zero));
    scores.log_stop_BT = at::where(decided.logical_and(stop_legal), logit_stop_BT - log_norm_BT, zero);
  }
  if (options.needs.Has(Need::kFingerprint)) scores.fingerprint_BT = at::where(decided, expand(HashRows(hidden)), 0);
  return scores;
}

}  // namespace gfn
