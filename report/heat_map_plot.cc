#include <algorithm>
#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "report/plot_frame.h"
#include "report/svg_plot.h"
#include "report/ticks.h"

namespace gfn::report {
namespace {

constexpr int kShades = 48;          // of the hue: more cannot be told apart
constexpr double kGap = 28;          // between panels
constexpr double kTop = 24;          // name of a panel
constexpr double kScaleWidth = 12;   // the bar of colours
constexpr double kScaleLabels = 58;  // and its numbers
constexpr double kLargestCell = 40, kLargestPanel = 340;
constexpr int64_t kMostTitles = 1200;  // cells with a text of their own when the pointer rests on them

struct MapLayout {
  double left = 0, cell_width = 0, cell_height = 0, panel_width = 0, panel_height = 0, bottom = 0;
  double PanelLeft(size_t panel) const { return left + static_cast<double>(panel) * (panel_width + kGap); }
};

MapLayout LayOutMap(const HeatMap& map, const PlotSize& size) {
  MapLayout layout;
  layout.left = map.y.label.empty() ? 22 : 40;
  const double panels = static_cast<double>(map.panels.size()), columns = static_cast<double>(map.num_columns),
               rows = static_cast<double>(map.num_rows);
  const double room = size.width - layout.left - kScaleLabels - kScaleWidth - panels * kGap;
  layout.panel_width = std::clamp(room / panels, 40.0, std::min(kLargestPanel, kLargestCell * columns));
  layout.cell_width = layout.panel_width / columns;
  layout.cell_height = std::min(layout.cell_width, kLargestPanel / rows);
  layout.panel_height = layout.cell_height * rows;
  layout.bottom = kTop + layout.panel_height + (map.x.label.empty() ? 24 : 42);
  return layout;
}

// 0 .. kShades; -1 for what cannot be drawn.
int ShadeOf(double value, const Range& range) {
  if (!IsDrawable(value, false)) return -1;
  const double fraction = (value - range.low) / std::max(range.high - range.low, 1e-300);
  return static_cast<int>(std::lround(std::clamp(fraction, 0.0, 1.0) * kShades));
}

void DrawCell(double x, double y, double width, double height, int shade, const std::string& title, Markup* svg) {
  svg->Open("rect", {{"x", Px(x)},
                     {"y", Px(y)},
                     {"width", Px(width)},
                     {"height", Px(height)},
                     {"fill-opacity", Px(static_cast<double>(shade) / kShades)}});
  if (!title.empty()) svg->Element("title", {}, title);
  svg->Close();
}

// Cells of one shade that stand beside each other are one rectangle, unless each has a text of its own.
void DrawCells(const HeatMap& map, size_t p, const MapLayout& layout, const Range& range, Markup* svg) {
  const HeatPanel& panel = map.panels[p];
  const bool has_titles = map.num_rows * map.num_columns <= kMostTitles;
  svg->Open("g", {{"class", "cells " + HueClass(map.hue, 0)}});
  for (int64_t row = 0; row < map.num_rows; ++row) {
    const double y = kTop + layout.panel_height - static_cast<double>(row + 1) * layout.cell_height;
    for (int64_t column = 0; column < map.num_columns;) {
      const auto value = [&](int64_t at) { return panel.values[static_cast<size_t>(row * map.num_columns + at)]; };
      const int shade = ShadeOf(value(column), range);
      int64_t end = column + 1;
      while (!has_titles && end < map.num_columns && ShadeOf(value(end), range) == shade) ++end;
      const std::string title =
          has_titles ? "(" + std::to_string(column) + ", " + std::to_string(row) + "): " + FormatShort(value(column)) : "";
      if (shade >= 0 && (shade > 0 || has_titles)) {
        DrawCell(layout.PanelLeft(p) + static_cast<double>(column) * layout.cell_width, y,
                 static_cast<double>(end - column) * layout.cell_width, layout.cell_height, shade, title, svg);
      }
      column = end;
    }
  }
  svg->Close();
}

void DrawPanelFrame(const HeatMap& map, size_t p, const MapLayout& layout, Markup* svg) {
  const double left = layout.PanelLeft(p), middle = left + layout.panel_width / 2, bottom = kTop + layout.panel_height;
  svg->Element("text", {{"x", Px(middle)}, {"y", Px(kTop - 9)}, {"class", "marklabel mid"}}, map.panels[p].name);
  svg->Leaf("rect", {{"x", Px(left)},
                     {"y", Px(kTop)},
                     {"width", Px(layout.panel_width)},
                     {"height", Px(layout.panel_height)},
                     {"class", "frame"}});
  const auto columns = [&](int64_t column) { return left + (static_cast<double>(column) + 0.5) * layout.cell_width; };
  const auto rows = [&](int64_t row) { return bottom - (static_cast<double>(row) + 0.5) * layout.cell_height; };
  for (const int64_t column : {int64_t{0}, map.num_columns - 1}) {
    svg->Element("text", {{"x", Px(columns(column))}, {"y", Px(bottom + 15)}, {"class", "tick mid"}}, std::to_string(column));
  }
  if (!map.x.label.empty()) svg->Element("text", {{"x", Px(middle)}, {"y", Px(bottom + 32)}, {"class", "axis mid"}}, map.x.label);
  if (p > 0) return;
  for (const int64_t row : {int64_t{0}, map.num_rows - 1}) {
    svg->Element("text", {{"x", Px(left - 6)}, {"y", Px(rows(row) + 4)}, {"class", "tick end"}}, std::to_string(row));
  }
  if (map.y.label.empty()) return;
  const std::string x = Px(11), y = Px(kTop + layout.panel_height / 2);
  svg->Element("text", {{"x", x}, {"y", y}, {"transform", "rotate(-90 " + x + " " + y + ")"}, {"class", "axis mid"}},
               map.y.label);
}

void DrawScale(const HeatMap& map, const MapLayout& layout, const Range& range, Markup* svg) {
  const double left = layout.PanelLeft(map.panels.size()) - kGap + 16, step = layout.panel_height / kShades;
  svg->Open("g", {{"class", "cells " + HueClass(map.hue, 0)}});
  for (int shade = 0; shade < kShades; ++shade) {
    DrawCell(left, kTop + layout.panel_height - (shade + 1) * step, kScaleWidth, step, shade + 1, "", svg);
  }
  svg->Close();
  svg->Leaf(
      "rect",
      {{"x", Px(left)}, {"y", Px(kTop)}, {"width", Px(kScaleWidth)}, {"height", Px(layout.panel_height)}, {"class", "frame"}});
  ScaleOptions options;
  options.max_ticks = std::max(2, static_cast<int>(layout.panel_height / 50));
  const Scale scale = MakeScale(range, options);
  for (const Tick& tick : scale.ticks) {
    const double y = kTop + layout.panel_height * (1 - (tick.value - range.low) / (range.high - range.low));
    if (y < kTop - 1 || y > kTop + layout.panel_height + 1) continue;
    svg->Element("text", {{"x", Px(left + kScaleWidth + 6)}, {"y", Px(y + 4)}, {"class", "tick"}}, WithMinusSigns(tick.label));
  }
  if (scale.exponent != 0) {
    svg->Element("text", {{"x", Px(left)}, {"y", Px(kTop - 9)}, {"class", "tick"}}, "\xC3\x97" + PowerOfTen(scale.exponent));
  }
}

}  // namespace

Drawing Draw(const HeatMap& map, const PlotSize& size) {
  GFN_CHECK(map.num_rows > 0 && map.num_columns > 0 && !map.panels.empty()) << "a heat map without cells";
  Drawing drawing;
  Range range = {0, 0};
  for (const HeatPanel& panel : map.panels) {
    GFN_CHECK_EQ(static_cast<int64_t>(panel.values.size()), map.num_rows * map.num_columns) << "values of '" << panel.name << "'";
    for (const double value : panel.values) {
      if (IsDrawable(value, false)) {
        range.low = std::min(range.low, value);
        range.high = std::max(range.high, value);
      } else {
        ++drawing.num_undrawable;
      }
    }
  }
  if (range.high <= range.low) range.high = range.low + 1;
  const MapLayout layout = LayOutMap(map, size);
  Markup* svg = &drawing.svg;
  svg->Open("svg", {{"viewBox", "0 0 " + Px(size.width) + " " + Px(layout.bottom)},
                    {"class", "plot"},
                    {"style", "max-width:" + Px(size.width) + "px"},
                    {"role", "img"}});
  for (size_t p = 0; p < map.panels.size(); ++p) {
    DrawCells(map, p, layout, range, svg);
    DrawPanelFrame(map, p, layout, svg);
  }
  DrawScale(map, layout, range, svg);
  svg->Close();
  return drawing;
}

}  // namespace gfn::report
