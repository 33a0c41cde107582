#include "tasks/text/reward_terms.h"

#include <algorithm>
#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "llm/gfn/trajectory_tokens.h"
#include "tasks/text/command_term.h"
#include "tasks/text/pattern_term.h"
#include "tasks/text/text_data.h"

namespace gfn {
namespace {

class Length : public TextTerm {
 public:
  StatusOr<std::vector<double>> Values(const std::vector<EndedText>& texts) const override {
    std::vector<double> values;
    for (const EndedText& text : texts) values.push_back(static_cast<double>(text.inner.size()));
    return values;
  }
  std::string Digest() const override { return "number of tokens"; }
};

class Integer : public TextTerm {
 public:
  explicit Integer(const IntegerTerm& config) : config_(config) {}
  StatusOr<std::vector<double>> Values(const std::vector<EndedText>& texts) const override {
    std::vector<double> values;
    for (const EndedText& text : texts) {
      const bool is_one = ExactInteger(config_, text.text).has_value();
      values.push_back(is_one ? config_.match : OtherwiseOf(config_.otherwise, config_.per_token, text));
    }
    return values;
  }
  std::string Digest() const override {
    return "integer " + std::to_string(config_.low) + " to " + std::to_string(config_.high) + ": " + FormatReal(config_.match) +
           ", otherwise " + FormatReal(config_.otherwise) + (config_.per_token ? " a token" : "");
  }

 private:
  IntegerTerm config_;
};

}  // namespace

std::optional<int64_t> ExactInteger(const IntegerTerm& term, std::string_view text) {
  const std::optional<int64_t> value = ParseInt(text);
  if (!value || *value < term.low || *value > term.high || std::to_string(*value) != text) return std::nullopt;
  return value;
}

double OtherwiseOf(double otherwise, bool per_token, const EndedText& text) {
  return otherwise * (per_token ? static_cast<double>(std::max<size_t>(1, text.inner.size())) : 1.0);
}

std::string RewardTermName(const RewardTermConfig& term) {
  return std::visit([]<class T>(const T& of) { return of.name.empty() ? std::string(T::kKind) : of.name; }, term);
}

double LikelihoodWeight(const std::vector<RewardTermConfig>& terms) {
  double weight = 0;
  for (const RewardTermConfig& term : terms) {
    if (const auto* likelihood = std::get_if<LikelihoodTerm>(&term)) weight += likelihood->weight;
  }
  return weight;
}

StatusOr<std::vector<NamedTextTerm>> MakeTextTerms(const std::vector<RewardTermConfig>& terms, const Tokenizer& tokenizer) {
  std::vector<NamedTextTerm> made;
  for (const RewardTermConfig& config : terms) {
    NamedTextTerm named{RewardTermName(config), std::visit([](const auto& of) { return of.weight; }, config), nullptr};
    if (std::holds_alternative<LengthTerm>(config)) named.term = std::make_unique<Length>();
    if (const auto* pattern = std::get_if<PatternTerm>(&config)) {
      ASSIGN_OR_RETURN(named.term, MakePatternTerm(*pattern));
    }
    if (const auto* integer = std::get_if<IntegerTerm>(&config)) named.term = std::make_unique<Integer>(*integer);
    if (const auto* command = std::get_if<CommandTerm>(&config)) {
      ASSIGN_OR_RETURN(named.term, MakeCommandTerm(*command, named.name, tokenizer));
    }
    if (named.term != nullptr) made.push_back(std::move(named));
  }
  return made;
}

SumOfTermsReward::SumOfTermsReward(std::unique_ptr<const LikelihoodReward> likelihood, double likelihood_weight,
                                   const std::vector<NamedTextTerm>& terms, const SequenceEnvironment& environment,
                                   const Tokenizer& tokenizer)
    : likelihood_(std::move(likelihood)),
      likelihood_weight_(likelihood_weight),
      terms_(terms),
      environment_(environment),
      tokenizer_(tokenizer) {}

Status SumOfTermsReward::AddTerms(const TrajectoryBatch& batch, bool every_prefix, RewardValueAlong& value) const {
  const bool has_stops = !environment_.support().stop_ids.empty();
  const TokenTrajectories trajectories(batch, !has_stops);
  const int64_t B = batch.size(), T = batch.num_steps();
  std::vector<EndedText> texts;
  std::vector<int64_t> places, last(B);  // of each text in along; of each row its finished object among the texts
  for (int64_t b = 0; b < B; ++b) {
    const std::span<const int32_t> inner = trajectories.inner[b];
    const auto n = static_cast<int64_t>(inner.size());
    for (int64_t k = every_prefix && has_stops ? 0 : n; k <= n; ++k) {
      if (k < n && trajectories.stop_legal[b][k] == 0) continue;
      EndedText& text = texts.emplace_back();
      text.condition = &environment_.conditions().Get(batch.condition_ids[b]);
      text.inner = inner.first(k);
      text.stop = trajectories.stop[b];
      text.text = DecodeAsItStands(tokenizer_, {text.inner.begin(), text.inner.end()});
      places.push_back(b * T + (has_stops ? k : n - 1));
    }
    last[b] = static_cast<int64_t>(texts.size()) - 1;
  }
  double* along = value.log_reward_along_BT.mutable_data_ptr<double>();
  for (const NamedTextTerm& named : terms_) {
    ASSIGN_OR_RETURN(const std::vector<double> values, named.term->Values(texts));
    GFN_CHECK(values.size() == texts.size()) << named.name << ": " << values.size() << " values of " << texts.size() << " texts";
    for (size_t i = 0; i < texts.size(); ++i) along[places[i]] += named.weight * values[i];
    at::Tensor term_B = at::empty({B}, at::kDouble);
    for (int64_t b = 0; b < B; ++b) term_B.mutable_data_ptr<double>()[b] = named.weight * values[last[b]];
    value.terms[named.name] = term_B;
  }
  return OkStatus();
}

StatusOr<RewardValueAlong> SumOfTermsReward::LogRewardAlong(const TrajectoryBatch& batch) const {
  RewardValueAlong value;
  if (likelihood_ != nullptr) {
    ASSIGN_OR_RETURN(value, likelihood_->LogRewardAlong(batch));
    value.log_reward_along_BT = value.log_reward_along_BT.mul(likelihood_weight_).contiguous();
    for (auto& [name, term_B] : value.terms) term_B = term_B.mul(likelihood_weight_);
  } else {
    value.log_reward_along_BT = at::zeros({batch.size(), batch.num_steps()}, at::kDouble);
  }
  RETURN_IF_ERROR(AddTerms(batch, true, value));
  return value;
}

StatusOr<RewardValue> SumOfTermsReward::LogReward(const TrajectoryBatch& batch) const {
  RewardValueAlong along;
  along.log_reward_along_BT = at::zeros({batch.size(), batch.num_steps()}, at::kDouble);
  RETURN_IF_ERROR(AddTerms(batch, false, along));
  RewardValue value;
  value.log_reward_B = along.log_reward_along_BT.gather(1, (batch.lengths_B - 1).unsqueeze(1)).squeeze(1);
  value.terms = std::move(along.terms);
  if (likelihood_ != nullptr) {
    ASSIGN_OR_RETURN(RewardValue of_likelihood, likelihood_->LogReward(batch));
    value.log_reward_B += of_likelihood.log_reward_B.mul(likelihood_weight_);
    for (const auto& [name, term_B] : of_likelihood.terms) value.terms[name] = term_B.mul(likelihood_weight_);
  }
  return value;
}

std::string SumOfTermsReward::Digest() const {
  std::string digest;
  if (likelihood_ != nullptr) digest = FormatReal(likelihood_weight_) + " * (" + likelihood_->Digest() + ")";
  for (const NamedTextTerm& named : terms_)
    digest += (digest.empty() ? "" : " + ") + FormatReal(named.weight) + " * (" + named.term->Digest() + ")";
  return digest;
}

StatusOr<double> PlainTextTerms(const std::vector<NamedTextTerm>& terms, const EndedText& text) {
  double sum = 0;
  for (const NamedTextTerm& named : terms) {
    ASSIGN_OR_RETURN(const std::vector<double> values, named.term->Values({text}));
    sum += named.weight * values[0];
  }
  return sum;
}

}  // namespace gfn
