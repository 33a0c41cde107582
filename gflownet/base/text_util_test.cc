#include "gflownet/base/text_util.h"

#include <cmath>
#include <limits>

#include "gflownet/base/enum_table.h"
#include "gflownet/base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gfn {
namespace {

using ::testing::ElementsAre;

TEST(TextUtilTest, Join) {
  EXPECT_EQ(Join({}, ", "), "");
  EXPECT_EQ(Join({"a"}, ", "), "a");
  EXPECT_EQ(Join({"a", "", "b"}, ", "), "a, , b");
}

TEST(TextUtilTest, EditDistance) {
  EXPECT_EQ(EditDistance("", ""), 0);
  EXPECT_EQ(EditDistance("abc", ""), 3);
  EXPECT_EQ(EditDistance("lamda", "lambda"), 1);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3);
  EXPECT_EQ(EditDistance("ab", "ba"), 1);  // neighbours swapped
  EXPECT_EQ(EditDistance("recieve", "receive"), 1);
  EXPECT_EQ(EditDistance("ca", "abc"), 3);  // a swapped pair is not edited again
  EXPECT_EQ(EditDistance("flaw", "lawn"), EditDistance("lawn", "flaw"));
}

TEST(TextUtilTest, ClosestName) {
  const std::vector<std::string> names = {"lambda", "lr", "max_len", "min_len"};
  EXPECT_EQ(ClosestName("lamda", names), "lambda");
  EXPECT_EQ(ClosestName("max_lenght", names), "max_len");
  EXPECT_EQ(ClosestName("rl", names), "lr");
  EXPECT_EQ(ClosestName("x", names), std::nullopt);
  EXPECT_EQ(ClosestName("temperature", names), std::nullopt);
  EXPECT_EQ(ClosestName("", names), std::nullopt);
  EXPECT_EQ(ClosestName(std::string(100000, 'l'), names), std::nullopt);
  EXPECT_EQ(ClosestName("lambda", {}), std::nullopt);
}

TEST(TextUtilTest, UnknownName) {
  EXPECT_EQ(UnknownName("key", "lamda", "known keys", {"lambda", "lr"}),
            "unknown key 'lamda'; did you mean 'lambda'? known keys: lambda, lr");
  EXPECT_EQ(UnknownName("key", "zzz", "known keys", {}), "unknown key 'zzz'; known keys: none");
}

TEST(TextUtilTest, RealsReadBackToTheSameValue) {
  EXPECT_EQ(FormatReal(0.1), "0.1");
  EXPECT_EQ(FormatReal(3), "3");
  EXPECT_EQ(FormatReal(1e-5), "1e-05");
  EXPECT_EQ(FormatReal(-0.0), "-0");
  EXPECT_EQ(FormatReal(std::nan("")), "nan");
  EXPECT_EQ(FormatReal(-INFINITY), "-inf");
  for (uint64_t i = 0; i < 2000; ++i) {
    const double value = Normal({1}, 0, i) * std::pow(10.0, static_cast<double>(UniformInt({1}, 1, i, 600)) - 300);
    EXPECT_EQ(ParseReal(FormatReal(value)), value);
  }
  for (const double value :
       {std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min(), -1e22, 123456789012345678.0}) {
    EXPECT_EQ(ParseReal(FormatReal(value)), value);
  }
}

TEST(TextUtilTest, ParseReal) {
  EXPECT_EQ(ParseReal("1e-3"), 1e-3);
  EXPECT_EQ(ParseReal("-2.5E+2"), -250);
  EXPECT_EQ(ParseReal("0.5"), 0.5);
  EXPECT_EQ(ParseReal(".5"), 0.5);
  EXPECT_EQ(ParseReal("0"), 0);
  for (const char* bad : {"", " 1", "1 ", "1x", "+1", "0x10", "nan", "inf", "-inf", ".inf", ".nan", "1e999", "-1e999", "1,5",
                          "1_000", "007", "-00.5", "one"}) {
    EXPECT_EQ(ParseReal(bad), std::nullopt) << bad;
  }
}

TEST(TextUtilTest, ParseInt) {
  EXPECT_EQ(ParseInt("0"), 0);
  EXPECT_EQ(ParseInt("-12"), -12);
  EXPECT_EQ(ParseInt("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(ParseInt("-9223372036854775808"), INT64_MIN);
  for (const char* bad : {"", "9223372036854775808", "1.0", "1e3", "+1", "0x10", "010", "-01", " 1", "1 ", "1_000", "max"}) {
    EXPECT_EQ(ParseInt(bad), std::nullopt) << bad;
  }
}

TEST(TextUtilTest, FormatBytes) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(1048575), "1.0 MiB");
  EXPECT_EQ(FormatBytes(int64_t{5} << 30), "5.0 GiB");
  EXPECT_EQ(FormatBytes(INT64_MAX), "8.0 EiB");
}

TEST(TextUtilTest, FormatDuration) {
  EXPECT_EQ(FormatDuration(0), "0.0 s");
  EXPECT_EQ(FormatDuration(4.24), "4.2 s");
  EXPECT_EQ(FormatDuration(59.97), "1:00");
  EXPECT_EQ(FormatDuration(187), "3:07");
  EXPECT_EQ(FormatDuration(3599.7), "1:00:00");
  EXPECT_EQ(FormatDuration(7387), "2:03:07");
  EXPECT_EQ(FormatDuration(INFINITY), "unknown");
  EXPECT_EQ(FormatDuration(NAN), "unknown");
}

TEST(TextUtilTest, FormatShort) {
  EXPECT_EQ(FormatShort(0), "0");
  EXPECT_EQ(FormatShort(0.123456), "0.1235");
  EXPECT_EQ(FormatShort(-12.3456), "-12.35");
  EXPECT_EQ(FormatShort(12345.6), "12346");
  EXPECT_EQ(FormatShort(1.2345e-5), "1.234e-05");
  EXPECT_EQ(FormatShort(1e20), "1e+20");
  EXPECT_EQ(FormatShort(NAN), "nan");
}

TEST(TextUtilTest, FindInvalidUtf8) {
  for (const std::string_view good : {"", "abc", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBF\xBF",
                                      "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF", "\xEE\x80\x80"}) {
    EXPECT_EQ(FindInvalidUtf8(good), std::nullopt);
  }
  EXPECT_EQ(FindInvalidUtf8(std::string_view("a\0b", 3)), std::nullopt);
  for (const std::string bad : {"\x80", "\xC3", "\xC0\x80", "\xC1\xBF", "\xE2\x82", "\xE0\x80\x80", "\xED\xA0\x80",
                                "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC3(", "\xF0\x9F\x98"}) {
    EXPECT_EQ(FindInvalidUtf8("ab" + bad), 2u);
    EXPECT_EQ(FindInvalidUtf8("ab" + bad + "c"), 2u);
  }
}

enum class Colour { kRed, kGreen, kBlue };
GFN_ENUM_TABLE(Colour, {Colour::kRed, "red"}, {Colour::kGreen, "green", "the default"}, {Colour::kBlue, "blue"})

TEST(EnumTableTest, NamesAndValues) {
  EXPECT_EQ(EnumName(Colour::kGreen), "green");
  EXPECT_EQ(ParseEnum<Colour>("blue").value(), Colour::kBlue);
  EXPECT_THAT(EnumChoices<Colour>(), ElementsAre("red", "green", "blue"));
  for (const auto& entry : GfnEnumEntries(Colour{})) EXPECT_EQ(ParseEnum<Colour>(entry.name).value(), entry.value);
}

TEST(EnumTableTest, UnknownNamesAreRefused) {
  const Status status = ParseEnum<Colour>("gren").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(status), "unknown value 'gren'; did you mean 'green'? choices: red, green, blue");
  EXPECT_FALSE(ParseEnum<Colour>("Red").ok());
  EXPECT_FALSE(ParseEnum<Colour>("").ok());
}

TEST(EnumTableDeathTest, AValueOutsideOfTheTable) {
  EXPECT_DEATH((void)EnumName(static_cast<Colour>(7)), "7 is not in its table");
}

}  // namespace
}  // namespace gfn
