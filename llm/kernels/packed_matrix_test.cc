// Products with a packed matrix against a naive float64 twin, for every instruction set that the processor has.
#include "llm/kernels/packed_matrix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "llm/kernels/dispatch.h"
#include "llm/kernels/test_values.h"

namespace gfn {
namespace {

// |a - b| <= tolerance * max(1, |b|) for entries of unit variance: sums of `in` products, float32 accumulation.
constexpr double kTolerance = 2e-5;

class PackedMatrixTest : public testing::TestWithParam<std::tuple<Isa, WeightType>> {
 protected:
  void SetUp() override { scope_.emplace(std::get<0>(GetParam())); }
  bool bfloat16() const { return std::get<1>(GetParam()) == WeightType::kBFloat16; }
  // What the product sees of an operand.
  float Seen(float x) const { return bfloat16() ? RoundedToBFloat16(x) : x; }
  std::vector<double> Seen(const std::vector<float>& x) const {
    std::vector<double> seen;
    for (const float v : x) seen.push_back(Seen(v));
    return seen;
  }
  std::optional<ScopedIsa> scope_;
};

struct Shape {
  int64_t n, out, in;
};

const Shape kShapes[] = {{0, 5, 7},      {1, 1, 1},      {1, 48, 64},    {1, 960, 576},  {3, 49, 17},   {2, 47, 33},
                         {5, 97, 31},    {8, 96, 128},   {17, 130, 129}, {16, 192, 576}, {33, 64, 300}, {50, 100, 385},
                         {100, 31, 257}, {200, 145, 64}, {13, 1000, 40}, {3, 0, 4}};

TEST_P(PackedMatrixTest, ApplyEqualsNaive) {
  for (const Shape& s : kShapes) {
    for (const bool accumulate : {false, true}) {
      const std::vector<float> w = Values(s.out * s.in, 1, 1 / std::sqrt(s.in)), x = Values(s.n * (s.in + 3), 2);
      const std::vector<float> before = Values(s.n * (s.out + 5), 3);
      const PackedMatrix packed = PackedMatrix::Pack(w.data(), s.out, s.in, std::get<1>(GetParam()));
      const std::vector<double> seen_w = Seen(w), seen_x = Seen(x);
      std::vector<float> y = before;
      packed.Apply(x.data(), s.n, s.in + 3, y.data(), s.out + 5, accumulate, 2);
      for (int64_t i = 0; i < s.n; ++i) {
        for (int64_t o = 0; o < s.out + 5; ++o) {
          double want = before[i * (s.out + 5) + o];
          if (o < s.out) {
            want = accumulate ? want : 0;
            for (int64_t k = 0; k < s.in; ++k) want += seen_w[o * s.in + k] * seen_x[i * (s.in + 3) + k];
          }
          ASSERT_NEAR(y[i * (s.out + 5) + o], want, kTolerance * std::max(1.0, std::abs(want)))
              << "n " << s.n << " out " << s.out << " in " << s.in << " at " << i << ", " << o;
        }
      }
    }
  }
}

TEST_P(PackedMatrixTest, ApplyTransposedEqualsNaive) {
  for (const Shape& s : kShapes) {
    for (const bool accumulate : {false, true}) {
      const std::vector<float> w = Values(s.out * s.in, 1, 1 / std::sqrt(s.out)), dy = Values(s.n * (s.out + 3), 2);
      const std::vector<float> before = Values(s.n * (s.in + 5), 3);
      const PackedMatrix packed = PackedMatrix::Pack(w.data(), s.out, s.in, std::get<1>(GetParam()));
      const std::vector<double> seen_w = Seen(w), seen_dy = Seen(dy);
      std::vector<float> dx = before;
      packed.ApplyTransposed(dy.data(), s.n, s.out + 3, dx.data(), s.in + 5, accumulate, 2);
      for (int64_t i = 0; i < s.n; ++i) {
        for (int64_t k = 0; k < s.in + 5; ++k) {
          double want = before[i * (s.in + 5) + k];
          if (k < s.in) {
            want = accumulate ? want : 0;
            for (int64_t o = 0; o < s.out; ++o) want += seen_w[o * s.in + k] * seen_dy[i * (s.out + 3) + o];
          }
          ASSERT_NEAR(dx[i * (s.in + 5) + k], want, kTolerance * std::max(1.0, std::abs(want)))
              << "n " << s.n << " out " << s.out << " in " << s.in << " at " << i << ", " << k;
        }
      }
    }
  }
}

TEST_P(PackedMatrixTest, RangesOfRowsAreTheSameColumns) {
  const int64_t n = 5, out = 200, in = 70;
  const std::vector<float> w = Values(out * in, 1), x = Values(n * in, 2), dy = Values(n * out, 3);
  const PackedMatrix packed = PackedMatrix::Pack(w.data(), out, in, std::get<1>(GetParam()));
  std::vector<float> all(n * out), part(n * 56), dx(n * in), sum(n * in);
  packed.Apply(x.data(), n, in, all.data(), out, false);
  packed.ApplyRows(144, 200, x.data(), n, in, part.data(), 56, false);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t o = 0; o < 56; ++o) ASSERT_EQ(part[i * 56 + o], all[i * out + 144 + o]);
  }
  packed.ApplyTransposed(dy.data(), n, out, dx.data(), in, false);
  packed.ApplyTransposedRows(0, 144, dy.data(), n, out, sum.data(), in, false);
  packed.ApplyTransposedRows(144, 200, dy.data() + 144, n, out, sum.data(), in, true);
  for (int64_t i = 0; i < n * in; ++i) ASSERT_NEAR(sum[i], dx[i], 2e-4);
}

TEST_P(PackedMatrixTest, ARowDependsNeitherOnTheBatchNorOnThreads) {
  const int64_t n = 230, out = 300, in = 400;
  const std::vector<float> w = Values(out * in, 1), x = Values(n * in, 2), dy = Values(n * out, 3);
  const PackedMatrix packed = PackedMatrix::Pack(w.data(), out, in, std::get<1>(GetParam()));
  std::vector<float> y(n * out), row(out), dx(n * in), dx_row(in);
  packed.Apply(x.data(), n, in, y.data(), out, false, 3);
  packed.ApplyTransposed(dy.data(), n, out, dx.data(), in, false, 3);
  for (const int64_t i : {0, 1, 7, 95, 96, 229}) {
    packed.Apply(x.data() + i * in, 1, in, row.data(), out, false, 1);
    ASSERT_EQ(std::memcmp(row.data(), y.data() + i * out, out * sizeof(float)), 0) << "row " << i;
    packed.ApplyTransposed(dy.data() + i * out, 1, out, dx_row.data(), in, false, 1);
    ASSERT_EQ(std::memcmp(dx_row.data(), dx.data() + i * in, in * sizeof(float)), 0) << "row " << i;
  }
}

TEST_P(PackedMatrixTest, RowAndSetRows) {
  const int64_t out = 101, in = 37;
  const std::vector<float> w = Values(out * (in + 1), 1);
  PackedMatrix packed(out, in, std::get<1>(GetParam()));
  packed.SetRows(0, 60, w.data(), in + 1);
  packed.SetRows(60, 41, w.data() + 60 * (in + 1), in + 1);
  std::vector<float> row(in);
  for (int64_t i = 0; i < out; ++i) {
    packed.Row(i, row.data());
    for (int64_t k = 0; k < in; ++k) ASSERT_EQ(row[k], Seen(w[i * (in + 1) + k]));
  }
  EXPECT_EQ(packed.bytes(), bfloat16() ? 144 * 19 * 4 : 144 * 37 * 4);
}

TEST_P(PackedMatrixTest, NotANumberAndInfinityStay) {
  const int64_t out = 50, in = 20;
  std::vector<float> w = Values(out * in, 1), x = Values(in, 2), y(out);
  x[3] = std::nanf("");
  const PackedMatrix packed = PackedMatrix::Pack(w.data(), out, in, std::get<1>(GetParam()));
  packed.Apply(x.data(), 1, in, y.data(), out, false);
  for (const float v : y) EXPECT_TRUE(std::isnan(v));
  x[3] = HUGE_VALF;
  packed.Apply(x.data(), 1, in, y.data(), out, false);
  for (const float v : y) EXPECT_TRUE(std::isinf(v));
}

INSTANTIATE_TEST_SUITE_P(All, PackedMatrixTest,
                         testing::Combine(testing::ValuesIn(SupportedIsas()),
                                          testing::Values(WeightType::kFloat32, WeightType::kBFloat16)),
                         [](const auto& info) {
                           return std::string(IsaName(std::get<0>(info.param))) +
                                  (std::get<1>(info.param) == WeightType::kBFloat16 ? "_bfloat16" : "_float32");
                         });

// --- blocks of a file ---

class PackedBlocksTest : public testing::TestWithParam<std::tuple<Isa, WeightType>> {
 protected:
  void SetUp() override { scope_.emplace(std::get<0>(GetParam())); }
  std::optional<ScopedIsa> scope_;
};

// A half-precision number from -4 to 4, its bytes, and its value.
uint16_t SomeHalf(float x) {
  return static_cast<uint16_t>((x < 0 ? 0x8000 : 0) |
                               ((x < 0 ? -x : x) * 1024 < 1 ? 3 : 0x2c00 + static_cast<int>((x < 0 ? -x : x) * 900)));
}
float HalfValue(uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                        : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

// Rows of blocks in ggml's layout and the numbers that its reference makes of them.
struct BlockRows {
  std::vector<std::vector<unsigned char>> bytes;
  std::vector<float> numbers;
};
BlockRows MakeBlocks(WeightType type, int64_t out, int64_t in) {
  BlockRows rows;
  const std::vector<float> random = Values(out * (in + in / 16), 7);
  size_t next = 0;
  for (int64_t o = 0; o < out; ++o) {
    std::vector<unsigned char>& bytes = rows.bytes.emplace_back();
    for (int64_t b = 0; b < in / 32; ++b) {
      float scale[2] = {};
      for (int s = 0; s < (type == WeightType::kQ4_1 ? 2 : 1); ++s) {
        const uint16_t half = SomeHalf(random[next++]);
        scale[s] = HalfValue(half);
        bytes.push_back(static_cast<unsigned char>(half & 255));
        bytes.push_back(static_cast<unsigned char>(half >> 8));
      }
      unsigned char q[32];
      for (unsigned char& value : q) {
        value = static_cast<unsigned char>(static_cast<int>(std::lround(random[next++] * 1000)) &
                                           (type == WeightType::kQ8_0 ? 255 : 15));
        const int number =
            type == WeightType::kQ8_0 ? static_cast<signed char>(value) : (type == WeightType::kQ4_0 ? value - 8 : value);
        const float product = static_cast<float>(number) * scale[0];
        rows.numbers.push_back(product + scale[1]);
      }
      for (int j = 0; j < (type == WeightType::kQ8_0 ? 32 : 16); ++j) {
        bytes.push_back(type == WeightType::kQ8_0 ? q[j] : static_cast<unsigned char>(q[j] | q[j + 16] << 4));
      }
    }
  }
  return rows;
}

TEST_P(PackedBlocksTest, EveryProductIsThatOfTheExpandedNumbersBitForBit) {
  const WeightType type = std::get<1>(GetParam());
  for (const bool bfloat16 : {false, true}) {
    for (const Shape& s :
         {Shape{1, 49, 32}, Shape{2, 48, 64}, Shape{3, 100, 96}, Shape{5, 31, 1536}, Shape{16, 130, 576}, Shape{101, 97, 2080}}) {
      const BlockRows rows = MakeBlocks(type, s.out, s.in);
      std::vector<const unsigned char*> pointers;
      for (const auto& row : rows.bytes) pointers.push_back(row.data());
      PackedMatrix blocks(s.out, s.in, type, bfloat16);
      const size_t cut = static_cast<size_t>(s.out / 2);
      blocks.SetBlocks(0, std::span(pointers).first(cut));
      blocks.SetBlocks(static_cast<int64_t>(cut), std::span(pointers).subspan(cut));
      const PackedMatrix plain =
          PackedMatrix::Pack(rows.numbers.data(), s.out, s.in, bfloat16 ? WeightType::kBFloat16 : WeightType::kFloat32);
      const std::vector<float> x = Values(s.n * s.in, 2), dy = Values(s.n * s.out, 3);
      std::vector<float> y(s.n * s.out), want_y(s.n * s.out), dx(s.n * s.in), want_dx(s.n * s.in), row(s.in), want_row(s.in);
      blocks.Apply(x.data(), s.n, s.in, y.data(), s.out, false, 2);
      plain.Apply(x.data(), s.n, s.in, want_y.data(), s.out, false, 2);
      ASSERT_EQ(std::memcmp(y.data(), want_y.data(), y.size() * sizeof(float)), 0)
          << "n " << s.n << " in " << s.in << " bf16 " << bfloat16;
      blocks.ApplyTransposed(dy.data(), s.n, s.out, dx.data(), s.in, false, 2);
      plain.ApplyTransposed(dy.data(), s.n, s.out, want_dx.data(), s.in, false, 2);
      ASSERT_EQ(std::memcmp(dx.data(), want_dx.data(), dx.size() * sizeof(float)), 0)
          << "n " << s.n << " in " << s.in << " bf16 " << bfloat16;
      for (const int64_t i : {int64_t{0}, s.out - 1}) {
        blocks.Row(i, row.data());
        plain.Row(i, want_row.data());
        ASSERT_EQ(row, want_row);
      }
      EXPECT_LT(3 * blocks.bytes(), bfloat16 ? 2 * plain.bytes() : plain.bytes()) << "blocks are smaller";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, PackedBlocksTest,
                         testing::Combine(testing::ValuesIn(SupportedIsas()),
                                          testing::Values(WeightType::kQ4_0, WeightType::kQ4_1, WeightType::kQ8_0)),
                         [](const auto& info) {
                           const WeightType type = std::get<1>(info.param);
                           return std::string(IsaName(std::get<0>(info.param))) + (type == WeightType::kQ4_0   ? "_q4_0"
                                                                                   : type == WeightType::kQ4_1 ? "_q4_1"
                                                                                                               : "_q8_0");
                         });

TEST_P(PackedMatrixTest, LowRankShareEqualsNaive) {
  for (const int64_t n : {1, 5, 16, 130}) {
    const int64_t in = 70, out = 200, ranks[] = {5, 3}, t_begins[] = {0, 5}, b_begins[] = {0, 70 * 5};
    const std::vector<float> w = Values(out * in, 1, 0.1), x = Values(n * in, 2), a = Values(8 * in, 3, 0.1),
                             b = Values(70 * 5 + 80 * 3, 4);
    const PackedMatrix packed = PackedMatrix::Pack(w.data(), out, in, std::get<1>(GetParam()));
    // Two adapted ranges of outputs, [20, 90) and [90, 170), that share a panel.
    LowRank low_rank;
    low_rank.a = PackedMatrix::Pack(a.data(), 8, in, WeightType::kFloat32);
    std::vector<LowRank::Part> parts(2);
    const int64_t begins[] = {20, 90}, counts[] = {70, 80};
    for (int p = 0; p < 2; ++p) {
      parts[p].out_begin = begins[p];
      parts[p].t_begin = t_begins[p];
      parts[p].b = PackedMatrix(begins[p] % 48 + counts[p], ranks[p], WeightType::kFloat32);
      parts[p].b.SetRows(begins[p] % 48, counts[p], b.data() + b_begins[p], ranks[p]);
    }
    low_rank.parts = std::move(parts);
    std::vector<float> t(n * 8), y(n * out), plain(n * out);
    packed.ApplyWith(low_rank, t.data(), x.data(), n, in, y.data(), out, false, 2);
    packed.Apply(x.data(), n, in, plain.data(), out, false, 2);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t o = 0; o < out; ++o) {
        double want = plain[i * out + o];
        for (int p = 0; p < 2; ++p) {
          if (o < begins[p] || o >= begins[p] + counts[p]) continue;
          for (int64_t r = 0; r < ranks[p]; ++r) {
            double sum = 0;
            for (int64_t k = 0; k < in; ++k) sum += static_cast<double>(a[(t_begins[p] + r) * in + k]) * x[i * in + k];
            want += sum * b[b_begins[p] + (o - begins[p]) * ranks[p] + r];
          }
        }
        ASSERT_NEAR(y[i * out + o], want, kTolerance * std::max(1.0, std::abs(want))) << "n " << n << " at " << i << ", " << o;
      }
    }
  }
}

TEST(PackedMatrixDeathTest, RefusesARangeInsideAPanel) {
  const PackedMatrix packed(100, 4, WeightType::kFloat32);
  float x[4] = {}, y[100];
  EXPECT_DEATH(packed.ApplyRows(7, 20, x, 1, 4, y, 100, false), "rows \\[7, 20\\)");
}

}  // namespace
}  // namespace gfn
