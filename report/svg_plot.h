// Draws charts as inline SVG. Colours come from the page's style sheet (classes h1 .. h7), so that light and dark mode
// and every chart agree; the legend is HTML above the picture, where it can wrap and never covers data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/chart.h"
#include "report/html.h"

namespace gfn::report {

inline constexpr double kFontPixels = 12;  // of tick labels and marks

struct PlotSize {
  double width = 820;  // in pixels at 100 %
  double height = 340;
};

struct LegendEntry {
  enum class Swatch { kLine, kDashedLine, kThinAndThick, kMarker, kBox, kDiagonal };
  std::string name = {};
  std::string hue_class = {};
  Swatch swatch = Swatch::kLine;
  int marker = 0;  // shape of kMarker, see AppendMarker
};

struct Drawing {
  Markup svg = {};
  std::vector<LegendEntry> legend = {};  // empty where one unnamed series needs none
  int64_t num_undrawable = 0;            // values left out: not finite, or not positive on a logarithmic axis
  int64_t num_cut_off = 0;               // values outside the limits that the caller set
};

Drawing Draw(const LineChart& chart, const PlotSize& size);
Drawing Draw(const ScatterChart& chart, const PlotSize& size);
Drawing Draw(const Histogram& chart, const PlotSize& size);
// The height follows from the number of bars; size.height is not used.
Drawing Draw(const BarChart& chart, const PlotSize& size);
// The height follows from the shape of the cells.
Drawing Draw(const HeatMap& map, const PlotSize& size);

// "h1" .. "h7"; kAuto takes the hue of the position.
std::string HueClass(Hue hue, size_t position);

// Circle, diamond, triangle, square by shape % 4, about 7 pixels wide.
void AppendMarker(double x, double y, int shape, const std::string& title, Markup* svg);

// A mean as a dot on its interval as a line, 72 x 12 pixels, on a scale common to a table column or a sample card.
// `reference` is a thin vertical line. Nothing is drawn for a mean that is not finite.
struct GlyphScale {
  double low = 0;
  double high = 0;
  std::optional<double> reference = {};
};
Markup IntervalGlyph(const Interval& interval, const GlyphScale& scale, const std::string& hue_class);

// The typographic minus sign instead of "-" before numbers.
std::string WithMinusSigns(std::string text);

}  // namespace gfn::report
