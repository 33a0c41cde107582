// Samplers side by side on the examples of one file: the trained one, the fixed untrained template, and the base model that
// reads x alone, over the same support.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "gflownet/base/interval.h"
#include "report/report.h"
#include "tasks/infill/infill_parts.h"

namespace gfn {

// One sampler: per example its samples, and per metric one number an example (so that samplers can be paired).
struct SamplerResult {
  std::string name;  // trained, untrained, left_context
  std::vector<ConditionSamples> conditions;
  std::map<std::string, std::vector<double>> metrics;
};

struct EvaluationResult {
  InfillSplit split;
  int64_t num_samples = 0;
  std::vector<SamplerResult> samplers;

  const SamplerResult& Get(const std::string& name) const;
  // The better of the two fixed baselines by mean ELBO.
  const SamplerResult& BetterBaseline() const;
};

StatusOr<EvaluationResult> EvaluateSamplers(InfillParts& parts, const std::string& data, int64_t num_samples,
                                            int64_t max_conditions);

// {"samplers": {name: {metric: {"mean", "ci95": [low, high]}}}, "paired": {...}, ...}
nlohmann::json EvaluationToJson(const EvaluationResult& result);
// The table for a terminal and for the report.
report::Table EvaluationTable(const EvaluationResult& result);
// A few conditions with samples of the untrained and the trained sampler.
std::vector<report::SampleCard> SampleCards(const InfillParts& parts, const EvaluationResult& result, size_t num_cards,
                                            size_t num_samples);

}  // namespace gfn
