// Pictures of what a world learns besides its sampler, from the record of an evaluation and the run's metrics.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "gflownet/train/metrics.h"
#include "report/report.h"

namespace gfn {

std::vector<report::Figure> LearnerFigures(const nlohmann::json& record, const std::vector<MetricsLine>& lines);

}  // namespace gfn
