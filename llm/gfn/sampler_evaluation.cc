#include "llm/gfn/sampler_evaluation.h"

#include <cmath>

#include "gflownet/base/interval.h"
#include "gflownet/core/rollout.h"
#include "gflownet/estimate/importance.h"
#include "llm/gfn/trajectory_tokens.h"

namespace gfn {
namespace {

std::vector<double> LogWeights(const ConditionSamples& condition) {
  std::vector<double> out;
  for (const SampledText& sample : condition.samples) out.push_back(condition.LogWeight(sample));
  return out;
}

template <class F>
double MeanOf(const std::vector<SampledText>& samples, const F& value) {
  double sum = 0;
  for (const SampledText& sample : samples) sum += value(sample);
  return sum / static_cast<double>(samples.size());
}

// Rewards and policy scores of a batch as plain numbers.
StatusOr<std::vector<SampledText>> Evaluate(const SequenceEnvironment& environment, const Policy& policy, const Reward& reward,
                                            TrajectoryBatch& batch) {
  RETURN_IF_ERROR(EvaluateReward(reward, batch, false));
  const TrajectoryScores scores =
      policy.Score(batch, {.needs = Need::kLogPf, .with_grad = false, .dropout_key = {}, .dropout_streams_B = {}});
  const at::Tensor log_q = scores.log_pf_BT.to(at::kCPU, at::kDouble).sum(1).contiguous();
  const at::Tensor log_reward = batch.log_reward_B.to(at::kCPU, at::kDouble).contiguous();
  const TokenTrajectories tokens(batch, environment.support().ends_by_length);
  std::vector<SampledText> out;
  for (int64_t b = 0; b < batch.size(); ++b) {
    out.push_back({.tokens = tokens.inner[b],
                   .stop = tokens.stop[b],
                   .log_q = log_q.const_data_ptr<double>()[b],
                   .log_reward = log_reward.const_data_ptr<double>()[b]});
    for (const auto& [name, term_B] : batch.reward_terms) out.back().terms[name] = term_B[b].item<double>();
  }
  return out;
}

}  // namespace

double ConditionSamples::Elbo() const {
  return MeanOf(samples, [this](const SampledText& s) { return LogWeight(s); });
}
double ConditionSamples::IwBound() const { return LogMeanWeight(LogWeights(*this)).mean; }
double ConditionSamples::MeanLogReward() const {
  return MeanOf(samples, [](const SampledText& s) { return s.log_reward; });
}
double ConditionSamples::MeanLength() const {
  return MeanOf(samples, [](const SampledText& s) { return static_cast<double>(s.tokens.size()); });
}

double ConditionSamples::Ess() const { return EffectiveSampleSize(LogWeights(*this)); }
double ConditionSamples::Spread() const { return samples.size() < 2 ? 0.0 : std::sqrt(SampleVariance(LogWeights(*this))); }

StatusOr<std::vector<ConditionSamples>> SampleConditions(const SequenceEnvironment& environment, const Policy& policy,
                                                         const Reward& reward, const std::vector<ConditionId>& conditions,
                                                         const SamplerEvaluationOptions& options) {
  at::NoGradGuard no_grad;
  std::vector<ConditionSamples> out;
  std::vector<RolloutRow> rows;
  std::vector<size_t> owner;
  const auto flush = [&]() -> Status {
    if (rows.empty()) return OkStatus();
    if (options.stop_requested && options.stop_requested()) return Cancelled("stopped while samples were drawn");
    ASSIGN_OR_RETURN(TrajectoryBatch batch, Rollout(environment, policy, rows, options.key));
    ASSIGN_OR_RETURN(const std::vector<SampledText> texts, Evaluate(environment, policy, reward, batch));
    for (size_t i = 0; i < texts.size(); ++i) out[owner[i]].samples.push_back(texts[i]);
    rows.clear();
    owner.clear();
    return OkStatus();
  };
  for (size_t c = 0; c < conditions.size(); ++c) {
    out.push_back({conditions[c], {}, options.temperature});
    for (int64_t n = 0; n < options.num_samples; ++n) {
      rows.push_back({conditions[c], (static_cast<uint64_t>(c) << 32) + static_cast<uint64_t>(options.first_sample + n),
                      options.exploration});
      owner.push_back(c);
      if (static_cast<int64_t>(rows.size()) == options.batch_rows) RETURN_IF_ERROR(flush());
    }
  }
  RETURN_IF_ERROR(flush());
  return out;
}

StatusOr<TrajectoryBatch> MakeTokenBatch(const SequenceEnvironment& environment, const std::vector<ConditionId>& conditions,
                                         const std::vector<std::vector<int32_t>>& tokens_with_stop) {
  const int64_t B = static_cast<int64_t>(conditions.size());
  size_t longest = 1;
  for (const auto& tokens : tokens_with_stop) longest = std::max(longest, tokens.size());
  TrajectoryBatch batch;
  batch.condition_ids = conditions;
  batch.actions_BT = at::zeros({B, static_cast<int64_t>(longest)}, at::kLong);
  batch.lengths_B = at::zeros({B}, at::kLong);
  for (int64_t b = 0; b < B; ++b) {
    std::copy(tokens_with_stop[b].begin(), tokens_with_stop[b].end(),
              batch.actions_BT.mutable_data_ptr<int64_t>() + b * static_cast<int64_t>(longest));
    batch.lengths_B.mutable_data_ptr<int64_t>()[b] = static_cast<int64_t>(tokens_with_stop[b].size());
  }
  RETURN_IF_ERROR(CompleteBatch(environment, batch));
  return batch;
}

StatusOr<std::vector<SampledText>> ScoreTexts(const SequenceEnvironment& environment, const Policy& policy, const Reward& reward,
                                              const std::vector<ConditionId>& conditions,
                                              const std::vector<std::vector<int32_t>>& tokens_with_stop) {
  at::NoGradGuard no_grad;
  ASSIGN_OR_RETURN(TrajectoryBatch batch, MakeTokenBatch(environment, conditions, tokens_with_stop));
  return Evaluate(environment, policy, reward, batch);
}

}  // namespace gfn
