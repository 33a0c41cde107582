// The frame that line, scatter and histogram plots share: margins that fit the labels, grid lines, ticks, axis labels,
// marks.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "report/chart.h"
#include "report/html.h"
#include "report/svg_plot.h"
#include "report/ticks.h"

namespace gfn::report {

// Grows to hold values; limits of an Axis replace its ends.
class RangeBuilder {
 public:
  explicit RangeBuilder(const Axis& axis) : axis_(axis) {}
  // false if the value cannot be drawn on this axis; it is ignored then.
  bool Add(double value);
  // Whether the caller's limits cut the (drawable) value off.
  bool CutsOff(double value) const;
  // 0 to 1 (1 to 10 on a logarithmic axis) if nothing was added.
  Range Result() const;

 private:
  Axis axis_;
  std::optional<Range> range_;
};

struct FrameAxis {
  std::string label = {};
  Range range = {};
  ScaleOptions options = {};  // max_ticks is chosen by the frame
  std::vector<Mark> marks = {};
  bool fixed_low = false;  // no padding and no rounding: the caller set limits
  bool fixed_high = false;
};

class PlotFrame {
 public:
  PlotFrame(const PlotSize& size, FrameAxis x, FrameAxis y);

  double X(double value) const { return left_ + x_.Fraction(value) * plot_width_; }
  double Y(double value) const { return top_ + (1 - y_.Fraction(value)) * plot_height_; }
  const Scale& x_scale() const { return x_; }
  const Scale& y_scale() const { return y_; }
  double plot_width() const { return plot_width_; }

  // Opens the <svg>: grid, ticks, axis labels; then a nested <svg> that clips what is drawn to the plot.
  void Open(Markup* svg) const;
  // Closes the clipped part, draws the marks over it, and closes the <svg>. With `empty`, says that there is nothing to
  // draw.
  void Close(bool empty, Markup* svg) const;

 private:
  void DrawXAxis(Markup* svg) const;
  void DrawYAxis(Markup* svg) const;
  void DrawXMarks(Markup* svg) const;
  void DrawYMarks(Markup* svg) const;
  void PlaceXMarks();

  // A mark's label above the plot.
  struct PlacedMark {
    double x;
    int row;
    bool ends_at_x;  // the label stands left of the line
    std::string label = {};
  };

  PlotSize size_;
  FrameAxis x_axis_, y_axis_;
  Scale x_, y_;
  std::vector<PlacedMark> x_marks_;
  double left_ = 0, top_ = 0, plot_width_ = 0, plot_height_ = 0;
};

// The frame's axis of an Axis: padding where the caller set no limits.
FrameAxis MakeFrameAxis(const Axis& axis, const RangeBuilder& range, double padding, bool round_ends);

// Whether all are whole numbers (then ticks between them would mislead).
bool AllIntegers(std::span<const double> values);

}  // namespace gfn::report
