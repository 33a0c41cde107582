#include "gflownet/tensor/tolerances.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace gfn {
namespace {

using ::testing::HasSubstr;
constexpr double kInf = std::numeric_limits<double>::infinity();

TEST(TolerancesTest, TableByDtype) {
  EXPECT_EQ(ToleranceOf(at::kFloat).value, 1e-5);
  EXPECT_EQ(ToleranceOf(at::kHalf).value, 1e-2);
  EXPECT_EQ(ToleranceOf(at::kBFloat16).value, 4e-2);
  EXPECT_EQ(ToleranceOf(at::kDouble).value, 1e-9);
  EXPECT_DOUBLE_EQ(ToleranceOf(at::kFloat).ForSumOf(16).value, 4e-5);
}

TEST(TolerancesTest, RelativeAboveOneAbsoluteBelow) {
  EXPECT_TRUE(AllClose(1000.0, 1000.9, Tolerance{1e-3}));
  EXPECT_FALSE(AllClose(1000.0, 1001.1, Tolerance{1e-3}));
  EXPECT_TRUE(AllClose(0.0, 0.9e-3, Tolerance{1e-3}));
  EXPECT_FALSE(AllClose(0.0, 1.1e-3, Tolerance{1e-3}));
}

TEST(TolerancesTest, TheWorstElementIsNamed) {
  at::Tensor a = at::zeros({2, 3}), b = at::zeros({2, 3});
  b[0][1] = 2e-5;
  b[1][2] = 5e-5;
  const Closeness result = AllClose(a, b, ToleranceOf(at::kFloat));
  EXPECT_FALSE(result);
  EXPECT_NEAR(result.worst_ratio, 5, 1e-4);
  EXPECT_THAT(result.worst, HasSubstr("element [1, 2]: 0 vs 4.99"));
}

TEST(TolerancesTest, InfinitiesAgreeOnlyWithThemselvesAndNaNWithNothing) {
  EXPECT_TRUE(AllClose(-kInf, -kInf, Tolerance{1e-5}));
  EXPECT_FALSE(AllClose(kInf, -kInf, Tolerance{1e-5}));
  EXPECT_FALSE(AllClose(1.0, kInf, Tolerance{1e-5}));
  EXPECT_FALSE(AllClose(NAN, NAN, Tolerance{1e-5}));
  EXPECT_FALSE(AllClose(at::full({1}, NAN), at::full({1}, 0.0), Tolerance{1e-5}));
}

TEST(TolerancesTest, ShapesMustBeEqual) {
  const Closeness result = AllClose(at::zeros({2}), at::zeros({2, 1}), Tolerance{1});
  EXPECT_FALSE(result);
  EXPECT_THAT(result.worst, HasSubstr("shapes differ: [2] vs [2, 1]"));
}

}  // namespace
}  // namespace gfn
