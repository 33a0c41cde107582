#include "report/table.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace gfn::report {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

TEST(Table, NumbersAreRightAlignedAndPlusMinusUnderEachOther) {
  const Table table = {.title = "Test stories",
                       .columns = {{"sampler"}, {"ELBO (nats)", 1}, {"length"}},
                       .rows = {{"trained", Interval{-52.1, -52.5, -51.7, 48}, 9.25},
                                {"untrained", Interval{-158.25, -170.25, -146.25, 48}, 12.0}},
                       .note = "95 % intervals"};
  EXPECT_EQ(FormatTable(table),
            "Test stories\n"
            "sampler      ELBO (nats)  length\n"
            "---------  -------------  ------\n"
            "trained     -52.1 \xC2\xB1  0.4    9.25\n"
            "untrained  -158.2 \xC2\xB1 12.0   12.00\n"
            "95 % intervals\n");
}

TEST(Table, MissingAndUnknownAreVisible) {
  const Table table = {.columns = {{"metric"}, {"a", 2, 0.0, 0, true}, {"b"}},
                       .rows = {{"x", Interval{1.5, -kInfinity, kInfinity, 1}, std::monostate{}}, {"y", kNotANumber, "none"}}};
  EXPECT_EQ(FormatTable(table),
            "metric          a  b\n"
            "------  ---------  ----\n"
            "x       +1.50 \xC2\xB1 ?\n"
            "y         nan      none\n");
}

TEST(Table, EmptyTableHasItsHeader) {
  EXPECT_EQ(FormatTable({.columns = {{"one"}, {"two"}}}), "one  two\n---  ---\n");
  EXPECT_EQ(FormatTable({}), "");
}

TEST(Table, WideAndCombiningCharactersKeepColumnsStraight) {
  const Table table = {.columns = {{"text"}, {"n", 0}},
                       .rows = {{"\xE6\x97\xA5\xE6\x9C\xAC", 1.0}, {"cafe\xCC\x81", 10.0}, {"\xF0\x9F\x98\x80!", 2.0}}};
  EXPECT_EQ(FormatTable(table),
            "text   n\n"
            "----  --\n"
            "\xE6\x97\xA5\xE6\x9C\xAC   1\n"
            "cafe\xCC\x81  10\n"
            "\xF0\x9F\x98\x80!    2\n");
}

TEST(Table, LongTextIsCut) {
  EXPECT_EQ(CutToWidth("abcdef", 4), "abc\xE2\x80\xA6");
  EXPECT_EQ(CutToWidth("abcd", 4), "abcd");
  EXPECT_EQ(CutToWidth("\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E", 4),
            "\xE6\x97\xA5\xE2\x80\xA6");  // two columns do not fit into one
  EXPECT_EQ(CutToWidth("abc", 0), "");
  const Table table = {.columns = {{"t", 2, std::nullopt, 5}}, .rows = {{"a long story"}}};
  EXPECT_EQ(FormatTable(table), "t\n-----\na lo\xE2\x80\xA6\n");
}

TEST(Table, TextFromOutsideCannotSteerTheTerminal) {
  EXPECT_EQ(PrintableText("a\x1B[31mb\nc\td\x7F"), "a\xEF\xBF\xBD[31mb c d\xEF\xBF\xBD");
  EXPECT_EQ(PrintableText("\xFF\xC0\xAF|\xED\xA0\x80|\xE2\x80\xAE"),
            "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|\xEF\xBF\xBD");
  EXPECT_EQ(PrintableText("\xE2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD");  // cut in the middle of a character
}

TEST(Table, FixedNumbers) {
  EXPECT_EQ(FormatFixed(-0.001, 2), "0.00");
  EXPECT_EQ(FormatFixed(0.0, 2, true), "0.00");
  EXPECT_EQ(FormatFixed(2.345, 1, true), "+2.3");
  EXPECT_EQ(FormatFixed(-2.0, 0), "-2");
  EXPECT_EQ(FormatFixed(kInfinity, 2), "inf");
  EXPECT_EQ(FormatFixed(-kInfinity, 2, true), "-inf");
  EXPECT_EQ(FormatFixed(1e308, 0).size(), 309u);
}

TEST(Table, Intervals) {
  EXPECT_EQ(FormatInterval({1.0, 0.5, 1.5, 10}, 2), "1.00 \xC2\xB1 0.50");
  EXPECT_EQ(FormatInterval({1.0, 0.9, 2.0, 10}, 2, true), "+1.00 [+0.90, +2.00]");
  EXPECT_EQ(FormatInterval({kNotANumber, kNotANumber, kNotANumber, 0}, 2), "nan \xC2\xB1 ?");
}

}  // namespace
}  // namespace gfn::report
