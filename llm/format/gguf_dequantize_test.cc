#include "llm/format/gguf_dequantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "llm/format/gguf_builder.h"

namespace gfn {
namespace {

using testing::ElementsAre;

// fp16 bits of the numbers that the blocks below use.
constexpr uint16_t kHalfOne = 0x3C00, kHalfTwo = 0x4000, kHalfMinusHalf = 0xB800;

std::string Half(uint16_t bits) {
  std::string out;
  GgufBuilder::Append(out, bits);
  return out;
}

std::vector<float> Decode(GgmlType type, const std::string& block) {
  std::vector<float> out(static_cast<size_t>(BlockOf(type).elements));
  Dequantize(type, AsBytes(block), out);
  return out;
}

// A block of zero bits with a few bytes set.
std::string Bytes(size_t size, const std::vector<std::pair<size_t, int>>& set) {
  std::string out(size, '\0');
  for (const auto& [at, value] : set) out[at] = static_cast<char>(value);
  return out;
}

TEST(Dequantize, Q4_0ByHand) {  // low nibbles are numbers 0..15, high nibbles 16..31; centre 8
  const auto x = Decode(GgmlType::kQ4_0, Half(kHalfTwo) + Bytes(16, {{0, 0xF0}, {15, 0x98}}));
  EXPECT_EQ(x[0], 2 * (0 - 8));
  EXPECT_EQ(x[16], 2 * (15 - 8));
  EXPECT_EQ(x[15], 0);
  EXPECT_EQ(x[31], 2);
  EXPECT_EQ(x[1], -16);
}

TEST(Dequantize, Q4_1ByHand) {
  const auto x = Decode(GgmlType::kQ4_1, Half(kHalfTwo) + Half(kHalfMinusHalf) + Bytes(16, {{3, 0xA5}}));
  EXPECT_EQ(x[3], 2 * 5 - 0.5f);
  EXPECT_EQ(x[19], 2 * 10 - 0.5f);
  EXPECT_EQ(x[0], -0.5f);
}

TEST(Dequantize, Q5_0ByHand) {  // bit j of the four bytes after the scale is worth 16 for number j; centre 16
  const auto x = Decode(GgmlType::kQ5_0, Half(kHalfTwo) + Bytes(4, {{0, 0x01}, {3, 0x80}}) + Bytes(16, {{0, 0x21}, {15, 0xF0}}));
  EXPECT_EQ(x[0], 2 * (1 + 16 - 16));
  EXPECT_EQ(x[16], 2 * (2 - 16));
  EXPECT_EQ(x[15], 2 * (0 - 16));
  EXPECT_EQ(x[31], 2 * (15 + 16 - 16));
}

TEST(Dequantize, Q5_1ByHand) {
  const auto x = Decode(GgmlType::kQ5_1,
                        Half(kHalfOne) + Half(kHalfTwo) + Bytes(4, {{1, 0x80}, {2, 0x01}}) + Bytes(16, {{0, 0x43}, {15, 0x05}}));
  EXPECT_EQ(x[0], 3 + 2);
  EXPECT_EQ(x[15], 5 + 16 + 2);
  EXPECT_EQ(x[16], 4 + 16 + 2);
  EXPECT_EQ(x[31], 2);
}

TEST(Dequantize, Q8_0ByHand) {
  const auto x = Decode(GgmlType::kQ8_0, Half(kHalfMinusHalf) + Bytes(32, {{0, 127}, {31, -128}}));
  EXPECT_EQ(x[0], -63.5f);
  EXPECT_EQ(x[31], 64.0f);
  EXPECT_EQ(x[1], 0.0f);
}

// Sub-block j < 4: scale in the low 6 bits of scales[j], minimum in those of scales[j + 4]. Sub-block j >= 4: the low nibble of
// scales[j + 4] and the top two bits of scales[j - 4] are the scale; the high nibble and the top bits of scales[j] the minimum.
std::string KScales() { return Bytes(12, {{0, 3 | 0x40}, {4, 5 | 0x80}, {8, 0x21}, {1, 7}}); }

TEST(Dequantize, Q4_KByHand) {
  const auto x =
      Decode(GgmlType::kQ4_K, Half(kHalfOne) + Half(kHalfTwo) + KScales() + Bytes(128, {{0, 0xB9}, {31, 0x01}, {64, 0x0F}}));
  EXPECT_EQ(x[0], 3 * 9 - 2 * 5);  // sub-block 0: scale 3, minimum 5
  EXPECT_EQ(x[31], 3 * 1 - 2 * 5);
  EXPECT_EQ(x[32], 7 * 11);                         // sub-block 1: scale 7, minimum 0
  EXPECT_EQ(x[128], (1 + 16) * 15 - 2 * (2 + 32));  // sub-block 4: scale 1 | 1 << 4, minimum 2 | 2 << 4
  EXPECT_EQ(x[160], 0);
}

TEST(Dequantize, Q5_KByHand) {  // bit j of qh[l] is worth 16 for number l of sub-block j
  const auto x = Decode(GgmlType::kQ5_K, Half(kHalfOne) + Half(kHalfTwo) + KScales() + Bytes(32, {{0, 0x13}}) +
                                             Bytes(128, {{0, 0xB9}, {64, 0x0F}}));
  EXPECT_EQ(x[0], 3 * (9 + 16) - 2 * 5);
  EXPECT_EQ(x[1], -2 * 5);
  EXPECT_EQ(x[32], 7 * (11 + 16));
  EXPECT_EQ(x[128], 17 * (15 + 16) - 2 * 34);
}

TEST(Dequantize, Q6_KByHand) {  // the two high bits of numbers l, l + 32, l + 64, l + 96 are in qh[l]; centre 32
  const auto x =
      Decode(GgmlType::kQ6_K, Bytes(128, {{0, 0x4A}, {32, 0x21}, {64, 0x03}}) + Bytes(64, {{0, 0b11'10'01'00}, {32, 1}}) +
                                  Bytes(16, {{0, 1}, {2, 2}, {4, 3}, {6, -4}, {8, 5}, {1, 6}}) + Half(kHalfTwo));
  EXPECT_EQ(x[0], 2 * 1 * (10 - 32));
  EXPECT_EQ(x[32], 2 * 2 * (1 + 16 - 32));
  EXPECT_EQ(x[64], 2 * 3 * (4 + 32 - 32));
  EXPECT_EQ(x[96], 2 * -4 * (2 + 48 - 32));
  EXPECT_EQ(x[16], 2 * 6 * -32);
  EXPECT_EQ(x[128], 2 * 5 * (3 + 16 - 32));
}

TEST(Dequantize, PlainTypesByHand) {
  std::string f32;
  GgufBuilder::Append(f32, 1.5f);
  EXPECT_THAT(Decode(GgmlType::kF32, f32), ElementsAre(1.5f));
  EXPECT_THAT(Decode(GgmlType::kF16, Half(kHalfMinusHalf)), ElementsAre(-0.5f));
  EXPECT_THAT(Decode(GgmlType::kBF16, Half(0x3FC0)), ElementsAre(1.5f));
}

// Against arithmetic on the fields of the format, for every bit pattern.
TEST(Dequantize, HalfToFloatIsExactEverywhere) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float sign = (bits & 0x8000) != 0 ? -1.0f : 1.0f;
    const int exponent = static_cast<int>(bits >> 10) & 31;
    const float mantissa = static_cast<float>(bits & 1023);
    const float found = HalfToFloat(static_cast<uint16_t>(bits));
    if (exponent == 31 && mantissa != 0) {
      EXPECT_TRUE(std::isnan(found)) << bits;
      continue;
    }
    float expected = std::ldexp(mantissa, -24);
    if (exponent == 31) expected = std::numeric_limits<float>::infinity();
    if (exponent > 0 && exponent < 31) expected = std::ldexp(1024 + mantissa, exponent - 25);
    ASSERT_EQ(found, sign * expected) << bits;
    ASSERT_EQ(std::signbit(found), sign < 0) << bits;
  }
}

// Bit for bit what the Python package gguf makes of the same random blocks.
TEST(Dequantize, EqualsTheReferencePackage) {
  const auto file = GgufFile::Open(GFN_SOURCE_DIR "/tests/golden/format/blocks.gguf");
  ASSERT_TRUE(file.ok()) << Message(file.status());
  int num_types = 0;
  for (const auto& entry : GfnEnumEntries(GgmlType{})) {
    if (entry.value == GgmlType::kF32) continue;
    const std::string name(entry.name);
    const GgufTensor* stored = file->FindTensor(name);
    const GgufTensor* expected = file->FindTensor(name + ".f32");
    ASSERT_TRUE(stored != nullptr && expected != nullptr) << name;
    std::vector<float> found(static_cast<size_t>(stored->num_elements));
    Dequantize(stored->type, stored->bytes, found);
    ASSERT_EQ(expected->bytes.size(), 4 * found.size()) << name;
    for (size_t i = 0; i < found.size(); ++i) {
      float x = 0;
      std::memcpy(&x, expected->bytes.data() + 4 * i, 4);
      ASSERT_EQ(found[i], x) << name << " number " << i;
    }
    ++num_types;
  }
  EXPECT_EQ(num_types, 10);
}

}  // namespace
}  // namespace gfn
