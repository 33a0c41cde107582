#include <algorithm>
#include <optional>
#include <string>

#include "gflownet/base/check.h"
#include "report/parts.h"
#include "report/svg_plot.h"
#include "report/ticks.h"

namespace gfn::report {
namespace {

// What a column shows: text, numbers, or intervals with glyphs on one scale.
struct ColumnLook {
  bool numeric = false;
  std::optional<GlyphScale> glyphs;
};

ColumnLook LookAt(const Table& table, size_t c) {
  ColumnLook look;
  GlyphScale scale = {.low = kLargestDrawable, .high = -kLargestDrawable, .reference = table.columns[c].reference};
  const auto grow = [&scale](double value) {
    if (!IsDrawable(value, false)) return;
    scale.low = std::min(scale.low, value);
    scale.high = std::max(scale.high, value);
  };
  bool has_interval = false;
  for (const auto& row : table.rows) {
    look.numeric = look.numeric || IsNumeric(row[c]);
    if (const auto* interval = std::get_if<Interval>(&row[c])) {
      has_interval = true;
      for (const double value : {interval->mean, interval->low, interval->high}) grow(value);
    }
  }
  if (scale.reference.has_value()) grow(*scale.reference);
  if (has_interval && scale.low <= scale.high) look.glyphs = scale;
  return look;
}

void AppendCell(const Cell& cell, const Column& column, const ColumnLook& look, Markup* html) {
  html->Open("td", {{"class", look.numeric ? "num" : ""}});
  if (const auto* text = std::get_if<std::string>(&cell)) html->Text(*text);
  if (const auto* number = std::get_if<double>(&cell)) {
    html->Text(WithMinusSigns(FormatFixed(*number, column.decimals, column.show_sign)));
  }
  if (const auto* interval = std::get_if<Interval>(&cell)) {
    const std::string mean = FormatFixed(interval->mean, column.decimals, column.show_sign);
    const std::string all = FormatInterval(*interval, column.decimals, column.show_sign);
    html->Text(WithMinusSigns(mean)).Element("span", {{"class", "pm"}}, WithMinusSigns(all.substr(mean.size())));
    if (look.glyphs.has_value()) html->Append(IntervalGlyph(*interval, *look.glyphs, HueClass(Hue::kBlue, 0)));
  }
  html->Close();
}

}  // namespace

Markup RenderTable(const Table& table) {
  Markup html;
  html.Open("div", {{"class", "tablebox"}});
  if (!table.title.empty()) html.Element("p", {{"class", "title"}}, table.title);
  html.Open("div", {{"class", "scroll"}}).Open("table").Open("thead").Open("tr");
  std::vector<ColumnLook> looks;
  for (const auto& row : table.rows)
    GFN_CHECK_EQ(row.size(), table.columns.size()) << "cells in a row of '" << table.title << "'";
  for (size_t c = 0; c < table.columns.size(); ++c) {
    looks.push_back(LookAt(table, c));
    html.Element("th", {{"class", looks[c].numeric ? "num" : ""}}, table.columns[c].name);
  }
  html.Close().Close().Open("tbody");
  for (const auto& row : table.rows) {
    html.Open("tr");
    for (size_t c = 0; c < row.size(); ++c) AppendCell(row[c], table.columns[c], looks[c], &html);
    html.Close();
  }
  html.Close().Close().Close();
  if (!table.note.empty()) html.Open("p", {{"class", "remark"}}).RichText(table.note).Close();
  html.Close();
  return html;
}

}  // namespace gfn::report
