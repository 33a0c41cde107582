#include "tasks/task/curves.h"

#include <utility>

namespace gfn {

report::LineSeries Series(const std::vector<MetricsLine>& lines, const std::string& kind, const std::string& metric,
                          const std::string& name, report::Hue hue, double smoothing) {
  report::LineSeries series;
  series.name = name;
  series.hue = hue;
  series.smoothing = smoothing;
  for (const MetricsLine& line : lines) {
    const double* value = line.kind == kind ? line.metrics.Find(metric) : nullptr;
    if (value == nullptr) continue;
    series.x.push_back(static_cast<double>(line.step));
    series.y.push_back(*value);
  }
  return series;
}

report::Figure Curve(const std::string& title, const std::string& y_label, std::vector<report::LineSeries> series,
                     const std::string& how_to_read) {
  report::LineChart chart;
  chart.x.label = "optimiser step";
  chart.y.label = y_label;
  for (report::LineSeries& one : series) {
    if (!one.x.empty()) chart.series.push_back(std::move(one));
  }
  report::Figure figure;
  figure.title = title;
  figure.chart = std::move(chart);
  figure.how_to_read = how_to_read;
  figure.half_width = true;
  return figure;
}

}  // namespace gfn
