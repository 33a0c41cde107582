#include <string>
#include <variant>

#include "report/parts.h"
#include "report/svg_plot.h"

namespace gfn::report {
namespace {

constexpr PlotSize kWideSize = {820, 340}, kNarrow = {360, 270}, kHalf = {404, 300};

void AppendLegend(const std::vector<LegendEntry>& legend, Markup* html) {
  using Swatch = LegendEntry::Swatch;
  const bool says_nothing = legend.empty() || (legend.size() == 1 && legend[0].name.empty());
  if (says_nothing) return;
  html->Open("div", {{"class", "legend"}});
  for (const LegendEntry& entry : legend) {
    html->Open("span").Open("svg", {{"viewBox", "0 0 26 12"}, {"class", "swatch"}});
    const std::string line = "M1 6H25";
    switch (entry.swatch) {
      case Swatch::kLine:
        html->Leaf("path", {{"d", line}, {"class", "line " + entry.hue_class}});
        break;
      case Swatch::kDashedLine:
        html->Leaf("path", {{"d", line}, {"class", "line dashed " + entry.hue_class}});
        break;
      case Swatch::kThinAndThick:
        html->Leaf("path", {{"d", "M1 8L5 3L9 9L13 2L17 10L21 4L25 7"}, {"class", "thin " + entry.hue_class}});
        html->Leaf("path", {{"d", line}, {"class", "line " + entry.hue_class}});
        break;
      case Swatch::kMarker:
        html->Open("g", {{"class", "points " + entry.hue_class}});
        AppendMarker(13, 6, entry.marker, "", html);
        html->Close();
        break;
      case Swatch::kBox:
        html->Leaf("rect", {{"x", "6"}, {"y", "1"}, {"width", "14"}, {"height", "10"}, {"class", "bars " + entry.hue_class}});
        break;
      case Swatch::kDiagonal:
        html->Leaf("path", {{"d", "M4 11L22 1"}, {"class", "unit"}});
        break;
    }
    html->Close().Text(entry.name).Close();
  }
  html->Close();
}

std::string Remark(const Drawing& drawing) {
  const auto count = [](int64_t n, const std::string& rest) {
    return std::to_string(n) + (n == 1 ? " value " : " values ") + rest;
  };
  std::string remark;
  if (drawing.num_undrawable > 0) {
    remark = count(drawing.num_undrawable, "left out: not finite, or not positive on a logarithmic axis. ");
  }
  if (drawing.num_cut_off > 0) remark += count(drawing.num_cut_off, "outside the frame.");
  return remark;
}

}  // namespace

Markup RenderFigure(const Figure& figure) {
  const auto draw = [&](const PlotSize& size) {
    return std::visit([&](const auto& chart) { return Draw(chart, size); }, figure.chart);
  };
  const Drawing drawing = draw(figure.half_width ? kHalf : kWideSize);
  Markup html;
  html.Open("figure", {{"class", figure.half_width ? "half" : "full"}});
  if (!figure.title.empty()) html.Element("p", {{"class", "title"}}, figure.title);
  AppendLegend(drawing.legend, &html);
  if (figure.half_width) {
    html.Append(drawing.svg);
  } else {  // a wide picture would have letters too small to read on a telephone
    html.Open("div", {{"class", "wide"}}).Append(drawing.svg).Close();
    html.Open("div", {{"class", "narrow"}}).Append(draw(kNarrow).svg).Close();
  }
  if (const std::string remark = Remark(drawing); !remark.empty()) html.Element("p", {{"class", "remark"}}, remark);
  if (!figure.how_to_read.empty()) html.Open("figcaption").RichText(figure.how_to_read).Close();
  html.Close();
  return html;
}

}  // namespace gfn::report
