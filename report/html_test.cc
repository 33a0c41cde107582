#include "report/html.h"

#include "gtest/gtest.h"
#include "report/well_formed.h"

namespace gfn::report {
namespace {

TEST(Html, Escapes) {
  EXPECT_EQ(EscapeHtml("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(EscapeHtml("line\nbreak\ttab"), "line\nbreak\ttab");
  EXPECT_EQ(EscapeHtml(std::string_view("\0\x1B\x7F", 3)), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(EscapeHtml("\xC3\xA9\xF0\x9F\x98\x80"), "\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(EscapeHtml("\xC3"), "\xEF\xBF\xBD");
  EXPECT_EQ(EscapeHtml(""), "");
}

TEST(Html, ClosesInOrder) {
  Markup markup;
  markup.Open("div", {{"class", "a\"b"}}).Open("b").Text("<").Close().Leaf("br").Leaf("path", {{"d", "M0 0"}}).Close();
  EXPECT_EQ(markup.Finished(), "<div class=\"a&quot;b\"><b>&lt;</b><br><path d=\"M0 0\"/></div>\n");
}

TEST(Html, RichTextSetsCode) {
  EXPECT_EQ(Markup().RichText("a `b<c` d").Finished(), "a <code>b&lt;c</code> d");
  EXPECT_EQ(Markup().RichText("`a``b`").Finished(), "<code>a</code><code>b</code>");
  EXPECT_EQ(Markup().RichText("only one ` here").Finished(), "only one ` here");
}

TEST(HtmlDeathTest, UnbalancedIsAProgrammerError) {
  EXPECT_DEATH(Markup().Close(), "nothing is open");
  EXPECT_DEATH(Markup().Open("p").Finished(), "<p> is still open");
  EXPECT_DEATH(Px(1.0 / 0.0), "inf");
}

TEST(Html, CoordinatesAreShort) {
  EXPECT_EQ(Px(1), "1");
  EXPECT_EQ(Px(1.5), "1.5");
  EXPECT_EQ(Px(-0.001), "0");
  EXPECT_EQ(Px(100), "100");
  EXPECT_EQ(Px(2.0 / 3), "0.67");
}

// The reader of the other tests sees what it is there to see.
TEST(WellFormed, FindsWhatIsWrong) {
  const std::string start = "<!DOCTYPE html>";
  EXPECT_EQ(FindMalformed(start + "<p class=\"a\">x &amp; y<br></p>"), "");
  EXPECT_EQ(FindMalformed(start + "<a href=\"#x\">1</a><p id=\"x\"></p>"), "");
  EXPECT_EQ(FindMalformed("<p></p>"), "no document type");
  for (const std::string bad :
       {"<p>", "</p>", "<p></b>", "<p>a & b</p>", "<p>a < b</p>", "<p class=x></p>", "<p class=\"&\"></p>",
        "<p id=\"a\"></p><p id=\"a\"></p>", "<a href=\"#no\">1</a>", "<p a=\"1\" a=\"2\"></p>", "<p a=\"1></p>"}) {
    EXPECT_NE(FindMalformed(start + bad), "") << bad;
  }
}

}  // namespace
}  // namespace gfn::report
