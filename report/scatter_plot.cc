#include <algorithm>

#include "gflownet/base/check.h"
#include "report/plot_frame.h"
#include "report/svg_plot.h"

namespace gfn::report {
namespace {

// Many points are drawn lighter, so that their density shows.
std::string DensityClass(size_t num_points) { return num_points > 400 ? "sparse" : num_points > 100 ? "light" : ""; }

void DrawUnitLine(const ScatterChart& chart, const PlotFrame& frame, Markup* svg) {
  GFN_CHECK(!chart.x.log_scale && !chart.y.log_scale) << "y = x + c is drawn on linear axes only";
  const Range& x = frame.x_scale().range;
  const double offset = *chart.unit_line_offset;
  svg->Leaf("line", {{"x1", Px(frame.X(x.low))},
                     {"y1", Px(frame.Y(x.low + offset))},
                     {"x2", Px(frame.X(x.high))},
                     {"y2", Px(frame.Y(x.high + offset))},
                     {"class", "unit"}});
}

}  // namespace

Drawing Draw(const ScatterChart& chart, const PlotSize& size) {
  Drawing drawing;
  RangeBuilder x(chart.x), y(chart.y);
  size_t num_points = 0;
  const auto drawable = [&](const ScatterSeries& s, size_t i) {
    return IsDrawable(s.x[i], chart.x.log_scale) && IsDrawable(s.y[i], chart.y.log_scale);
  };
  for (const ScatterSeries& series : chart.series) {
    GFN_CHECK_EQ(series.x.size(), series.y.size()) << "values of '" << series.name << "'";
    GFN_CHECK(series.labels.empty() || series.labels.size() == series.x.size()) << "labels of '" << series.name << "'";
    num_points += series.x.size();
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (!drawable(series, i)) {
        ++drawing.num_undrawable;
        continue;
      }
      x.Add(series.x[i]);
      y.Add(series.y[i]);
      drawing.num_cut_off += x.CutsOff(series.x[i]) || y.CutsOff(series.y[i]) ? 1 : 0;
    }
  }
  const bool empty = static_cast<size_t>(drawing.num_undrawable) == num_points;
  const PlotFrame frame(size, MakeFrameAxis(chart.x, x, 0.03, false), MakeFrameAxis(chart.y, y, 0.03, false));
  frame.Open(&drawing.svg);
  const bool has_unit_line = chart.unit_line_offset.has_value() && IsDrawable(*chart.unit_line_offset, false);
  if (has_unit_line) DrawUnitLine(chart, frame, &drawing.svg);
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const ScatterSeries& series = chart.series[s];
    const std::string hue = HueClass(series.hue, s);
    drawing.svg.Open("g", {{"class", "points " + hue + " " + DensityClass(num_points)}});
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (!drawable(series, i)) continue;
      AppendMarker(frame.X(series.x[i]), frame.Y(series.y[i]), static_cast<int>(s), series.labels.empty() ? "" : series.labels[i],
                   &drawing.svg);
    }
    drawing.svg.Close();
    drawing.legend.push_back({series.name, hue, LegendEntry::Swatch::kMarker, static_cast<int>(s)});
  }
  if (has_unit_line) drawing.legend.push_back({chart.unit_line_label, "", LegendEntry::Swatch::kDiagonal});
  frame.Close(empty, &drawing.svg);
  return drawing;
}

}  // namespace gfn::report
