// The numbers of an evaluation's record, whatever task wrote it.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace gfn {

// Those of the trained sampler: of a text task the means of its row, of a world all metrics.
std::map<std::string, double> MetricsOfEvaluation(const nlohmann::json& numbers);

}  // namespace gfn
