// Charts as data. The renderer (report/svg_plot.h) chooses ticks and layout; the caller says what the numbers are.
//
// Values that cannot be drawn (NaN, infinite, beyond 1e300, not positive on a logarithmic axis) are left out, and the
// chart says how many. A line is interrupted where a value is left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gflownet/base/interval.h"

namespace gfn::report {

// Colours that stay apart for colour-blind readers (Okabe and Ito 2008), each with a light and a dark variant. Give one
// sampler the same hue in every chart. kAuto: by position in the chart.
enum class Hue { kAuto, kBlue, kVermillion, kGreen, kPurple, kOrange, kSky, kGrey };

// {"optimiser step"}, {"loss", true}, {"share", false, 0, 1}. (Constructors, not an aggregate: GCC 12 warns falsely
// about charts in which an axis is left out.)
struct Axis {
  Axis() = default;
  // Implicit, so that a chart is written as .x = {"step"}. NOLINTNEXTLINE(google-explicit-constructor)
  Axis(std::string axis_label, bool log = false, std::optional<double> low_end = {}, std::optional<double> high_end = {})
      : label(std::move(axis_label)), log_scale(log), low(low_end), high(high_end) {}

  std::string label = {};  // with its unit: "ELBO (nats)"
  bool log_scale = false;  // base 10
  // Limits instead of the range of the data. What lies outside is cut off at the frame, and the chart says how many
  // values.
  std::optional<double> low = {};
  std::optional<double> high = {};
};

// A straight line across the plot with a short label: the best checkpoint, a baseline, a bound.
struct Mark {
  double value = 0;
  std::string label = {};
};

struct LineSeries {
  std::string name = {};
  std::vector<double> x = {};  // ascending
  std::vector<double> y = {};  // as many
  // An interval around every y, drawn as a band (as whiskers if there are few points); empty: none.
  std::vector<double> low = {};
  std::vector<double> high = {};
  Hue hue = Hue::kAuto;
  bool dashed = false;
  // In (0, 1): the values are drawn thin and their exponential mean with this decay (debiased as in Adam) thick.
  double smoothing = 0;
};

struct LineChart {
  Axis x = {};
  Axis y = {};
  std::vector<LineSeries> series = {};
  std::vector<Mark> x_marks = {};  // vertical lines
  std::vector<Mark> y_marks = {};  // horizontal lines
};

struct ScatterSeries {
  std::string name = {};
  std::vector<double> x = {};
  std::vector<double> y = {};
  std::vector<std::string> labels = {};  // shown when the pointer rests on a point; empty: none
  Hue hue = Hue::kAuto;
};

// With unit_line_offset c, the line y = x + c is drawn. Calibration of a sampler: x = log q, y = log R; a perfect
// sampler puts every point of one condition on y = x + log Z. For several conditions, subtract each condition's mean of
// log R - log q from its y first and draw c = 0.
struct ScatterChart {
  Axis x = {};
  Axis y = {};
  std::vector<ScatterSeries> series = {};
  std::optional<double> unit_line_offset = {};
  std::string unit_line_label = "y = x + c";
};

struct HistogramSeries {
  std::string name = {};
  std::vector<double> values = {};
  Hue hue = Hue::kAuto;
};

// Bars of equal width shared by all series, heights as the share of each series' values.
struct Histogram {
  Axis x = {};  // never logarithmic: give log values and say so in the label
  std::vector<HistogramSeries> series = {};
  int num_bins = 0;  // 0: by the rule of Freedman and Diaconis
  std::vector<Mark> x_marks = {};
};

struct BarGroup {
  std::string name = {};
  std::vector<Interval> values = {};  // one a category; low and high not finite: no whisker; mean NaN: missing
  Hue hue = Hue::kAuto;
};

// Categories down the side, one bar (from zero) or one dot (on the range of the data) a group.
struct BarChart {
  enum class Style { kBar, kDot };
  Style style = Style::kBar;
  std::vector<std::string> categories = {};
  Axis x = {};
  std::vector<BarGroup> groups = {};
  std::vector<Mark> x_marks = {};
};

// Values on a grid, row 0 at the bottom: whole pictures beside each other on one colour scale from zero.
struct HeatPanel {
  std::string name = {};
  std::vector<double> values = {};  // row-major, num_rows x num_columns
};
struct HeatMap {
  int64_t num_rows = 0;
  int64_t num_columns = 0;
  Axis x = {};  // the labels alone
  Axis y = {};
  std::vector<HeatPanel> panels = {};
  Hue hue = Hue::kAuto;
};

}  // namespace gfn::report
