// Curves of a report from the lines of metrics.jsonl.
#pragma once

#include <string>
#include <vector>

#include "gflownet/train/metrics.h"
#include "report/report.h"

namespace gfn {

// One metric of the lines of a kind ("train", "eval") by step; `smoothing` as in report::LineSeries.
report::LineSeries Series(const std::vector<MetricsLine>& lines, const std::string& kind, const std::string& metric,
                          const std::string& name, report::Hue hue, double smoothing);

// A figure of half width over the optimiser steps; series without values are left out.
report::Figure Curve(const std::string& title, const std::string& y_label, std::vector<report::LineSeries> series,
                     const std::string& how_to_read);

}  // namespace gfn
