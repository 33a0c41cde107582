// Tables and pictures of a world's sampler.
#pragma once

#include <nlohmann/json.hpp>

#include "gflownet/train/metrics.h"
#include "report/report.h"
#include "tasks/task/task.h"
#include "tasks/world/world_metrics.h"

namespace gfn {

// For the terminal: a row a metric.
report::Table WorldTable(const World& world, const StepMetrics& metrics, const WorldMeasurement& measurement);

// How good the sampler is of every condition: an object each, with its "condition", the sampled bounds, and where they are exact
// total_variation, jensen_shannon and exact_log_z. Everywhere else a metric is the mean of these.
nlohmann::json WorldConditions(const World& world, const WorldMeasurement& measurement);

// A calibration shows at most so many points.
inline constexpr int64_t kMostPoints = 1500;

// What the report draws: the learned and the true distribution of every condition (of twelve, evenly chosen, where there are
// more), and log q against log R of all of them.
nlohmann::json WorldPictures(const World& world, const std::vector<ExactTruth>& truth, const WorldMeasurement& measurement,
                             double temperature);

// Headlines and sections, from metrics.jsonl and the record of the last evaluation.
void ReportWorld(const RunRecord& record, report::Report& page);

}  // namespace gfn
