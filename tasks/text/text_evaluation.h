// Samplers side by side on the examples of one file: the trained one, and the configuration's baselines over the same support.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "gflownet/base/interval.h"
#include "report/report.h"
#include "tasks/text/text_parts.h"

namespace gfn {

// One sampler: per example its samples, and per metric one number an example (so that samplers can be paired).
struct SamplerResult {
  std::string name;  // "trained", or that of a baseline
  std::string prompt;
  std::vector<ConditionSamples> conditions;
  std::map<std::string, std::vector<double>> metrics;
  std::vector<nlohmann::json> pictures;  // of the examples that the kind says something of
  double tokens_per_sample = 0;          // drawn or weighed by the model that proposes; those of the reward besides
  double seconds_per_sample = 0;         // with the reward, on this machine
};

struct EvaluationResult {
  std::vector<TextExample> examples;
  int64_t num_samples = 0;
  double temperature = 1;               // of the target
  std::vector<SamplerResult> samplers;  // the trained one first

  const SamplerResult& Trained() const { return samplers.front(); }
  // The best of the fixed baselines by mean ELBO; of those without one, which have no density, the first.
  const SamplerResult& BestBaseline() const;
};

// Of the first max_conditions examples; 0: all.
StatusOr<EvaluationResult> EvaluateSamplers(TextParts& parts, std::vector<TextExample> examples, int64_t num_samples,
                                            int64_t max_conditions);

// {"order": [names], "prompts": {name: prompt}, "samplers": {name: {metric: {"mean", "ci95": [low, high]}}}, "paired": {...},
// ...}
nlohmann::json EvaluationToJson(const EvaluationResult& result);
// The table for a terminal and for the report, from those numbers.
report::Table EvaluationTable(const TextKind& kind, const nlohmann::json& evaluation);
// The interval of a metric in them.
Interval IntervalOf(const nlohmann::json& metric, const nlohmann::json& evaluation);
// The names of the samplers in them, the trained one first.
std::vector<std::string> SamplerNames(const nlohmann::json& evaluation);
// A few conditions with samples of the first baseline and of the trained sampler.
std::vector<report::SampleCard> SampleCards(const TextParts& parts, const EvaluationResult& result, size_t num_cards,
                                            size_t num_samples);

}  // namespace gfn
