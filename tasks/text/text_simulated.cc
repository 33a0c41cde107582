#include "tasks/text/text_simulated.h"

#include <cmath>

#include "gflownet/decoding/decoding.h"
#include "gflownet/estimate/importance.h"
#include "tasks/text/text_metrics.h"

namespace gfn {
namespace {

// Why draws of the frozen model are no draws of the target; "" if they are.
std::string WhyNotExact(const TextParts& parts) {
  const TextConfig& task = parts.config();
  const bool is_likelihood = task.reward.size() == 1 && std::holds_alternative<LikelihoodTerm>(task.reward[0]) &&
                             LikelihoodWeight(task.reward) == 1 && parts.kind->RivalPenalty() == 0;
  if (!is_likelihood) return "task.reward is another one than the likelihood alone";
  if (parts.answer_model != nullptr) return "p(y | x z) is fitted (task.answer_model)";
  if (parts.kind->EvaluationTemperature(parts.settings) != 1) return "the target is at another temperature than 1";
  return "";
}

std::map<std::string, double> TwoSided(const ConditionSamples& samples, const SampledText& exact) {
  std::vector<double> log_w;
  for (const SampledText& sample : samples.samples) log_w.push_back(samples.LogWeight(sample));
  std::map<std::string, double> metrics;
  metrics["elbo"] = samples.Elbo();
  metrics["iw_bound"] = LogMeanWeight(log_w).mean;
  metrics["eubo"] = samples.LogWeight(exact);
  log_w[0] = metrics["eubo"];
  metrics["iw_upper"] = LogMeanWeight(log_w).mean;
  metrics["kl_q_p"] = metrics["iw_upper"] - metrics["elbo"];
  metrics["kl_q_p_least"] = metrics["iw_bound"] - metrics["elbo"];
  metrics["kl_p_q"] = metrics["eubo"] - metrics["iw_bound"];
  metrics["kl_p_q_least"] = metrics["eubo"] - metrics["iw_upper"];
  return metrics;
}

}  // namespace

StatusOr<EvaluationResult> EvaluateSimulated(TextParts& parts, const std::vector<TextExample>& examples, int64_t num_samples,
                                             int64_t max_conditions) {
  if (const std::string why = WhyNotExact(parts); !why.empty())
    return InvalidArgument("--simulated: the frozen model draws no exact samples of this target: " + why);
  const int64_t wanted = max_conditions > 0 ? max_conditions : static_cast<int64_t>(examples.size());
  ASSIGN_OR_RETURN(const std::vector<ExactDraw> draws, parts.kind->ExactDraws(parts, examples, wanted));
  EvaluationResult result;
  result.num_samples = num_samples;
  for (const ExactDraw& draw : draws) result.examples.push_back(draw.example);
  SamplerEvaluationOptions options = EvaluationOptions(parts);
  options.num_samples = num_samples;
  options.key = {static_cast<uint64_t>(parts.settings.seed), RngPurpose::kEval, 2};
  const auto add = [&](const std::string& name, const std::string& prompt, const Policy& policy) -> Status {
    std::vector<ConditionId> conditions;
    std::vector<std::vector<int32_t>> objects;
    for (const ExactDraw& draw : draws) {
      ASSIGN_OR_RETURN(SequenceCondition condition, parts.kind->Encode(*parts.tokenizer, prompt, draw.example));
      condition.y = draw.y;
      ASSIGN_OR_RETURN(const ConditionId id, InsertCondition(parts.conditions, std::move(condition)));
      conditions.push_back(id);
      objects.push_back(draw.tokens);
    }
    SamplerResult& sampler = result.samplers.emplace_back();
    sampler.name = name;
    sampler.prompt = prompt;
    ASSIGN_OR_RETURN(sampler.conditions, SampleConditions(*parts.environment, policy, *parts.reward, conditions, options));
    ASSIGN_OR_RETURN(const std::vector<SampledText> exact,
                     ScoreTexts(*parts.environment, policy, *parts.reward, conditions, objects));
    for (size_t c = 0; c < conditions.size(); ++c) {
      for (const auto& [metric, value] : TwoSided(sampler.conditions[c], exact[c])) sampler.metrics[metric].push_back(value);
    }
    return OkStatus();
  };
  RETURN_IF_ERROR(add("trained", parts.config().prompt, *parts.policy));
  for (const TextBaseline& baseline : parts.config().baselines) {
    const Policy& policy = baseline.proposal == Proposal::kTrained ? *parts.policy : *parts.untrained;
    // Methods without a density have no such numbers.
    if (HasDensity(baseline.method)) RETURN_IF_ERROR(add(baseline.name, baseline.prompt, policy));
  }
  return result;
}

}  // namespace gfn
