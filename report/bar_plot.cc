#include <algorithm>
#include <cmath>
#include <vector>

#include "gflownet/base/check.h"
#include "report/plot_frame.h"
#include "report/svg_plot.h"
#include "report/table.h"
#include "report/text_width.h"

namespace gfn::report {
namespace {

constexpr double kBarHeight = 14, kBarGap = 3, kCategoryGap = 14;
constexpr double kTopRow = 20;  // labels of the marks
constexpr double kBottom = 40;  // ticks and axis label

bool HasWhisker(const Interval& value) { return IsDrawable(value.low, false) && IsDrawable(value.high, false); }

// How the values beside the bars are written: mean / 10^exponent, as on the axis.
struct ValueFormat {
  int exponent;
  int decimals;
  std::string Text(const Interval& value) const {
    return WithMinusSigns(FormatFixed(exponent == 0 ? value.mean : value.mean / std::pow(10.0, exponent), decimals));
  }
};

// Decimals enough to see the width of a middling interval, or about three digits.
ValueFormat ChooseFormat(const BarChart& chart, int exponent) {
  std::vector<double> widths;
  double largest = 0;
  for (const BarGroup& group : chart.groups) {
    for (const Interval& value : group.values) {
      if (!IsDrawable(value.mean, false)) continue;
      largest = std::max(largest, std::abs(value.mean));
      if (HasWhisker(value) && value.high > value.low) widths.push_back(value.high - value.low);
    }
  }
  const double unit = widths.empty() ? largest / 100 : Quantile(widths, 0.5) / 10;
  const double decimals = unit > 0 ? std::ceil(exponent - std::log10(unit)) : 0;
  return {exponent, static_cast<int>(std::clamp(decimals, 0.0, 6.0))};
}

// Where everything of one chart stands.
struct BarLayout {
  Scale scale;
  ValueFormat values;
  double left, width, category_height, label_row, first_row, bottom;
  // Values outside the limits that the caller set end at the edge.
  double X(double value) const { return left + std::clamp(scale.Fraction(value), 0.0, 1.0) * width; }
};

BarLayout LayOutBars(const BarChart& chart, const PlotSize& size, const Range& range) {
  BarLayout layout;
  const bool bars = chart.style == BarChart::Style::kBar;
  ScaleOptions options = {.round_ends = true, .padding = bars ? 0 : 0.03};
  layout.values = ChooseFormat(chart, MakeScale(range, options).exponent);
  double label_width = 0, value_width = 0;
  for (const std::string& category : chart.categories) label_width = std::max(label_width, TextPixels(category, kFontPixels));
  for (const BarGroup& group : chart.groups) {
    for (const Interval& value : group.values) {
      value_width = std::max(value_width, TextPixels(layout.values.Text(value), kFontPixels));
    }
  }
  const bool labels_beside = label_width <= 0.3 * size.width;  // else each on a row of its own above its bars
  layout.left = labels_beside ? label_width + 12 : 16;
  layout.label_row = labels_beside ? 0 : 18;
  layout.width = std::max(60.0, size.width - layout.left - value_width - 16);
  options.max_ticks = std::max(3, static_cast<int>(layout.width / 80));
  layout.scale = MakeScale(range, options);
  layout.values = ChooseFormat(chart, layout.scale.exponent);
  layout.category_height = layout.label_row + static_cast<double>(chart.groups.size()) * (kBarHeight + kBarGap) + kCategoryGap;
  layout.first_row = chart.x_marks.empty() ? 4 : kTopRow;
  layout.bottom = layout.first_row + static_cast<double>(chart.categories.size()) * layout.category_height;
  return layout;
}

Range MeasureBars(const BarChart& chart, Drawing* drawing) {
  RangeBuilder x(chart.x);
  if (chart.style == BarChart::Style::kBar) x.Add(0);
  for (const BarGroup& group : chart.groups) {
    GFN_CHECK_EQ(group.values.size(), chart.categories.size()) << "values of '" << group.name << "'";
    for (const Interval& value : group.values) {
      if (!x.Add(value.mean)) {
        ++drawing->num_undrawable;
        continue;
      }
      drawing->num_cut_off += x.CutsOff(value.mean) ? 1 : 0;
      if (HasWhisker(value)) {
        x.Add(value.low);
        x.Add(value.high);
      }
    }
  }
  for (const Mark& mark : chart.x_marks) x.Add(mark.value);
  return x.Result();
}

void DrawAxis(const BarChart& chart, const BarLayout& layout, Markup* svg) {
  for (const Tick& tick : layout.scale.ticks) {
    const std::string x = Px(layout.X(tick.value));
    svg->Leaf("line", {{"x1", x}, {"y1", Px(layout.first_row)}, {"x2", x}, {"y2", Px(layout.bottom)}, {"class", "grid"}});
    svg->Element("text", {{"x", x}, {"y", Px(layout.bottom + 15)}, {"class", "tick mid"}}, WithMinusSigns(tick.label));
  }
  std::string label = chart.x.label;
  if (layout.scale.exponent != 0) label += " (\xC3\x97" + PowerOfTen(layout.scale.exponent) + ")";
  svg->Element("text", {{"x", Px(layout.left + layout.width / 2)}, {"y", Px(layout.bottom + 34)}, {"class", "axis mid"}}, label);
  double free_from = -1e9;  // labels that would cover their neighbour's are left out, their lines stay
  for (const Mark& mark : chart.x_marks) {
    if (!IsDrawable(mark.value, false)) continue;
    const double x = layout.X(mark.value), half = TextPixels(mark.label, kFontPixels) / 2;
    svg->Leaf("line", {{"x1", Px(x)}, {"y1", Px(kTopRow - 4)}, {"x2", Px(x)}, {"y2", Px(layout.bottom)}, {"class", "mark"}});
    if (x - half < free_from) continue;
    svg->Element("text", {{"x", Px(x)}, {"y", Px(kTopRow - 8)}, {"class", "marklabel mid"}}, mark.label);
    free_from = x + half + 6;
  }
}

void DrawValue(const Interval& value, double y, BarChart::Style style, const BarLayout& layout, const std::string& hue,
               Markup* svg) {
  const double middle = y + kBarHeight / 2, x = layout.X(value.mean);
  if (style == BarChart::Style::kBar) {
    const double zero = layout.X(0);
    svg->Leaf("rect", {{"x", Px(std::min(x, zero))},
                       {"y", Px(y)},
                       {"width", Px(std::abs(x - zero))},
                       {"height", Px(kBarHeight)},
                       {"class", "bar " + hue}});
  }
  double text_x = std::max(x, style == BarChart::Style::kBar ? layout.X(0) : x);
  if (HasWhisker(value)) {
    const double low = layout.X(value.low), high = layout.X(value.high);
    std::string path = "M" + Px(low) + " " + Px(middle) + "H" + Px(high);
    for (const double end : {low, high}) path += "M" + Px(end) + " " + Px(middle - 4) + "v8";
    svg->Leaf("path", {{"d", path}, {"class", style == BarChart::Style::kBar ? "whisker ink" : "whisker " + hue}});
    text_x = std::max(text_x, high);
  }
  if (style == BarChart::Style::kDot) {
    svg->Leaf("circle", {{"cx", Px(x)}, {"cy", Px(middle)}, {"r", "4.5"}, {"class", "dot " + hue}});
  }
  svg->Element("text", {{"x", Px(text_x + 8)}, {"y", Px(middle + 4)}, {"class", "value"}}, layout.values.Text(value));
}

}  // namespace

Drawing Draw(const BarChart& chart, const PlotSize& size) {
  GFN_CHECK(!chart.x.log_scale) << "bars start at zero: give a linear axis";
  Drawing drawing;
  const BarLayout layout = LayOutBars(chart, size, MeasureBars(chart, &drawing));
  Markup* svg = &drawing.svg;
  svg->Open("svg", {{"viewBox", "0 0 " + Px(size.width) + " " + Px(layout.bottom + kBottom)},
                    {"class", "plot"},
                    {"style", "max-width:" + Px(size.width) + "px"},
                    {"role", "img"}});
  DrawAxis(chart, layout, svg);
  for (size_t c = 0; c < chart.categories.size(); ++c) {
    const double top = layout.first_row + static_cast<double>(c) * layout.category_height + kCategoryGap / 2;
    const double bars = layout.category_height - layout.label_row - kCategoryGap;
    if (layout.label_row > 0) {
      svg->Element("text", {{"x", Px(layout.left)}, {"y", Px(top + 11)}, {"class", "category"}}, chart.categories[c]);
    } else {
      svg->Element("text", {{"x", Px(layout.left - 12)}, {"y", Px(top + bars / 2 + 3)}, {"class", "category end"}},
                   chart.categories[c]);
    }
    for (size_t g = 0; g < chart.groups.size(); ++g) {
      const Interval& value = chart.groups[g].values[c];
      const double y = top + layout.label_row + static_cast<double>(g) * (kBarHeight + kBarGap);
      if (IsDrawable(value.mean, false)) DrawValue(value, y, chart.style, layout, HueClass(chart.groups[g].hue, g), svg);
    }
  }
  svg->Close();
  using Swatch = LegendEntry::Swatch;
  for (size_t g = 0; g < chart.groups.size(); ++g) {
    drawing.legend.push_back({chart.groups[g].name, HueClass(chart.groups[g].hue, g),
                              chart.style == BarChart::Style::kBar ? Swatch::kBox : Swatch::kMarker});
  }
  return drawing;
}

}  // namespace gfn::report
