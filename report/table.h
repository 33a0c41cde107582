// A table as data: rendered as aligned plain text for terminals here, and as HTML with interval glyphs in
// report/render.cc. Text in cells may come from outside: control characters (terminal escapes among them) and invalid
// UTF-8 are shown as U+FFFD.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gflownet/base/interval.h"

namespace gfn::report {

// Nothing, a text, a number, or a mean with its confidence interval. An interval whose low and high are not finite (one
// value only) is shown as its mean with "± ?". NaN is shown as "nan", never hidden.
using Cell = std::variant<std::monostate, std::string, double, Interval>;
bool IsNumeric(const Cell& cell);  // a number or an interval

struct Column {
  std::string name = {};
  int decimals = 2;                      // of the column's numbers
  std::optional<double> reference = {};  // a value to compare with (0 for differences): a line in the glyphs of the HTML table
  int max_width = 0;                     // longer texts are cut with "…" in a terminal; 0: no limit
  bool show_sign = false;                // "+1.20": for differences
};

// A column that holds a number or an interval anywhere is aligned to the right. Every row has one cell a column.
struct Table {
  std::string title = {};
  std::vector<Column> columns = {};
  std::vector<std::vector<Cell>> rows = {};
  std::string note = {};  // one line below
};

// Title, header, rule, rows, note; every line ends with "\n" and has no trailing spaces:
//
//   sampler            ELBO       length
//   ---------  ------------  -----------
//   trained    -52.1 ± 0.4   9.2 ± 0.2
//
// In a column of intervals the ± signs stand below each other.
std::string FormatTable(const Table& table);

// "-1.50"; "+1.50" with show_sign; never "-0.00"; "nan", "inf", "-inf".
std::string FormatFixed(double value, int decimals, bool show_sign = false);
// "-52.10 ± 0.40"; "-52.10 [-52.90, -51.90]" where the interval is not symmetric at this number of decimals.
std::string FormatInterval(const Interval& interval, int decimals, bool show_sign = false);

// Columns that the text takes in a terminal: 0 for combining marks, 2 for wide East Asian characters and emoji.
int DisplayWidth(std::string_view utf8);
// The longest beginning that fits, with "…" as its last character if something was cut.
std::string CutToWidth(std::string_view utf8, int width);
// Control characters and invalid UTF-8 replaced by U+FFFD; line breaks and tabs by a space.
std::string PrintableText(std::string_view text);

}  // namespace gfn::report
