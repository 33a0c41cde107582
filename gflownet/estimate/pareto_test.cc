// Fronts, volumes and distances by hand, and the volume of many points against a grid.
#include "gflownet/estimate/pareto.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "gflownet/base/rng.h"

namespace gfn {
namespace {

TEST(Pareto, FrontLeavesOutWhatIsDominatedOrRepeated) {
  const std::vector<Point> points = {{1, 5}, {2, 2}, {3, 3}, {5, 1}, {3, 3}, {1, 4}};
  EXPECT_EQ(ParetoFront(points), (std::vector<Point>{{1, 5}, {3, 3}, {5, 1}}));
  EXPECT_TRUE(ParetoFront({}).empty());
}

TEST(Pareto, HypervolumeByHand) {
  EXPECT_DOUBLE_EQ(Hypervolume({{2, 3}}, {0, 0}), 6);
  EXPECT_DOUBLE_EQ(Hypervolume({{1, 5}, {3, 3}, {5, 1}}, {0, 0}), 5 + 2 * 3 + 2 * 1);
  EXPECT_DOUBLE_EQ(Hypervolume({{1, 1, 1}, {2, 1, 0.5}}, {0, 0, 0}), 1 + 0.5);
  EXPECT_DOUBLE_EQ(Hypervolume({{-1, 5}, {0, 3}}, {0, 0}), 0);  // not above the reference in every objective
  EXPECT_DOUBLE_EQ(Hypervolume({{4}, {7}}, {1}), 6);
}

TEST(Pareto, HypervolumeOfManyPointsEqualsACount) {
  std::vector<Point> points;
  for (uint64_t i = 0; i < 12; ++i) {
    Point point;
    for (uint64_t m = 0; m < 4; ++m) point.push_back(static_cast<double>(UniformInt({3, RngPurpose::kTest, 0}, i, m, 6)));
    points.push_back(point);
  }
  // Unit cubes whose upper corner some point reaches.
  double cubes = 0;
  for (int64_t code = 0; code < 6 * 6 * 6 * 6; ++code) {
    Point corner;
    for (int64_t m = 0, rest = code; m < 4; ++m, rest /= 6) corner.push_back(static_cast<double>(rest % 6) + 1);
    cubes += std::any_of(points.begin(), points.end(), [&](const Point& point) {
      for (size_t m = 0; m < 4; ++m) {
        if (point[m] < corner[m]) return false;
      }
      return true;
    });
  }
  EXPECT_DOUBLE_EQ(Hypervolume(points, {0, 0, 0, 0}), cubes);
}

TEST(Pareto, InvertedGenerationalDistance) {
  EXPECT_DOUBLE_EQ(InvertedGenerationalDistance({{0, 0}, {9, 9}}, {{3, 4}, {0, 0}}), 2.5);
  EXPECT_TRUE(std::isinf(InvertedGenerationalDistance({}, {{1, 1}})));
}

TEST(Pareto, SimplexGrid) {
  EXPECT_EQ(SimplexGrid(2, 2), (std::vector<Point>{{0, 1}, {0.5, 0.5}, {1, 0}}));
  EXPECT_EQ(SimplexGrid(3, 4).size(), 15u);
  for (const Point& point : SimplexGrid(3, 4)) EXPECT_NEAR(point[0] + point[1] + point[2], 1, 1e-12);
}

}  // namespace
}  // namespace gfn
