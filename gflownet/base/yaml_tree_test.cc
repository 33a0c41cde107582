#include "gflownet/base/yaml_tree.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gfn {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Kind = YamlNode::Kind;

YamlNode Parse(std::string_view text) {
  StatusOr<YamlNode> node = ParseYaml(text, "f.yaml");
  EXPECT_TRUE(node.ok()) << node.status();
  return node.ok() ? *node : YamlNode{};
}

std::string TreeError(std::string_view text) {
  const Status status = ParseYaml(text, "f.yaml").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  EXPECT_THAT(Message(status), StartsWith("f.yaml:")) << text;
  return Message(status);
}

TEST(YamlTreeTest, NodesKnowTheirPlaces) {
  const YamlNode root = Parse("# comment\na: 1\nb:\n  - x\n  - {c: \"2\", d: }\n");
  ASSERT_EQ(root.kind, Kind::kMap);
  ASSERT_EQ(root.entries.size(), 2u);
  EXPECT_EQ(root.entries[0].key.text, "a");
  EXPECT_EQ(root.entries[0].key.line, 2);
  EXPECT_EQ(root.entries[0].key.column, 1);
  EXPECT_EQ(root.entries[0].value.text, "1");
  EXPECT_EQ(root.entries[0].value.column, 4);
  const YamlNode& list = root.entries[1].value;
  ASSERT_EQ(list.kind, Kind::kList);
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_EQ(list.items[0].line, 4);
  EXPECT_EQ(list.items[0].column, 5);
  const YamlNode& map = list.items[1];
  ASSERT_EQ(map.kind, Kind::kMap);
  EXPECT_TRUE(map.entries[0].value.quoted);
  EXPECT_EQ(map.entries[0].value.text, "2");
  EXPECT_EQ(map.entries[1].value.kind, Kind::kNull);
}

TEST(YamlTreeTest, ScalarsAndNulls) {
  for (const char* text : {"", "~", "null", "# only a comment\n", "---\n"}) EXPECT_EQ(Parse(text).kind, Kind::kNull) << text;
  EXPECT_EQ(Parse("\"null\"").text, "null");
  EXPECT_TRUE(Parse("''").quoted);
  EXPECT_EQ(Parse("''").kind, Kind::kScalar);
  EXPECT_FALSE(Parse("true").quoted);
  const YamlNode block = Parse("|\n  two\n  lines\n");
  EXPECT_EQ(block.text, "two\nlines\n");
  EXPECT_TRUE(block.quoted);
}

TEST(YamlTreeTest, KeysGivenTwiceAreKept) {
  const YamlNode root = Parse("a: 1\na: 2\n");
  ASSERT_EQ(root.entries.size(), 2u);
  EXPECT_EQ(root.entries[1].key.line, 2);
}

TEST(YamlTreeTest, ReadsJson) {
  const YamlNode root = Parse(R"({"a": [1, 2], "b": {"c": "x\ny"}})");
  EXPECT_EQ(root.entries[0].value.items[1].text, "2");
  EXPECT_EQ(root.entries[1].value.entries[0].value.text, "x\ny");
}

TEST(YamlTreeTest, BrokenSyntaxIsPlaced) {
  EXPECT_THAT(TreeError("a: 1\nb: [1, 2\nc: 3\n"), StartsWith("f.yaml:"));
  EXPECT_EQ(TreeError("a: 1\nb: \"unclosed\nc: 2\n"), "f.yaml:2:4: this quote is never closed");
  EXPECT_EQ(TreeError("\u00e9: '\u00e9'\r\nb: 'it''s\r\n"), "f.yaml:2:4: this quote is never closed");
  EXPECT_EQ(Parse("a: 'it''s'\nb: \"q\\\"\"").entries[1].value.text, "q\"");
  EXPECT_THAT(TreeError("a: 1\n b: 2\n"), StartsWith("f.yaml:2:"));
  EXPECT_THAT(TreeError("a:\n\t- 1\n"), StartsWith("f.yaml:2:"));
}

TEST(YamlTreeTest, RefusesWhatIsNotPlainData) {
  EXPECT_THAT(TreeError("a: &x 1\nb: *x\n"), HasSubstr("f.yaml:1:4: an anchor"));
  EXPECT_THAT(TreeError("a: *x\n"), StartsWith("f.yaml:1:"));
  EXPECT_THAT(TreeError("a: !!python/object 1\n"), HasSubstr("a tag"));
  EXPECT_THAT(TreeError("a: !mine [1]\n"), HasSubstr("a tag (!mine)"));
  EXPECT_THAT(TreeError("a: 1\n---\nb: 2\n"), HasSubstr("f.yaml:3:1: text after the end of the document"));
  EXPECT_THAT(TreeError("a: 1\nb: \xFF\n"), HasSubstr("f.yaml:2:4: not valid UTF-8"));
  EXPECT_THAT(TreeError("a: 1\n\x04"
                        "b: 2\n"),
              HasSubstr("f.yaml:2:1: a control character"));
  EXPECT_EQ(Parse("\uFEFFa: 'x'").entries[0].value.text, "x");  // a byte order mark is fine
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  EXPECT_THAT(TreeError(deep), HasSubstr("nested deeper than 64"));
  const std::string very_deep = std::string(100000, '[');
  EXPECT_THAT(TreeError(very_deep), StartsWith("f.yaml:"));
}

// What a double-quoted text stands for once its escapes are read (YAML 1.2, 5.7), in UTF-8 like the rest.
TEST(YamlTreeTest, EscapesAreWholeCharacters) {
  EXPECT_EQ(Parse(R"("a\_b")").text, "a\u00A0b");
  EXPECT_EQ(Parse(R"("\N\_\_\N")").text, "\u0085\u00A0\u00A0\u0085");
  EXPECT_EQ(Parse("\"\u00e9\\_\u00e9\\N\u20ac\\_\"").text, "\u00e9\u00A0\u00e9\u0085\u20ac\u00A0") << "behind other characters";
  EXPECT_EQ(Parse(R"("\L\P\xA0\x85\xFF\u20AC\U0001F600")").text, "\u2028\u2029\u00A0\u0085\u00FF\u20AC\U0001F600");
  EXPECT_EQ(Parse(R"({"k\_": ["v\N"]})").entries[0].key.text, "k\u00A0");
  EXPECT_EQ(Parse(R"({"k\_": ["v\N"]})").entries[0].value.items[0].text, "v\u0085");
  EXPECT_EQ(Parse(R"('a\_b')").text, R"(a\_b)") << "single quotes know no escapes";
  EXPECT_THAT(TreeError("a: 1\nb: \"\\uD800\"\n"), StartsWith("f.yaml:2:"));
  EXPECT_THAT(TreeError("a: \"\\UFFFFFFFF\"\n"), StartsWith("f.yaml:1:"));
}

TEST(YamlTreeTest, NulIsRefusedHoweverItIsWritten) {
  for (const char* escape : {"\\0", "\\x00", "\\u0000", "\\U00000000"}) {
    EXPECT_EQ(TreeError(std::string("a: 1\nb: \"x") + escape + "y\"\n"), "f.yaml:2:4: this text holds the character NUL")
        << escape;
    EXPECT_THAT(TreeError(std::string("\"x") + escape + "\": 1\n"), HasSubstr("f.yaml:1:1: ")) << escape;
  }
  EXPECT_THAT(TreeError(std::string("a: x\0y\n", 8)), HasSubstr("f.yaml:1:5: a control character"));
}

// Other ends of lines, a byte order mark and characters that look like white space change no value.
TEST(YamlTreeTest, UnusualWhiteSpace) {
  for (const char* line : {"\n", "\r\n"}) {
    const YamlNode root = Parse(std::string("\uFEFFa: \u00A0x\u0085y\u2028z\u2029") + line + "b: \"\t\u0085\u2028\uFEFF\"" +
                                line + "c:\t1\t# end" + line);
    ASSERT_EQ(root.entries.size(), 3u);
    EXPECT_EQ(root.entries[0].value.text, "\u00A0x\u0085y\u2028z\u2029");
    EXPECT_EQ(root.entries[1].value.text, "\t\u0085\u2028\uFEFF");
    EXPECT_EQ(root.entries[2].value.text, "1");
  }
}

TEST(YamlTreeTest, DescribesWhatWasFound) {
  EXPECT_EQ(Parse("").Describe(), "nothing (null)");
  EXPECT_EQ(Parse("[1]").Describe(), "a list");
  EXPECT_EQ(Parse("{a: 1}").Describe(), "a map of keys");
  EXPECT_EQ(Parse("abc").Describe(), "'abc'");
  EXPECT_EQ(Parse("'1'").Describe(), "the text \"1\"");
  std::string euros;
  for (int i = 0; i < 40; ++i) euros += "\u20AC";  // three bytes each: cut between characters
  EXPECT_EQ(Parse(euros).Describe(), "'" + euros.substr(0, 60) + "...'");
  EXPECT_EQ(Parse("a" + euros).Describe(), "'a" + euros.substr(0, 57) + "...'");
}

}  // namespace
}  // namespace gfn
