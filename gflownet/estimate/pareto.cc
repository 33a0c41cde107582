#include "gflownet/estimate/pareto.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

bool AtLeastAsGood(const Point& a, const Point& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] < b[i]) return false;
  }
  return true;
}

void ExtendGrid(int64_t left, int64_t divisions, size_t num_objectives, Point& partial, std::vector<Point>& grid) {
  const double unit = 1.0 / static_cast<double>(divisions);
  if (partial.size() + 1 == num_objectives) {
    partial.push_back(static_cast<double>(left) * unit);
    grid.push_back(partial);
    partial.pop_back();
    return;
  }
  for (int64_t k = 0; k <= left; ++k) {
    partial.push_back(static_cast<double>(k) * unit);
    ExtendGrid(left - k, divisions, num_objectives, partial, grid);
    partial.pop_back();
  }
}

}  // namespace

std::vector<Point> ToPoints(const at::Tensor& points_PM) {
  const at::Tensor values = points_PM.to(at::kDouble).contiguous();
  const double* from = values.const_data_ptr<double>();
  std::vector<Point> points;
  for (int64_t p = 0; p < values.size(0); ++p, from += values.size(1)) points.emplace_back(from, from + values.size(1));
  return points;
}

std::vector<Point> ParetoFront(const std::vector<Point>& points) {
  std::vector<Point> front;
  for (const Point& point : points) {
    GFN_CHECK_EQ(point.size(), points[0].size());
    const auto covers = [&](const Point& other) { return AtLeastAsGood(other, point); };
    if (std::any_of(front.begin(), front.end(), covers)) continue;
    std::erase_if(front, [&](const Point& other) { return AtLeastAsGood(point, other); });
    front.push_back(point);
  }
  return front;
}

double Hypervolume(const std::vector<Point>& points, const Point& reference) {
  std::vector<Point> above;
  for (const Point& point : points) {
    GFN_CHECK_EQ(point.size(), reference.size());
    bool exceeds = true;
    for (size_t i = 0; i < point.size(); ++i) exceeds = exceeds && point[i] > reference[i];
    if (exceeds) above.push_back(point);
  }
  if (above.empty()) return 0;
  const size_t last = reference.size() - 1;
  std::sort(above.begin(), above.end(), [last](const Point& a, const Point& b) { return a[last] > b[last]; });
  if (last == 0) return above[0][0] - reference[0];
  // From the top down: between two values of the last objective the slice is what the points above dominate in the others.
  double volume = 0;
  std::vector<Point> slice;
  const Point below(reference.begin(), reference.end() - 1);
  for (size_t i = 0; i < above.size(); ++i) {
    slice.emplace_back(above[i].begin(), above[i].end() - 1);
    const double next = i + 1 < above.size() ? above[i + 1][last] : reference[last];
    if (above[i][last] > next) volume += (above[i][last] - next) * Hypervolume(slice, below);
  }
  return volume;
}

double InvertedGenerationalDistance(const std::vector<Point>& found, const std::vector<Point>& true_front) {
  GFN_CHECK(!true_front.empty());
  double sum = 0;
  for (const Point& target : true_front) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const Point& point : found) {
      GFN_CHECK_EQ(point.size(), target.size());
      double squares = 0;
      for (size_t i = 0; i < target.size(); ++i) squares += (point[i] - target[i]) * (point[i] - target[i]);
      nearest = std::min(nearest, std::sqrt(squares));
    }
    sum += nearest;
  }
  return sum / static_cast<double>(true_front.size());
}

std::vector<Point> SimplexGrid(int64_t num_objectives, int64_t divisions) {
  GFN_CHECK(num_objectives >= 1 && divisions >= 1);
  std::vector<Point> grid;
  Point partial;
  ExtendGrid(divisions, divisions, static_cast<size_t>(num_objectives), partial, grid);
  return grid;
}

}  // namespace gfn
