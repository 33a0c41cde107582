#include "gflownet/base/jsonl.h"

#include <cmath>
#include <sstream>

#include "gflownet/base/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ParseJsonTest, ReadsValues) {
  EXPECT_EQ(ParseJson(R"({"a": [1, 2.5, "x", null, true], "b": {"c": -3}})", "f").value(),
            (json{{"a", {1, 2.5, "x", nullptr, true}}, {"b", {{"c", -3}}}}));
  EXPECT_EQ(ParseJson(" 3 ", "f").value(), 3);
}

TEST(ParseJsonTest, RefusesWhatIsNotJson) {
  const std::string deep = std::string(300, '[') + std::string(300, ']');
  for (const std::string bad :
       {"", "{", "{\"a\": }", "{a: 1}", "[1,]", "1 2", "{\"a\": 1e999}", "\"\xFF\"", "nan", "'x'", deep.c_str()}) {
    const Status status = ParseJson(bad, "file.json").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << bad;
    EXPECT_THAT(Message(status), StartsWith("file.json: not valid JSON: "));
    EXPECT_THAT(Message(status), ::testing::Not(HasSubstr("json.exception")));
  }
}

TEST(ParseJsonTest, RefusesAKeyGivenTwice) {
  EXPECT_THAT(Message(ParseJson(R"({"a": 1, "b": {"c": 1, "c": 2}})", "f").status()), HasSubstr("key \"c\" is given twice"));
  EXPECT_THAT(Message(ParseJson(R"({"a": {"x": 1}, "a": 2})", "f").status()), HasSubstr("key \"a\" is given twice"));
  EXPECT_TRUE(ParseJson(R"([{"a": {"a": 1}}, {"a": 1}])", "f").ok());  // each object has its own keys
}

TEST(JsonFileTest, WritesAndReads) {
  const TestFolder folder;
  const json value = {{"x", 0.1}, {"text", "\xC3\xA9\n"}, {"big", INT64_MAX}};
  ASSERT_TRUE(WriteJsonFile(folder / "f", value).ok());
  EXPECT_EQ(ReadJsonFile(folder / "f").value(), value);
  EXPECT_THAT(ReadFile(folder / "f").value(), ::testing::EndsWith("}\n"));
  EXPECT_EQ(ReadJsonFile(folder / "none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(WriteJsonFile(folder / "f", {{"a", {1.0, NAN}}})), HasSubstr("/a/1 is not finite"));
  EXPECT_THAT(Message(WriteJsonFile(folder / "f", {{"a", "\xFF"}})), HasSubstr("UTF-8"));
  EXPECT_EQ(ReadJsonFile(folder / "f").value(), value);  // a refused value leaves the file alone
}

TEST(JsonTextTest, NumbersReadBackToTheSameValue) {
  for (const double value : {0.1, 1.0 / 3, 1e-300, 5e-324, 1.7976931348623157e308, -0.0, 123456789.123456789}) {
    const json read = ParseJson(JsonToText(value).value(), "f").value();
    EXPECT_EQ(read.get<double>(), value);
    EXPECT_EQ(std::signbit(read.get<double>()), std::signbit(value));
  }
  EXPECT_EQ(JsonToText(INT64_MIN).value(), "-9223372036854775808");
  EXPECT_EQ(JsonToText(json{{"b", 1}, {"a", "x\ny"}}).value(), R"({"a":"x\ny","b":1})");  // always one line
}

TEST(JsonlReaderTest, ReadsObjectsWithTheirLines) {
  std::istringstream stream("{\"a\": 1}\n\n  \r\n{\"a\": 2}\r\n{\"a\": 3}");
  JsonlReader reader(stream, "input");
  json object;
  ASSERT_TRUE(reader.Next(&object).value());
  EXPECT_EQ(object["a"], 1);
  EXPECT_EQ(reader.Where(), "input:1");
  ASSERT_TRUE(reader.Next(&object).value());
  EXPECT_EQ(object["a"], 2);
  EXPECT_EQ(reader.Where(), "input:4");
  ASSERT_TRUE(reader.Next(&object).value());
  EXPECT_EQ(object["a"], 3);
  EXPECT_FALSE(reader.Next(&object).value());
  EXPECT_FALSE(reader.Next(&object).value());
}

TEST(JsonlReaderTest, ErrorsNameTheLineAndReadingGoesOn) {
  std::istringstream stream("{\"a\": 1}\n{\"a\": \n[1]\n{\"a\": 2}\n");
  JsonlReader reader(stream, "data.jsonl");
  json object;
  ASSERT_TRUE(reader.Next(&object).value());
  EXPECT_THAT(Message(reader.Next(&object).status()), StartsWith("data.jsonl:2: not valid JSON"));
  EXPECT_EQ(Message(reader.Next(&object).status()), "data.jsonl:3: expected a JSON object ({...}) on every line, found array");
  ASSERT_TRUE(reader.Next(&object).value());
  EXPECT_EQ(object["a"], 2);
}

TEST(JsonlReaderTest, OpensFiles) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "f", "{\"a\": 1}\n").ok());
  JsonlReader reader = JsonlReader::Open(folder / "f").value();
  JsonlReader moved = std::move(reader);
  json object;
  ASSERT_TRUE(moved.Next(&object).value());
  EXPECT_EQ(moved.Where(), (folder / "f") + ":1");
  EXPECT_EQ(JsonlReader::Open(folder / "none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(JsonlReader::Open(folder.path()).ok());
}

TEST(JsonlWriterTest, AppendsAndCountsBytes) {
  const TestFolder folder;
  {
    JsonlWriter writer = JsonlWriter::Open(folder / "f").value();
    EXPECT_EQ(writer.bytes(), 0);
    ASSERT_TRUE(writer.Append({{"step", 1}}).ok());
    EXPECT_EQ(ReadFile(folder / "f").value(), "{\"step\":1}\n");  // there before any Sync
    EXPECT_EQ(writer.bytes(), 11);
    ASSERT_TRUE(writer.Sync().ok());
  }
  JsonlWriter writer = JsonlWriter::Open(folder / "f").value();
  EXPECT_EQ(writer.bytes(), 11);
  JsonlWriter moved = std::move(writer);
  ASSERT_TRUE(moved.Append({{"step", 2}}).ok());
  EXPECT_EQ(moved.bytes(), 22);
  EXPECT_EQ(ReadFile(folder / "f").value(), "{\"step\":1}\n{\"step\":2}\n");
}

TEST(JsonlWriterTest, HalfALineThatAKillLeftIsCutOff) {
  const TestFolder folder;
  for (const auto& [left, kept] :
       {std::pair<std::string, std::string>{"{\"step\":1}\n{\"st", "{\"step\":1}\n"}, {"{\"st", ""}, {"", ""}}) {
    ASSERT_TRUE(WriteFileAtomic(folder / "f", left).ok());
    ASSERT_TRUE(JsonlWriter::Open(folder / "f").value().Append({{"step", 2}}).ok());
    EXPECT_EQ(ReadFile(folder / "f").value(), kept + "{\"step\":2}\n");
  }
}

TEST(JsonlWriterTest, AResumedRunWritesTheSameBytesAgain) {
  const TestFolder folder;
  const auto append = [](JsonlWriter& writer, int step) {
    ASSERT_TRUE(writer.Append({{"step", step}, {"loss", 1.0 / step}}).ok());
  };
  JsonlWriter whole = JsonlWriter::Open(folder / "whole").value();
  for (int step = 1; step <= 5; ++step) append(whole, step);
  int64_t kept = 0;
  {
    JsonlWriter first = JsonlWriter::Open(folder / "resumed").value();
    for (int step = 1; step <= 4; ++step) {
      append(first, step);
      if (step == 2) kept = first.bytes();
    }
  }
  JsonlWriter second = JsonlWriter::Open(folder / "resumed", kept).value();
  EXPECT_EQ(second.bytes(), kept);
  for (int step = 3; step <= 5; ++step) append(second, step);
  EXPECT_EQ(ReadFile(folder / "resumed").value(), ReadFile(folder / "whole").value());
}

TEST(JsonlWriterTest, TruncationToMoreThanThereIs) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "f", "{}\n").ok());
  EXPECT_EQ(JsonlWriter::Open(folder / "f", 4).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(JsonlWriter::Open(folder / "f", 0).value().bytes(), 0);
  EXPECT_EQ(JsonlWriter::Open(folder / "new", 0).value().bytes(), 0);
  EXPECT_EQ(JsonlWriter::Open(folder / "none", 5).status().code(), absl::StatusCode::kNotFound);
}

TEST(JsonlWriterTest, NonFiniteNumbersAreRefused) {
  const TestFolder folder;
  JsonlWriter writer = JsonlWriter::Open(folder / "f").value();
  const Status status = writer.Append({{"loss", INFINITY}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("/loss is not finite"));
  EXPECT_EQ(writer.bytes(), 0);
}

}  // namespace
}  // namespace gfn
