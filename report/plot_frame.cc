#include "report/plot_frame.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "report/table.h"
#include "report/text_width.h"

namespace gfn::report {
namespace {

constexpr double kTickGap = 8;        // between tick label and plot
constexpr double kRowHeight = 15;     // of labels above the plot
constexpr double kOverhang = 5;       // so that markers on the frame are whole
constexpr double kMinTickSpace = 18;  // between neighbouring tick labels of the x axis

std::string AxisLabel(const FrameAxis& axis, const Scale& scale) {
  if (scale.exponent == 0) return axis.label;
  const std::string factor = "\xC3\x97" + PowerOfTen(scale.exponent);
  return axis.label.empty() ? factor : axis.label + " (" + factor + ")";
}

double WidestLabel(const Scale& scale) {
  double widest = 0;
  for (const Tick& tick : scale.ticks) widest = std::max(widest, TextPixels(tick.label, kFontPixels));
  return widest;
}

Scale ScaleOf(const FrameAxis& axis, int max_ticks) {
  ScaleOptions options = axis.options;
  options.max_ticks = max_ticks;
  if (axis.fixed_low || axis.fixed_high) {
    options.round_ends = false;
    options.padding = 0;
  }
  return MakeScale(axis.range, options);
}

// As many ticks as their labels leave room for.
Scale FittingXScale(const FrameAxis& axis, double width) {
  for (int max_ticks = std::max(2, static_cast<int>(width / 60)); max_ticks > 1; --max_ticks) {
    Scale scale = ScaleOf(axis, max_ticks);
    const double spacing = width / std::max<double>(1, static_cast<double>(scale.ticks.size()) - 1);
    if (WidestLabel(scale) + kMinTickSpace <= spacing) return scale;
  }
  return ScaleOf(axis, 1);
}

void Line(double x1, double y1, double x2, double y2, const std::string& css_class, Markup* svg) {
  svg->Leaf("line", {{"x1", Px(x1)}, {"y1", Px(y1)}, {"x2", Px(x2)}, {"y2", Px(y2)}, {"class", css_class}});
}

void Label(double x, double y, const std::string& css_class, const std::string& text, Markup* svg) {
  svg->Element("text", {{"x", Px(x)}, {"y", Px(y)}, {"class", css_class}}, text);
}

}  // namespace

bool RangeBuilder::Add(double value) {
  if (!IsDrawable(value, axis_.log_scale)) return false;
  if (!range_.has_value()) range_ = Range{value, value};
  range_->low = std::min(range_->low, value);
  range_->high = std::max(range_->high, value);
  return true;
}

bool RangeBuilder::CutsOff(double value) const {
  return (axis_.low.has_value() && value < *axis_.low) || (axis_.high.has_value() && value > *axis_.high);
}

Range RangeBuilder::Result() const {
  Range range = range_.value_or(axis_.log_scale ? Range{1, 10} : Range{0, 1});
  if (axis_.low.has_value() && IsDrawable(*axis_.low, axis_.log_scale)) range.low = *axis_.low;
  if (axis_.high.has_value() && IsDrawable(*axis_.high, axis_.log_scale)) range.high = *axis_.high;
  if (range.high < range.low) std::swap(range.low, range.high);
  return range;
}

FrameAxis MakeFrameAxis(const Axis& axis, const RangeBuilder& range, double padding, bool round_ends) {
  FrameAxis frame_axis = {.label = axis.label, .range = range.Result()};
  frame_axis.options = {.log_scale = axis.log_scale, .round_ends = round_ends, .padding = padding};
  frame_axis.fixed_low = axis.low.has_value();
  frame_axis.fixed_high = axis.high.has_value();
  return frame_axis;
}

bool AllIntegers(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return !std::isfinite(v) || v == std::floor(v); });
}

PlotFrame::PlotFrame(const PlotSize& size, FrameAxis x, FrameAxis y) : size_(size), x_axis_(std::move(x)), y_axis_(std::move(y)) {
  const double bottom = 22 + (x_axis_.label.empty() ? 0 : 20);
  y_ = ScaleOf(y_axis_, std::max(2, static_cast<int>((size.height - bottom - 30) / 40)));
  left_ = std::ceil(WidestLabel(y_)) + kTickGap;
  x_ = FittingXScale(x_axis_, size.width - left_ - 20);
  // The last label is centred on its tick and may stand out to the right; the first to the left of narrow y labels.
  const auto half_width = [](const Tick& tick) { return TextPixels(tick.label, kFontPixels) / 2; };
  double right = 8;
  if (!x_.ticks.empty()) {
    right = std::max(right, half_width(x_.ticks.back()) * x_.Fraction(x_.ticks.back().value));
    left_ = std::max(left_, half_width(x_.ticks.front()) * (1 - x_.Fraction(x_.ticks.front().value)));
  }
  plot_width_ = size.width - left_ - right;
  PlaceXMarks();
  int rows = 0;
  for (const PlacedMark& mark : x_marks_) rows = std::max(rows, mark.row + 1);
  top_ = (AxisLabel(y_axis_, y_).empty() ? 8 : 27) + rows * kRowHeight;
  plot_height_ = std::max(40.0, size.height - top_ - bottom);
}

void PlotFrame::PlaceXMarks() {
  std::vector<Mark> marks = x_axis_.marks;
  // From the right: a label that gives way moves up, where its line stands left of the labels below it and crosses
  // none.
  std::sort(marks.begin(), marks.end(), [](const Mark& a, const Mark& b) { return a.value > b.value; });
  std::vector<double> row_begins;  // where the labels of a row begin
  for (const Mark& mark : marks) {
    if (!IsDrawable(mark.value, x_.log_scale)) continue;
    const double fraction = x_.Fraction(mark.value);
    if (fraction < 0 || fraction > 1) continue;
    const double x = left_ + fraction * plot_width_, width = TextPixels(mark.label, kFontPixels) + 4;
    const bool ends_at_x = x + width > size_.width && x - width > 0;
    const double begin = ends_at_x ? x - width : x;
    const auto row = std::find_if(row_begins.begin(), row_begins.end(), [&](double other) { return begin + width + 6 <= other; });
    x_marks_.push_back({x, static_cast<int>(row - row_begins.begin()), ends_at_x, mark.label});
    if (row == row_begins.end()) {
      row_begins.push_back(begin);
    } else {
      *row = begin;
    }
  }
}

void PlotFrame::Open(Markup* svg) const {
  svg->Open("svg", {{"viewBox", "0 0 " + Px(size_.width) + " " + Px(size_.height)},
                    {"class", "plot"},
                    {"style", "max-width:" + Px(size_.width) + "px"},
                    {"role", "img"}});
  DrawYAxis(svg);
  DrawXAxis(svg);
  const double x = left_ - kOverhang, y = top_ - kOverhang;
  const double width = plot_width_ + 2 * kOverhang, height = plot_height_ + 2 * kOverhang;
  svg->Open("svg", {{"x", Px(x)},
                    {"y", Px(y)},
                    {"width", Px(width)},
                    {"height", Px(height)},
                    {"viewBox", Px(x) + " " + Px(y) + " " + Px(width) + " " + Px(height)}});
}

void PlotFrame::Close(bool empty, Markup* svg) const {
  svg->Close();
  if (empty) Label(left_ + plot_width_ / 2, top_ + plot_height_ / 2, "mid muted", "no data to draw", svg);
  DrawXMarks(svg);
  DrawYMarks(svg);
  svg->Close();
}

void PlotFrame::DrawYAxis(Markup* svg) const {
  for (const Tick& tick : y_.ticks) {
    const double y = Y(tick.value);
    Line(left_, y, left_ + plot_width_, y, "grid", svg);
    Label(left_ - kTickGap + 2, y + 4, "tick end", WithMinusSigns(tick.label), svg);
  }
  const std::string label = AxisLabel(y_axis_, y_);
  if (!label.empty()) Label(0, kFontPixels, "axis", label, svg);
}

void PlotFrame::DrawXAxis(Markup* svg) const {
  const double bottom = top_ + plot_height_;
  Line(left_, bottom, left_ + plot_width_, bottom, "base", svg);
  for (const Tick& tick : x_.ticks) {
    Line(X(tick.value), bottom, X(tick.value), bottom + 4, "base", svg);
    Label(X(tick.value), bottom + 18, "tick mid", WithMinusSigns(tick.label), svg);
  }
  const std::string label = AxisLabel(x_axis_, x_);
  if (!label.empty()) Label(left_ + plot_width_ / 2, bottom + 37, "axis mid", label, svg);
}

void PlotFrame::DrawXMarks(Markup* svg) const {
  for (const PlacedMark& mark : x_marks_) {
    const double label_y = top_ - 5 - mark.row * kRowHeight;
    Line(mark.x, label_y + (mark.row == 0 ? 2 : 0), mark.x, top_ + plot_height_, "mark", svg);
    Label(mark.x + (mark.ends_at_x  ? -4
                    : mark.row == 0 ? 0
                                    : 4),
          label_y, mark.ends_at_x ? "marklabel end" : "marklabel", WithMinusSigns(mark.label), svg);
  }
}

void PlotFrame::DrawYMarks(Markup* svg) const {
  std::vector<std::pair<double, std::string>> labels;  // (pixel, text), from the top
  for (const Mark& mark : y_axis_.marks) {
    if (!IsDrawable(mark.value, y_.log_scale)) continue;
    const double fraction = y_.Fraction(mark.value);
    if (fraction < 0 || fraction > 1) continue;
    Line(left_, Y(mark.value), left_ + plot_width_, Y(mark.value), "mark", svg);
    labels.emplace_back(Y(mark.value), mark.label);
  }
  std::sort(labels.begin(), labels.end());
  double lowest = top_ + kFontPixels;  // no label above the plot, none on another
  for (const auto& [y, text] : labels) {
    const double baseline = std::max(lowest, y - 4);
    Label(left_ + plot_width_ - 4, baseline, "marklabel end", WithMinusSigns(text), svg);
    lowest = baseline + kRowHeight;
  }
}

}  // namespace gfn::report
