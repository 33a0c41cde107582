#include "gflownet/base/rng.h"

#include <Random123/philox.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "gtest/gtest.h"

namespace gfn {
namespace {

constexpr RngKey kRngKey = {.seed = 17, .purpose = RngPurpose::kTest, .step = 3};

// Pearson's statistic of counts against equal expectation.
double ChiSquare(const std::vector<int64_t>& counts) {
  const double expected = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0})) / counts.size();
  double sum = 0;
  for (const int64_t count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

// Five standard deviations above the mean of a chi-square variable; all draws are fixed, so this cannot flicker.
double ChiSquareLimit(size_t num_cells) { return (num_cells - 1) + 5 * std::sqrt(2.0 * (num_cells - 1)); }

// The largest distance between the empirical distribution function and the true one, times sqrt(n) (Kolmogorov, Smirnov).
template <class Cdf>
double KolmogorovDistance(std::vector<double> values, Cdf cdf) {
  std::sort(values.begin(), values.end());
  double largest = 0;
  const double n = static_cast<double>(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const double p = cdf(values[i]);
    largest = std::max({largest, std::abs(p - i / n), std::abs(p - (i + 1) / n)});
  }
  return largest * std::sqrt(n);
}
constexpr double kKolmogorovLimit = 1.95;  // exceeded by chance once in 1,000

TEST(PhiloxTest, KnownAnswersOfRandom123) {  // kat_vectors of the Random123 distribution
  const auto check = [](std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key, std::array<uint32_t, 4> expected) {
    const PhiloxBlock block = Philox4x32({{counter[0], counter[1], counter[2], counter[3]}}, key[0], key[1]);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(block.words[i], expected[i]) << "word " << i;
  };
  check({0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  check({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  check({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
        {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST(PhiloxTest, EqualsRandom123) {
  // Counters and keys from the reference's own output, so that all bits take part.
  philox4x32_ctr_t counter = {{1, 2, 3, 4}};
  philox4x32_key_t key = {{5, 6}};
  for (int i = 0; i < 1000; ++i) {
    const philox4x32_ctr_t expected = philox4x32(counter, key);
    const PhiloxBlock found = Philox4x32({{counter.v[0], counter.v[1], counter.v[2], counter.v[3]}}, key.v[0], key.v[1]);
    ASSERT_TRUE(std::equal(found.words, found.words + 4, expected.v)) << "block " << i;
    counter = expected;
    key = {{expected.v[0] ^ expected.v[3], expected.v[1]}};
  }
}

TEST(PhiloxTest, MultiplyHighIsTheUpperHalf) {
  for (const uint64_t a :
       {uint64_t{0}, uint64_t{1}, uint64_t{0xFFFFFFFF}, uint64_t{1} << 32, ~uint64_t{0}, uint64_t{0x123456789ABCDEF0}}) {
    for (uint64_t i = 0; i < 100; ++i) {
      const uint64_t b = i == 0 ? ~uint64_t{0} : RandomBits(kRngKey, 0, i);
      EXPECT_EQ(MultiplyHigh(a, b), static_cast<uint64_t>((static_cast<unsigned __int128>(a) * b) >> 64));
    }
  }
}

// Recorded runs depend on these bits; the numbers come from an independent implementation in another language.
TEST(RngTest, AddressesGiveTheRecordedBits) {
  EXPECT_EQ(RandomBits({0, RngPurpose::kRollout, 0}, 0, 0), 0x46d2116ac33cab38u);
  const RngKey key = {1234, RngPurpose::kRollout, 7};
  EXPECT_EQ(RandomBits(key, 3, 11), 0xfd94002f775dfe56u);
  EXPECT_EQ(Uniform(key, 3, 11), 0.990539561832854);
  EXPECT_EQ(UniformInt(key, 3, 11, 1000), 990);
  const RngKey large = {~uint64_t{0}, RngPurpose::kBootstrap, (uint64_t{1} << 40) + 5};
  EXPECT_EQ(RandomBits(large, (uint64_t{1} << 33) + 1, (uint64_t{1} << 50) + 9), 0x603727b30b825ae8u);
}

TEST(RngTest, PurposesKeepTheirNumbers) {
  EXPECT_EQ(static_cast<int>(RngPurpose::kRollout), 1);
  EXPECT_EQ(static_cast<int>(RngPurpose::kReplay), 6);
  EXPECT_EQ(static_cast<int>(RngPurpose::kBenchmark), 13);
}

TEST(RngTest, EveryPartOfTheAddressMatters) {
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    for (const RngPurpose purpose : {RngPurpose::kRollout, RngPurpose::kBehaviour, RngPurpose::kTest}) {
      for (uint64_t step = 0; step < 6; ++step) {
        for (uint64_t stream = 0; stream < 6; ++stream) {
          for (uint64_t position = 0; position < 6; ++position) {
            seen.insert(RandomBits({seed, purpose, step}, stream, position));
          }
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), 6u * 3 * 6 * 6 * 6);
  // Words above the lower 32 bits too.
  EXPECT_NE(RandomBits(kRngKey, 1, 0), RandomBits(kRngKey, 1 + (uint64_t{1} << 32), 0));
  EXPECT_NE(RandomBits(kRngKey, 0, 1), RandomBits(kRngKey, 0, 1 + (uint64_t{1} << 32)));
}

// Uniform along each coordinate of the address, not only along the position.
TEST(RngTest, UniformAlongEveryCoordinate) {
  constexpr int kDraws = 40000, kCells = 64;
  const auto check = [](const char* what, auto draw) {
    std::vector<int64_t> counts(kCells), pairs(16 * 16);
    double previous = draw(0), sum = 0, product = 0;
    for (uint64_t i = 1; i <= kDraws; ++i) {
      const double u = draw(i);
      ++counts[static_cast<size_t>(u * kCells)];
      ++pairs[static_cast<size_t>(u * 16) * 16 + static_cast<size_t>(previous * 16)];
      sum += u;
      product += (u - 0.5) * (previous - 0.5);
      previous = u;
    }
    EXPECT_LT(ChiSquare(counts), ChiSquareLimit(counts.size())) << what;
    EXPECT_LT(ChiSquare(pairs), ChiSquareLimit(pairs.size())) << what << ": neighbours";
    EXPECT_NEAR(sum / kDraws, 0.5, 5 / std::sqrt(12.0 * kDraws)) << what;
    EXPECT_NEAR(product / kDraws * 12, 0, 5 / std::sqrt(kDraws)) << what << ": correlation of neighbours";
  };
  check("position", [](uint64_t i) { return Uniform(kRngKey, 5, i); });
  check("stream", [](uint64_t i) { return Uniform(kRngKey, i, 5); });
  check("step", [](uint64_t i) { return Uniform({17, RngPurpose::kTest, i}, 2, 5); });
  check("seed", [](uint64_t i) { return Uniform({i, RngPurpose::kTest, 3}, 2, 5); });
  check("stream and position", [](uint64_t i) { return Uniform(kRngKey, i, i); });
}

TEST(RngTest, EveryBitIsFair) {
  constexpr int kDraws = 20000;
  std::array<int, 64> ones{};
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t bits = RandomBits(kRngKey, 1, i);
    for (int b = 0; b < 64; ++b) ones[b] += (bits >> b) & 1;
  }
  for (int b = 0; b < 64; ++b) EXPECT_NEAR(ones[b], kDraws / 2.0, 5 * std::sqrt(kDraws) / 2) << "bit " << b;
}

TEST(RngTest, RangesAreAsPromisedAtTheirEnds) {
  EXPECT_EQ(OpenUnit(0), 0x1p-53);
  EXPECT_EQ(OpenUnit(~uint64_t{0}), 1 - 0x1p-53);
  for (uint64_t i = 0; i < 10000; ++i) {
    const double u = Uniform(kRngKey, 0, i), open = UniformOpen(kRngKey, 0, i);
    const float f = UniformFloat(kRngKey, 0, i), open_f = UniformFloatOpen(kRngKey, 0, i);
    ASSERT_TRUE(u >= 0 && u < 1 && open > 0 && open < 1 && f >= 0 && f < 1 && open_f > 0 && open_f < 1);
    ASSERT_EQ(f, static_cast<float>(std::floor(u * 0x1p24) * 0x1p-24));
    ASSERT_NEAR(u, open, 0x1p-52);
    ASSERT_NEAR(u, open_f, 0x1p-23);
  }
}

TEST(RngTest, NormalHasTheNormalDistribution) {
  std::vector<double> values;
  for (uint64_t i = 0; i < 20000; ++i) values.push_back(Normal(kRngKey, 9, i));
  const double n = static_cast<double>(values.size());
  double sum = 0, square = 0, fourth = 0;
  for (const double v : values) sum += v, square += v * v, fourth += v * v * v * v;
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(square / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96 / n));
  EXPECT_LT(KolmogorovDistance(values, [](double v) { return 0.5 * std::erfc(-v / std::sqrt(2.0)); }), kKolmogorovLimit);
}

TEST(RngTest, GumbelHasTheGumbelDistribution) {
  std::vector<double> values;
  for (uint64_t i = 0; i < 20000; ++i) values.push_back(Gumbel(kRngKey, 9, i));
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / values.size();
  EXPECT_NEAR(mean, 0.5772156649, 5 * 1.2825 / std::sqrt(values.size()));
  EXPECT_LT(KolmogorovDistance(values, [](double v) { return std::exp(-std::exp(-v)); }), kKolmogorovLimit);
}

// The use it is made for: the argmax of log p + Gumbel is a draw from p.
TEST(RngTest, GumbelMaximumDrawsFromTheSoftmax) {
  const std::array<double, 4> p = {0.5, 0.3, 0.15, 0.05};
  std::array<int64_t, 4> counts{};
  constexpr int kDraws = 20000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    size_t best = 0;
    double best_score = -1e300;
    for (size_t a = 0; a < p.size(); ++a) {
      const double score = std::log(p[a]) + Gumbel(kRngKey, i, a);
      if (score > best_score) best_score = score, best = a;
    }
    ++counts[best];
  }
  for (size_t a = 0; a < p.size(); ++a) EXPECT_NEAR(counts[a], kDraws * p[a], 5 * std::sqrt(kDraws * p[a] * (1 - p[a])));
}

TEST(RngTest, UniformIntIsUniformAndInRange) {
  for (const int64_t n : {1, 2, 3, 7, 100}) {
    std::vector<int64_t> counts(n);
    for (uint64_t i = 0; i < 20000; ++i) {
      const int64_t value = UniformInt(kRngKey, static_cast<uint64_t>(n), i, n);
      ASSERT_TRUE(value >= 0 && value < n);
      ++counts[value];
    }
    EXPECT_LE(ChiSquare(counts), ChiSquareLimit(counts.size())) << n;  // 0 <= 0 for n = 1
  }
  EXPECT_LT(UniformInt(kRngKey, 0, 0, INT64_MAX), INT64_MAX);
}

TEST(RngTest, PermutationsAreEquallyLikely) {
  std::map<std::vector<int64_t>, size_t> index;
  std::vector<int64_t> order = {0, 1, 2, 3};
  do index.emplace(order, index.size());
  while (std::next_permutation(order.begin(), order.end()));
  std::vector<int64_t> counts(index.size());
  for (uint64_t step = 0; step < 12000; ++step) ++counts[index.at(Permutation({1, RngPurpose::kData, step}, 4))];
  EXPECT_LT(ChiSquare(counts), ChiSquareLimit(counts.size()));
}

TEST(RngTest, PermutationHoldsEveryNumberOnce) {
  EXPECT_TRUE(Permutation(kRngKey, 0).empty());
  std::vector<int64_t> order = Permutation(kRngKey, 1000);
  EXPECT_EQ(order, Permutation(kRngKey, 1000));
  EXPECT_NE(order, Permutation(kRngKey, 1000, /*stream=*/1));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i) ASSERT_EQ(order[i], i);
}

TEST(RngDeathTest, PermutationOfNegativeLength) { EXPECT_DEATH(Permutation(kRngKey, -1), "check failed"); }

}  // namespace
}  // namespace gfn
