#include <algorithm>
#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/base/interval.h"
#include "report/plot_frame.h"
#include "report/svg_plot.h"

namespace gfn::report {
namespace {

constexpr int kFewestBins = 5, kMostBins = 60;

// Bins begin at a multiple of their width.
struct Bins {
  double low;
  double width;
  int count;
  int IndexOf(double value) const {
    constexpr double kSlack = 1e-9;  // an edge belongs to the bin on its right, whatever rounding says
    return std::clamp(static_cast<int>(std::floor((value - low) / width + kSlack)), 0, count - 1);
  }
};

// Width by Freedman and Diaconis (1981), 2 IQR / n^(1/3), rounded up to 1, 2, 5 x 10^k.
Bins ChooseBins(const Histogram& chart, const std::vector<double>& values, const Range& range) {
  const Scale scale = MakeScale(range, {});  // a constant is widened
  const double extent = scale.range.high - scale.range.low;
  if (chart.num_bins > 0) return {scale.range.low, extent / chart.num_bins, chart.num_bins};
  const double iqr = values.empty() ? 0 : Quantile(values, 0.75) - Quantile(values, 0.25);
  double width = iqr > 0 ? 2 * iqr / std::cbrt(static_cast<double>(values.size())) : extent / 20;
  width = RoundStep(std::clamp(width, extent / kMostBins, extent / kFewestBins));
  const double low = std::floor(scale.range.low / width) * width;
  return {low, width, std::max(1, static_cast<int>(std::floor((scale.range.high - low) / width)) + 1)};
}

// The outline of the bars of one series, one path: area and edge agree, and neighbouring bars have no seam.
void DrawBars(const std::vector<double>& shares, const Bins& bins, const PlotFrame& frame, const std::string& hue, Markup* svg) {
  std::string path;
  const double base = frame.Y(0);
  path += "M" + Px(frame.X(bins.low)) + " " + Px(base);
  for (int b = 0; b < bins.count; ++b) {
    path += "V" + Px(frame.Y(shares[static_cast<size_t>(b)])) + "H" + Px(frame.X(bins.low + (b + 1) * bins.width));
  }
  svg->Leaf("path", {{"d", path + "V" + Px(base)}, {"class", "bars " + hue}});
}

}  // namespace

Drawing Draw(const Histogram& chart, const PlotSize& size) {
  GFN_CHECK(!chart.x.log_scale) << "a histogram has a linear axis: give log values";
  Drawing drawing;
  RangeBuilder x(chart.x);
  std::vector<double> values;
  std::vector<std::vector<double>> kept(chart.series.size());  // what falls into the bins
  for (size_t s = 0; s < chart.series.size(); ++s) {
    for (const double value : chart.series[s].values) {
      if (!x.Add(value)) {
        ++drawing.num_undrawable;
      } else if (x.CutsOff(value)) {
        ++drawing.num_cut_off;
      } else {
        kept[s].push_back(value);
        values.push_back(value);
      }
    }
  }
  const Bins bins = ChooseBins(chart, values, x.Result());

  std::vector<std::vector<double>> shares;
  double largest = 0;
  for (size_t s = 0; s < chart.series.size(); ++s) {
    std::vector<double> share(static_cast<size_t>(bins.count), 0);
    for (const double value : kept[s]) share[static_cast<size_t>(bins.IndexOf(value))] += 1 / static_cast<double>(kept[s].size());
    largest = std::max(largest, *std::max_element(share.begin(), share.end()));
    shares.push_back(std::move(share));
  }
  FrameAxis x_axis = {.label = chart.x.label, .range = {bins.low, bins.low + bins.count * bins.width}, .marks = chart.x_marks};
  x_axis.fixed_low = x_axis.fixed_high = true;
  FrameAxis y_axis = {.label = "share of the values", .range = {0, largest > 0 ? largest : 1}};
  y_axis.options = {.round_ends = true, .percent = true};
  const PlotFrame frame(size, x_axis, y_axis);
  frame.Open(&drawing.svg);
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const std::string hue = HueClass(chart.series[s].hue, s);
    if (!kept[s].empty()) DrawBars(shares[s], bins, frame, hue, &drawing.svg);
    drawing.legend.push_back({chart.series[s].name, hue, LegendEntry::Swatch::kBox});
  }
  frame.Close(values.empty(), &drawing.svg);
  return drawing;
}

}  // namespace gfn::report
