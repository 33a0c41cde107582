#include "report/report.h"

#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/file_util.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "report/demo_report.h"
#include "report/well_formed.h"

namespace gfn::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Report, DemoIsWellFormedAndSelfContained) {
  const std::string html = RenderHtml(DemoReport());
  EXPECT_EQ(FindMalformed(html), "");
  for (const std::string_view foreign : {"http:", "https:", "src=", "url(", "@import", "<script", "<link", "<img"}) {
    EXPECT_THAT(html, Not(HasSubstr(foreign)));
  }
  EXPECT_THAT(html, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_THAT(html, HasSubstr("default-src &#39;none&#39;"));
  // No number that a browser could not read.
  for (const std::string_view bad : {"\"nan", " nan", "inf\"", "e+"}) EXPECT_THAT(html, Not(HasSubstr(bad)));
}

TEST(Report, WritesOneFile) {
  const std::string path = testing::TempDir() + "gfn_report_test/report.html";
  ASSERT_TRUE(MakeFolders(ParentFolder(path)).ok());
  ASSERT_TRUE(WriteReport(DemoReport(), path).ok());
  const auto html = ReadFile(path);
  ASSERT_TRUE(html.ok()) << html.status();
  EXPECT_EQ(*html, RenderHtml(DemoReport()));
  RecordProperty("report", path);
}

TEST(Report, WriteErrorsNameThePath) {
  const Status status = WriteReport({}, testing::TempDir() + "no_such_folder/report.html");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(Message(status), HasSubstr("no_such_folder/report.html"));
}

TEST(Report, EmptyReportIsAPage) { EXPECT_EQ(FindMalformed(RenderHtml({})), ""); }

// Every text of a report is data of somebody else.
TEST(Report, AllTextIsEscaped) {
  const std::string evil = "<script>alert(1)</script>\"'&\x01\xFF";
  const Interval interval{1, 0, 2, 3};
  LineChart line = {.x = {evil}, .y = {evil}, .series = {{.name = evil, .x = {1, 2}, .y = {1, 2}}}};
  line.x_marks = line.y_marks = {{1.5, evil}};
  const ScatterChart scatter = {
      .x = {evil}, .series = {{evil, {1}, {2}, {evil}}}, .unit_line_offset = 1, .unit_line_label = evil};
  const Histogram histogram = {.x = {evil}, .series = {{evil, {1, 2, 3}}}};
  const BarChart bars = {.categories = {evil}, .x = {evil}, .groups = {{evil, {interval}}}, .x_marks = {{1, evil}}};
  Report report = {evil, evil, {{evil, evil, evil}}, {{evil, evil}}, {}, evil};
  Section section = {evil, {Paragraph{evil}, Note{evil}, Preformatted{evil, evil}, Preformatted{evil, evil, false}}};
  section.blocks.push_back(Table{evil, {{evil}, {evil}}, {{evil, interval}}, evil});
  section.blocks.push_back(SampleCard{evil, evil, evil, evil, {{evil, Hue::kAuto, {{evil, -1, -2}}}}});
  section.blocks.push_back(Figure{evil, line, evil});
  section.blocks.push_back(Figure{evil, scatter, evil});
  section.blocks.push_back(Figure{evil, histogram, evil});
  section.blocks.push_back(Figure{evil, bars, evil});
  report.sections = {section, section, section};
  const std::string html = RenderHtml(report);
  EXPECT_EQ(FindMalformed(html), "");
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("\x01")));
  EXPECT_THAT(html, Not(HasSubstr("\xFF")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\xEF\xBF\xBD\xEF\xBF\xBD"));
}

TEST(Report, HalfWidthFiguresStandSideBySide) {
  Figure half = {.title = "a", .chart = LineChart{}, .half_width = true};
  Figure full = {.title = "b", .chart = LineChart{}};
  const std::string html = RenderHtml({.title = "t", .sections = {{"s", {half, half, full, half}}}});
  size_t rows = 0;
  for (size_t at = html.find("class=\"sidebyside\""); at != std::string::npos; at = html.find("class=\"sidebyside\"", at + 1))
    ++rows;
  EXPECT_EQ(rows, 2u);
}

TEST(Report, TableShowsIntervalsWithGlyphs) {
  const Table table = {.columns = {{"name"}, {"gain", 1, 0.0, 0, true}},
                       .rows = {{"a", Interval{1.5, 1.0, 2.0, 9}}, {"b", Interval{-0.5, -1.5, 0.5, 9}}, {"c", std::monostate{}}}};
  const std::string html = RenderHtml({.sections = {{"s", {table}}}});
  EXPECT_THAT(html, HasSubstr("+1.5<span class=\"pm\"> \xC2\xB1 0.5</span>"));
  EXPECT_THAT(html, HasSubstr("\xE2\x88\x92"
                              "0.5<span class=\"pm\"> \xC2\xB1 1.0</span>"));
  EXPECT_THAT(html, HasSubstr("class=\"reference\""));
}

}  // namespace
}  // namespace gfn::report
