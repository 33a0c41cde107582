#include "report/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "gflownet/base/check.h"
#include "report/text_width.h"

namespace gfn::report {
namespace {

constexpr std::string_view kPlusMinus = " \xC2\xB1 ";

// A cell as text in two parts: what stands left of the column's axis (the mean) and right of it (" ± 0.40").
struct CellText {
  std::string head;
  std::string tail;
};

CellText TextOf(const Cell& cell, const Column& column) {
  if (const auto* text = std::get_if<std::string>(&cell)) {
    const std::string printable = PrintableText(*text);
    return {column.max_width > 0 ? CutToWidth(printable, column.max_width) : printable, ""};
  }
  if (const auto* number = std::get_if<double>(&cell)) return {FormatFixed(*number, column.decimals, column.show_sign), ""};
  if (const auto* interval = std::get_if<Interval>(&cell)) {
    const std::string mean = FormatFixed(interval->mean, column.decimals, column.show_sign);
    return {mean, FormatInterval(*interval, column.decimals, column.show_sign).substr(mean.size())};
  }
  return {};
}

std::string Spaces(int count) { return std::string(static_cast<size_t>(std::max(0, count)), ' '); }

// A column's cells padded to one width; rows[0] is the header.
std::vector<std::string> LayOutColumn(const Table& table, size_t c) {
  const Column& column = table.columns[c];
  const std::string header = PrintableText(column.name);
  std::vector<CellText> cells;
  bool numeric = false;
  int head_width = 0, tail_width = 0, text_width = 0;
  for (const auto& row : table.rows) {
    cells.push_back(TextOf(row[c], column));
    numeric = numeric || IsNumeric(row[c]);
    if (IsNumeric(row[c])) {
      head_width = std::max(head_width, DisplayWidth(cells.back().head));
      tail_width = std::max(tail_width, DisplayWidth(cells.back().tail));
    } else {
      text_width = std::max(text_width, DisplayWidth(cells.back().head));
    }
  }
  const int width = std::max({DisplayWidth(header), head_width + tail_width, text_width});
  std::vector<std::string> laid_out;
  const auto align = [&](const std::string& text) {
    const std::string pad = Spaces(width - DisplayWidth(text));
    laid_out.push_back(numeric ? pad + text : text + pad);
  };
  align(header);
  for (size_t r = 0; r < cells.size(); ++r) {
    const CellText& cell = cells[r];
    if (!IsNumeric(table.rows[r][c])) {
      align(cell.head);
      continue;
    }
    std::string tail = cell.tail;
    tail.insert(tail.starts_with(kPlusMinus) ? kPlusMinus.size() : tail.size(), Spaces(tail_width - DisplayWidth(tail)));
    align(Spaces(head_width - DisplayWidth(cell.head)) + cell.head + tail);
  }
  return laid_out;
}

void AppendLine(std::string line, std::string* out) {
  line.erase(line.find_last_not_of(' ') + 1);
  *out += line + "\n";
}

}  // namespace

bool IsNumeric(const Cell& cell) { return std::holds_alternative<double>(cell) || std::holds_alternative<Interval>(cell); }

std::string FormatFixed(double value, int decimals, bool show_sign) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[400];  // the largest double has 309 digits before the point
  std::snprintf(buffer, sizeof(buffer), "%.*f", std::clamp(decimals, 0, 17), value);
  std::string text = buffer;
  if (text[0] == '-' && text.find_first_not_of("-0.") == std::string::npos) text.erase(0, 1);
  if (show_sign && text[0] != '-' && text.find_first_not_of("0.") != std::string::npos) text.insert(0, "+");
  return text;
}

std::string FormatInterval(const Interval& interval, int decimals, bool show_sign) {
  const std::string mean = FormatFixed(interval.mean, decimals, show_sign);
  if (!std::isfinite(interval.low) || !std::isfinite(interval.high)) return mean + std::string(kPlusMinus) + "?";
  const double below = interval.mean - interval.low, above = interval.high - interval.mean;
  const double unit = std::pow(10.0, -decimals);
  // A difference of one unit in the last digit may be rounding alone.
  if (std::abs(above - below) > std::max(unit, 0.05 * (above + below))) {
    return mean + " [" + FormatFixed(interval.low, decimals, show_sign) + ", " + FormatFixed(interval.high, decimals, show_sign) +
           "]";
  }
  return mean + std::string(kPlusMinus) + FormatFixed((above + below) / 2, decimals);
}

std::string FormatTable(const Table& table) {
  std::string out;
  if (!table.title.empty()) out += PrintableText(table.title) + "\n";
  std::vector<std::vector<std::string>> columns;
  for (const auto& row : table.rows)
    GFN_CHECK_EQ(row.size(), table.columns.size()) << "cells in a row of '" << table.title << "'";
  for (size_t c = 0; c < table.columns.size(); ++c) columns.push_back(LayOutColumn(table, c));
  for (size_t r = 0; !columns.empty() && r < table.rows.size() + 1; ++r) {
    std::string line, rule;
    for (const auto& column : columns) {
      const std::string gap = line.empty() ? "" : "  ";
      line += gap + column[r];
      rule += gap + std::string(static_cast<size_t>(DisplayWidth(column[0])), '-');
    }
    AppendLine(line, &out);
    if (r == 0) AppendLine(rule, &out);
  }
  if (!table.note.empty()) out += PrintableText(table.note) + "\n";
  return out;
}

}  // namespace gfn::report
