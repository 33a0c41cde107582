#include "report/text_width.h"

#include <algorithm>
#include <array>
#include <string>

#include "gflownet/base/utf8.h"
#include "report/table.h"

namespace gfn::report {
namespace {

struct CodePoints {
  uint32_t first, last;
};

constexpr std::array<CodePoints, 21> kZeroWidth = {
    {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},  {0x0610, 0x061A}, {0x064B, 0x065F}, {0x0670, 0x0670},
     {0x06D6, 0x06DC}, {0x0900, 0x0902}, {0x093C, 0x093C},  {0x0941, 0x0948}, {0x094D, 0x094D}, {0x0E31, 0x0E31},
     {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF},  {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x20D0, 0x20FF},
     {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xE0100, 0xE01EF}}};
constexpr std::array<CodePoints, 22> kWide = {
    {{0x1100, 0x115F}, {0x231A, 0x231B}, {0x23E9, 0x23EC},   {0x25FD, 0x25FE},  {0x2614, 0x2615}, {0x2648, 0x2653},
     {0x26A1, 0x26A1}, {0x26BD, 0x26BE}, {0x2705, 0x2705},   {0x270A, 0x270B},  {0x2728, 0x2728}, {0x274C, 0x274C},
     {0x2753, 0x2757}, {0x2795, 0x2797}, {0x2E80, 0x303E},   {0x3041, 0xA4CF},  {0xAC00, 0xD7A3}, {0xF900, 0xFAFF},
     {0xFE30, 0xFE6F}, {0xFF00, 0xFF60}, {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}}};

template <size_t N>
bool Contains(const std::array<CodePoints, N>& ranges, uint32_t value) {
  const auto range =
      std::upper_bound(ranges.begin(), ranges.end(), value, [](uint32_t v, const CodePoints& r) { return v < r.first; });
  return range != ranges.begin() && value <= std::prev(range)->last;
}

bool IsControl(uint32_t value) { return value < 0x20 || (value >= 0x7F && value < 0xA0); }

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";     // U+2026

}  // namespace

CodePoint FirstCodePoint(std::string_view utf8) {
  if (Utf8CharLength(utf8) == 0) return {0xFFFD, 1};
  size_t length = 0;
  const char32_t value = NextUtf8Char(utf8, &length);
  return {value, length};
}

int CodePointColumns(uint32_t value) {
  if (Contains(kZeroWidth, value)) return 0;
  return Contains(kWide, value) ? 2 : 1;
}

double TextPixels(std::string_view utf8, double font_size) {
  // Shares of the font size after DejaVu Sans, the widest of the fonts that the page asks for.
  const auto ascii_width = [](char c) {
    if (std::string_view("ijl.,:;'|!I ").find(c) != std::string_view::npos) return 0.33;
    if (std::string_view("frt()[]-/").find(c) != std::string_view::npos) return 0.42;
    if (std::string_view("mwMWQO@%").find(c) != std::string_view::npos) return 0.97;
    return 0.64;
  };
  double em = 0;
  while (!utf8.empty()) {
    const CodePoint c = FirstCodePoint(utf8);
    utf8.remove_prefix(c.length);
    const int columns = CodePointColumns(c.value);
    em += c.value < 0x80 ? ascii_width(static_cast<char>(c.value)) : columns == 2 ? 1.05 : 0.7 * columns;
  }
  return em * font_size;
}

int DisplayWidth(std::string_view utf8) {
  int width = 0;
  while (!utf8.empty()) {
    const CodePoint c = FirstCodePoint(utf8);
    utf8.remove_prefix(c.length);
    width += CodePointColumns(c.value);
  }
  return width;
}

std::string CutToWidth(std::string_view utf8, int width) {
  if (DisplayWidth(utf8) <= width) return std::string(utf8);
  if (width <= 0) return "";
  size_t kept = 0;
  int columns = 0;
  while (kept < utf8.size()) {
    const CodePoint c = FirstCodePoint(utf8.substr(kept));
    if (columns + CodePointColumns(c.value) > width - 1) break;
    columns += CodePointColumns(c.value);
    kept += c.length;
  }
  return std::string(utf8.substr(0, kept)).append(kEllipsis);
}

std::string PrintableText(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint c = FirstCodePoint(text);
    if (c.value == '\n' || c.value == '\t' || c.value == '\r') {
      out += ' ';
    } else if (IsControl(c.value) || c.value == 0xFFFD || (c.value >= 0x202A && c.value <= 0x202E)) {
      out += kReplacement;  // also marks that reverse the direction of the line
    } else {
      out += text.substr(0, c.length);
    }
    text.remove_prefix(c.length);
  }
  return out;
}

}  // namespace gfn::report
