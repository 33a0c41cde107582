#include <algorithm>
#include <array>
#include <cmath>

#include "report/html.h"
#include "report/svg_plot.h"
#include "report/ticks.h"

namespace gfn::report {
namespace {

constexpr double kGlyphWidth = 72, kGlyphHeight = 12, kGlyphMargin = 5;

}  // namespace

std::string HueClass(Hue hue, size_t position) {
  constexpr size_t kNumHues = 7;
  const size_t number = hue == Hue::kAuto ? position % kNumHues + 1 : static_cast<size_t>(hue);
  return "h" + std::to_string(number);
}

void AppendMarker(double x, double y, int shape, const std::string& title, Markup* svg) {
  const std::string at = "M" + Px(x) + " " + Px(y);
  constexpr std::array<std::string_view, 3> kPaths = {"m0-4.4l4.4 4.4l-4.4 4.4l-4.4-4.4z", "m0-4.2l4.2 7.4h-8.4z",
                                                      "m-3.4-3.4h6.8v6.8h-6.8z"};
  const std::string_view tag = shape % 4 == 0 ? "circle" : "path";
  const auto draw = [&](auto add) {
    if (shape % 4 == 0) {
      add({{"cx", Px(x)}, {"cy", Px(y)}, {"r", "3.4"}, {"class", "marker"}});
    } else {
      add({{"d", at + std::string(kPaths[static_cast<size_t>(shape % 4 - 1)])}, {"class", "marker"}});
    }
  };
  using Attributes = std::initializer_list<Attribute>;
  if (title.empty()) {
    draw([&](Attributes attributes) { svg->Leaf(tag, attributes); });
  } else {
    draw([&](Attributes attributes) { svg->Open(tag, attributes).Element("title", {}, title).Close(); });
  }
}

Markup IntervalGlyph(const Interval& interval, const GlyphScale& scale, const std::string& hue_class) {
  Markup svg;
  svg.Open("svg", {{"viewBox", "0 0 " + Px(kGlyphWidth) + " " + Px(kGlyphHeight)}, {"class", "glyph " + hue_class}});
  const double extent = scale.high - scale.low;
  const auto x_of = [&](double value) {
    const double fraction = extent > 0 ? std::clamp((value - scale.low) / extent, 0.0, 1.0) : 0.5;
    return Px(kGlyphMargin + fraction * (kGlyphWidth - 2 * kGlyphMargin));
  };
  const std::string middle = Px(kGlyphHeight / 2);
  svg.Leaf("line", {{"x1", "0"}, {"y1", middle}, {"x2", Px(kGlyphWidth)}, {"y2", middle}, {"class", "track"}});
  if (scale.reference.has_value() && IsDrawable(*scale.reference, false)) {
    const std::string x = x_of(*scale.reference);
    svg.Leaf("line", {{"x1", x}, {"y1", "0"}, {"x2", x}, {"y2", Px(kGlyphHeight)}, {"class", "reference"}});
  }
  if (IsDrawable(interval.low, false) && IsDrawable(interval.high, false)) {
    svg.Leaf("line",
             {{"x1", x_of(interval.low)}, {"y1", middle}, {"x2", x_of(interval.high)}, {"y2", middle}, {"class", "whisker"}});
  }
  if (IsDrawable(interval.mean, false))
    svg.Leaf("circle", {{"cx", x_of(interval.mean)}, {"cy", middle}, {"r", "3.2"}, {"class", "dot"}});
  svg.Close();
  return svg;
}

std::string WithMinusSigns(std::string text) {
  constexpr std::string_view kMinus = "\xE2\x88\x92";
  for (size_t i = text.find('-'); i != std::string::npos; i = text.find('-', i + 1)) {
    const bool begins_number = (i == 0 || text[i - 1] == ' ' || text[i - 1] == '[' || text[i - 1] == '(') &&
                               i + 1 < text.size() &&
                               (std::isdigit(static_cast<unsigned char>(text[i + 1])) != 0 || text.compare(i + 1, 3, "inf") == 0);
    if (begins_number) text.replace(i, 1, kMinus);
  }
  return text;
}

}  // namespace gfn::report
