// The numbers of a sampler: the one list that evaluations, training's lines, the table and the report are made from.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tasks/text/text_parts.h"

namespace gfn {

// How evaluations of these parts sample; the caller sets key and number of samples if it wants others than the run's.
SamplerEvaluationOptions EvaluationOptions(const TextParts& parts);

// The shared metrics and the kind's own, in the order of the table.
std::vector<TextMetric> TextMetrics(const TextKind& kind);

// Those of one example, of samples that `policy` drew; `has_density`: each as often as it says. One that makes no sense (BLEU
// without a reference, bounds without a density) is absent.
StatusOr<Measured> MeasureExample(const TextParts& parts, const TextExample& example, const Policy& policy,
                                  const ConditionSamples& samples, bool has_density = true);

// Means over conditions, at least one, of the shared metrics that training writes down, in their order.
std::vector<std::pair<std::string, double>> TrainingMetrics(const std::vector<ConditionSamples>& conditions);

}  // namespace gfn
