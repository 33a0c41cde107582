#include <cmath>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "report/svg_plot.h"
#include "report/well_formed.h"

namespace gfn::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

// The picture as text, after the checks that every picture passes.
std::string Checked(const Drawing& drawing) {
  const std::string& svg = drawing.svg.Finished();
  EXPECT_EQ(FindMalformed("<!DOCTYPE html>" + svg), "");
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  return svg;
}

TEST(LinePlot, GapsWhereValuesCannotBeDrawn) {
  const Drawing drawing = Draw(LineChart{.series = {{.name = "a", .x = {1, 2, 3, 4, 5}, .y = {1, 2, kNan, kInf, 3}}}}, {});
  const std::string svg = Checked(drawing);
  EXPECT_EQ(drawing.num_undrawable, 2);
  EXPECT_EQ(Count(svg, "<circle"), 3);
  const size_t path = svg.find("class=\"line h1\"");
  ASSERT_NE(path, std::string::npos);
  const size_t begin = svg.rfind("d=\"", path);
  EXPECT_EQ(Count(svg.substr(begin, path - begin), "M"), 2) << "one line before the gap and one after";
}

TEST(LinePlot, NothingToDrawIsSaid) {
  EXPECT_THAT(Checked(Draw(LineChart{}, {})), HasSubstr("no data to draw"));
  const Drawing nothing = Draw(LineChart{.y = {"", true}, .series = {{.x = {1, 2}, .y = {0, -1}}}}, {});
  EXPECT_THAT(Checked(nothing), HasSubstr("no data to draw"));
  EXPECT_EQ(nothing.num_undrawable, 2);
  EXPECT_THAT(Checked(Draw(ScatterChart{.series = {{.x = {kNan}, .y = {1}}}}, {})), HasSubstr("no data to draw"));
  EXPECT_THAT(Checked(Draw(Histogram{.series = {{"a", {}}}}, {})), HasSubstr("no data to draw"));
  Checked(Draw(BarChart{}, {}));
}

TEST(LinePlot, LessThanADecadeOnALogarithmicAxis) {
  for (const auto& [low, high] : {std::pair{0.148, 0.861}, {0.02, 0.19}, {1.0, 1.5}, {3e-9, 8e-9}}) {
    SCOPED_TRACE(low);
    Checked(Draw(LineChart{.y = {"", true}, .series = {{.x = {0, 600}, .y = {high, low}}}}, {}));
    Checked(Draw(LineChart{.y = {"", true}, .series = {{.x = {0, 600}, .y = {high, low}}}}, {404, 300}));
  }
}

TEST(LinePlot, DegenerateData) {
  Checked(Draw(LineChart{.series = {{.x = {5}, .y = {3}, .low = {2}, .high = {4}}}}, {}));
  Checked(Draw(LineChart{.series = {{.x = {1, 2, 3}, .y = {7, 7, 7}}}}, {}));
  Checked(Draw(LineChart{.series = {{.x = {1, 2}, .y = {-1e300, 1e300}}}, .y_marks = {{kNan, "none"}}}, {}));
  Checked(Draw(LineChart{.y = {"", true}, .series = {{.x = {1, 2}, .y = {1e-300, 1e300}}}}, {}));
  Checked(Draw(LineChart{.series = {{.x = {1, 2, 3}, .y = {1, 2, 3}, .low = {0, kNan, 2}, .high = {2, 3, kInf}}}}, {}));
  Checked(Draw(LineChart{.series = {{.x = {1, 2, 3}, .y = {kNan, 2, 3}, .smoothing = 0.9}}}, {}));
}

TEST(LinePlot, LongLinesAreThinnedButKeepTheirPeaks) {
  LineSeries series = {.name = "long"};
  for (int i = 0; i < 100000; ++i) {
    series.x.push_back(i);
    series.y.push_back(i == 54321 ? 100 : std::sin(i));
  }
  const Drawing drawing = Draw(LineChart{.series = {series}}, {});
  const std::string svg = Checked(drawing);
  EXPECT_LT(svg.size(), 80000u);
  LineSeries flat = series;
  flat.y[54321] = 1;
  EXPECT_NE(svg, Checked(Draw(LineChart{.y = {"", false, -20, 120}, .series = {flat}}, {})));
  // The peak is at the top of the plot: the smallest y of the path is within the first fifth.
  EXPECT_THAT(svg, HasSubstr("class=\"line h1\""));
}

TEST(LinePlot, LimitsCutAndSay) {
  const Drawing drawing =
      Draw(LineChart{.y = {"", false, std::nullopt, 10}, .series = {{.x = {1, 2, 3}, .y = {1000, 5, 4}}}}, {});
  Checked(drawing);
  EXPECT_EQ(drawing.num_cut_off, 1);
}

TEST(LinePlot, MarksGiveWayToEachOther) {
  LineChart chart = {.series = {{.x = {0, 100}, .y = {0, 1}}}};
  chart.x_marks = {{50, "best checkpoint"}, {51, "stopped early"}};
  chart.y_marks = {{0.50, "one"}, {0.501, "two"}};
  const std::string svg = Checked(Draw(chart, {}));
  std::vector<std::string> heights;  // the y of the four labels
  for (size_t at = svg.find("marklabel"); at != std::string::npos; at = svg.find("marklabel", at + 1)) {
    const size_t begin = svg.rfind("y=\"", at) + 3;
    heights.push_back(svg.substr(begin, svg.find('"', begin) - begin));
  }
  ASSERT_EQ(heights.size(), 4u);
  EXPECT_NE(heights[0], heights[1]);
  EXPECT_GE(std::abs(std::stod(heights[2]) - std::stod(heights[3])), 14);
}

TEST(ScatterPlot, PointsHaveShapesLabelsAndALine) {
  ScatterChart chart = {.series = {{"a", {-1, -2, -3}, {1, 2, 3}, {"first", "", "third"}}, {"b", {-1, -2}, {3, 4}, {}}}};
  chart.unit_line_offset = 4;
  const Drawing drawing = Draw(chart, {});
  const std::string svg = Checked(drawing);
  EXPECT_EQ(Count(svg, "<circle"), 3);
  EXPECT_EQ(Count(svg, "class=\"marker\""), 5);
  EXPECT_EQ(Count(svg, "<title>"), 2);
  EXPECT_EQ(Count(svg, "class=\"unit\""), 1);
  ASSERT_EQ(drawing.legend.size(), 3u);
  EXPECT_EQ(drawing.legend[2].name, "y = x + c");
}

TEST(HistogramPlot, SharesAreOfEachSeries) {
  Histogram chart = {.series = {{"a", {1, 1, 1, 2}}, {"b", {1, 2, kNan}}}, .num_bins = 2};
  const Drawing drawing = Draw(chart, {});
  const std::string svg = Checked(drawing);
  EXPECT_EQ(drawing.num_undrawable, 1);
  EXPECT_EQ(Count(svg, "class=\"bars"), 2);
  EXPECT_THAT(svg, HasSubstr("80%"));
  EXPECT_THAT(svg, Not(HasSubstr("100%")));
}

TEST(HistogramPlot, DegenerateData) {
  Checked(Draw(Histogram{.series = {{"a", {3}}}}, {}));
  Checked(Draw(Histogram{.series = {{"a", {3, 3, 3, 3}}}}, {}));
  Checked(Draw(Histogram{.series = {{"a", {0, 0, 0, 0, 0, 0, 0, 1e300}}}}, {}));
  Checked(Draw(Histogram{.series = {{"a", {-1e300, 1e300}}}}, {}));
  EXPECT_LT(Checked(Draw(Histogram{.series = {{"a", {0, 0.001, 0.002, 0.003, 1e6}}}}, {})).size(), 20000u);
}

TEST(BarPlot, BarsStartAtZeroAndDotsDoNot) {
  BarChart chart = {.categories = {"x", "y"}, .groups = {{"a", {{-50, -51, -49, 9}, {kNan, kNan, kNan, 0}}}}};
  EXPECT_THAT(Checked(Draw(chart, {})), HasSubstr(">0</text>"));
  EXPECT_EQ(Draw(chart, {}).num_undrawable, 1);
  chart.style = BarChart::Style::kDot;
  const std::string dots = Checked(Draw(chart, {}));
  EXPECT_THAT(dots, Not(HasSubstr(">0</text>")));
  EXPECT_EQ(Count(dots, "<circle"), 1);
  EXPECT_THAT(dots, HasSubstr("\xE2\x88\x92"
                              "50"));
}

TEST(BarPlot, OneValueHasNoWhisker) {
  const BarChart chart = {.categories = {"x"}, .groups = {{"a", {{2, -kInf, kInf, 1}}}}};
  EXPECT_THAT(Checked(Draw(chart, {})), Not(HasSubstr("whisker")));
}

TEST(Glyph, DrawsWhatIsFinite) {
  EXPECT_THAT(IntervalGlyph({1, 0, 2, 3}, {0, 2, 0.0}, "h1").Finished(), HasSubstr("whisker"));
  const std::string one_value = IntervalGlyph({1, -kInf, kInf, 1}, {1, 1}, "h1").Finished();
  EXPECT_THAT(one_value, HasSubstr("dot"));
  EXPECT_THAT(one_value, Not(HasSubstr("whisker")));
  EXPECT_THAT(IntervalGlyph({kNan, kNan, kNan, 0}, {0, 1}, "h1").Finished(), Not(HasSubstr("dot")));
}

TEST(Glyph, MinusSigns) {
  EXPECT_EQ(WithMinusSigns("-1.5 [-2.0, -1.0]"),
            "\xE2\x88\x92"
            "1.5 [\xE2\x88\x92"
            "2.0, \xE2\x88\x92"
            "1.0]");
  EXPECT_EQ(WithMinusSigns("fine-tuned 2-3 x-1"), "fine-tuned 2-3 x-1");
  EXPECT_EQ(WithMinusSigns("-inf"),
            "\xE2\x88\x92"
            "inf");
}

TEST(Glyph, HuesFollowTheEnumOrThePosition) {
  EXPECT_EQ(HueClass(Hue::kBlue, 5), "h1");
  EXPECT_EQ(HueClass(Hue::kGrey, 0), "h7");
  EXPECT_EQ(HueClass(Hue::kAuto, 1), "h2");
  EXPECT_EQ(HueClass(Hue::kAuto, 7), "h1");
}

TEST(HeatMapPlot, PanelsShareOneScale) {
  const HeatMap map = {.num_rows = 2,
                       .num_columns = 2,
                       .x = {"x"},
                       .y = {"y"},
                       .panels = {{"target", {0, 0.5, 1, 0.25}}, {"learned", {0, 0.5, 0.5, kNan}}}};
  const Drawing drawing = Draw(map, {});
  const std::string svg = Checked(drawing);
  EXPECT_EQ(drawing.num_undrawable, 1);
  EXPECT_THAT(svg, HasSubstr("target"));
  EXPECT_THAT(svg, HasSubstr("learned"));
  EXPECT_EQ(Count(svg, "<title>"), 7) << "one a cell that can be drawn";
  EXPECT_THAT(svg, HasSubstr("(1, 0): 0.5"));
  EXPECT_THAT(svg, HasSubstr("(0, 1): 1"));
  EXPECT_EQ(Count(svg, "fill-opacity=\"1\""), 2) << "the largest cell and the top of the scale";
}

TEST(HeatMapPlot, LargeGridsJoinCellsOfOneShade) {
  std::vector<double> values(64 * 64, 1.0);
  const std::string svg = Checked(Draw(HeatMap{.num_rows = 64, .num_columns = 64, .panels = {{"a", values}}}, {}));
  EXPECT_LT(Count(svg, "<rect"), 64 + 60);
  EXPECT_EQ(Count(svg, "<title>"), 0);
}

TEST(HeatMapPlot, NothingIsZeroEverywhere) {
  Checked(Draw(HeatMap{.num_rows = 1, .num_columns = 3, .panels = {{"", {0, 0, 0}}}}, {}));
  Checked(Draw(HeatMap{.num_rows = 1, .num_columns = 1, .panels = {{"", {-2}}}}, {360, 270}));
  Checked(Draw(HeatMap{.num_rows = 300,
                       .num_columns = 2,
                       .panels = {{"a", std::vector<double>(600, 0.1)}, {"b", std::vector<double>(600, kInf)}}},
               {}));
}

}  // namespace
}  // namespace gfn::report
