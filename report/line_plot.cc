#include <algorithm>
#include <cmath>
#include <span>

#include "gflownet/base/check.h"
#include "report/plot_frame.h"
#include "report/svg_plot.h"

namespace gfn::report {
namespace {

constexpr size_t kMostDots = 40;  // longer lines have no dots

struct Pixel {
  double x, y;
};

// Exponential mean, debiased; values that are not finite are passed over.
std::vector<double> Smoothed(std::span<const double> values, double decay) {
  std::vector<double> smoothed;
  double mean = 0, weight = 0;
  for (const double value : values) {
    if (std::isfinite(value)) {
      mean = decay * mean + (1 - decay) * value;
      weight = decay * weight + (1 - decay);
    }
    smoothed.push_back(std::isfinite(value) ? mean / weight : value);
  }
  return smoothed;
}

// Runs of neighbours that can be drawn.
std::vector<std::vector<Pixel>> Segments(std::span<const double> x, std::span<const double> y, const PlotFrame& frame) {
  std::vector<std::vector<Pixel>> segments;
  bool open = false;
  for (size_t i = 0; i < x.size(); ++i) {
    const bool drawable = IsDrawable(x[i], frame.x_scale().log_scale) && IsDrawable(y[i], frame.y_scale().log_scale);
    if (drawable && !open) segments.emplace_back();
    if (drawable) segments.back().push_back({frame.X(x[i]), frame.Y(y[i])});
    open = drawable;
  }
  return segments;
}

// The first, lowest, highest and last point of every pixel column: what a screen can show of a long line.
std::vector<Pixel> Thinned(const std::vector<Pixel>& points, double width) {
  if (static_cast<double>(points.size()) <= 4 * width) return points;
  std::vector<Pixel> thinned;
  for (size_t begin = 0, end = 0; begin < points.size(); begin = end) {
    size_t lowest = begin, highest = begin;
    for (end = begin; end < points.size() && std::floor(points[end].x) == std::floor(points[begin].x); ++end) {
      if (points[end].y < points[lowest].y) lowest = end;
      if (points[end].y > points[highest].y) highest = end;
    }
    std::vector<size_t> kept = {begin, lowest, highest, end - 1};
    std::sort(kept.begin(), kept.end());
    kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
    for (const size_t i : kept) thinned.push_back(points[i]);
  }
  return thinned;
}

std::string PathOf(const std::vector<Pixel>& points, char start) {
  std::string path;
  for (const Pixel& p : points) path.append(1, path.empty() ? start : 'L').append(Px(p.x)).append(" ").append(Px(p.y));
  return path;
}

void DrawLine(const std::vector<std::vector<Pixel>>& segments, const std::string& css_class, double width, Markup* svg) {
  std::string path;
  for (const auto& segment : segments) path += PathOf(Thinned(segment, width), 'M');
  if (!path.empty()) svg->Leaf("path", {{"d", path}, {"class", css_class}});
}

void DrawBand(const LineSeries& series, const PlotFrame& frame, const std::string& hue, Markup* svg) {
  // Both edges are needed, so a point counts where all three can be drawn.
  std::vector<double> low = series.low, high = series.high;
  for (size_t i = 0; i < low.size(); ++i) {
    const bool log_scale = frame.y_scale().log_scale;
    if (!IsDrawable(low[i], log_scale) || !IsDrawable(high[i], log_scale) || !IsDrawable(series.y[i], log_scale)) {
      low[i] = high[i] = std::nan("");
    }
  }
  const auto lower = Segments(series.x, low, frame), upper = Segments(series.x, high, frame);
  for (size_t s = 0; s < lower.size(); ++s) {
    std::vector<Pixel> back = Thinned(lower[s], frame.plot_width());
    if (back.size() == 1) {  // a band without width would not be seen
      svg->Leaf("path", {{"d", PathOf({back[0], upper[s][0]}, 'M')}, {"class", "whisker " + hue}});
      continue;
    }
    std::reverse(back.begin(), back.end());
    svg->Leaf("path",
              {{"d", PathOf(Thinned(upper[s], frame.plot_width()), 'M') + PathOf(back, 'L') + "Z"}, {"class", "band " + hue}});
  }
}

void DrawSeries(const LineSeries& series, const PlotFrame& frame, const std::string& hue, Markup* svg) {
  const auto segments = Segments(series.x, series.y, frame);
  const bool smooth = series.smoothing > 0;
  if (!series.low.empty()) DrawBand(series, frame, hue, svg);
  DrawLine(segments, (smooth ? "thin " : series.dashed ? "line dashed " : "line ") + hue, frame.plot_width(), svg);
  if (smooth) {
    DrawLine(Segments(series.x, Smoothed(series.y, series.smoothing), frame), "line " + hue, frame.plot_width(), svg);
  }
  for (const auto& segment : segments) {
    // A point with gaps on both sides would be no line at all.
    if (smooth || (series.x.size() > kMostDots && segment.size() > 1)) continue;
    for (const Pixel& p : segment) svg->Leaf("circle", {{"cx", Px(p.x)}, {"cy", Px(p.y)}, {"r", "2.8"}, {"class", "dot " + hue}});
  }
}

// Adds what the series spans and counts what cannot be drawn.
void Measure(const LineSeries& series, RangeBuilder* x, RangeBuilder* y, Drawing* drawing) {
  for (size_t i = 0; i < series.x.size(); ++i) {
    const bool x_drawable = x->Add(series.x[i]);
    const bool drawable = x_drawable && y->Add(series.y[i]);
    drawing->num_undrawable += drawable ? 0 : 1;
    drawing->num_cut_off += drawable && (x->CutsOff(series.x[i]) || y->CutsOff(series.y[i])) ? 1 : 0;
    if (drawable && !series.low.empty()) {
      y->Add(series.low[i]);
      y->Add(series.high[i]);
    }
  }
}

}  // namespace

Drawing Draw(const LineChart& chart, const PlotSize& size) {
  Drawing drawing;
  RangeBuilder x(chart.x), y(chart.y);
  bool integer_x = true;
  size_t num_points = 0;
  for (const LineSeries& series : chart.series) {
    GFN_CHECK_EQ(series.x.size(), series.y.size()) << "values of '" << series.name << "'";
    GFN_CHECK((series.low.empty() && series.high.empty()) ||
              (series.low.size() == series.x.size() && series.high.size() == series.x.size()))
        << "interval of '" << series.name << "': " << series.low.size() << " and " << series.high.size() << " ends";
    Measure(series, &x, &y, &drawing);
    integer_x = integer_x && AllIntegers(series.x);
    num_points += series.x.size();
  }
  const bool empty = static_cast<size_t>(drawing.num_undrawable) == num_points;
  for (const Mark& mark : chart.y_marks) y.Add(mark.value);

  FrameAxis x_axis = MakeFrameAxis(chart.x, x, 0, false),
            y_axis = MakeFrameAxis(chart.y, y, chart.y.log_scale ? 0.05 : 0.02, true);
  x_axis.options.integer = integer_x;
  x_axis.marks = chart.x_marks;
  y_axis.marks = chart.y_marks;
  const PlotFrame frame(size, x_axis, y_axis);
  frame.Open(&drawing.svg);
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const LineSeries& series = chart.series[s];
    const std::string hue = HueClass(series.hue, s);
    DrawSeries(series, frame, hue, &drawing.svg);
    using Swatch = LegendEntry::Swatch;
    drawing.legend.push_back({series.name, hue,
                              series.smoothing > 0 ? Swatch::kThinAndThick
                              : series.dashed      ? Swatch::kDashedLine
                                                   : Swatch::kLine});
  }
  frame.Close(empty, &drawing.svg);
  return drawing;
}

}  // namespace gfn::report
