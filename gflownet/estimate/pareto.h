// Fronts of several rewards, larger being better in each.
// Shapes: P points, M objectives, C preferences.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace gfn {

using Point = std::vector<double>;  // [M]

// The rows of a float64 [P, M].
std::vector<Point> ToPoints(const at::Tensor& points_PM);

// The points that no other point dominates (at least as good everywhere, better somewhere), without repeats, in order of
// appearance.
std::vector<Point> ParetoFront(const std::vector<Point>& points);

// Volume that the points dominate above `reference`, by slicing along the last objective (While et al. 2006): exact for any M,
// meant for small fronts. Points that do not exceed the reference count nothing.
double Hypervolume(const std::vector<Point>& points, const Point& reference);

// Mean distance of the points of the true front from the nearest found point (Coello & Reyes 2004). 0 if all are found.
double InvertedGenerationalDistance(const std::vector<Point>& found, const std::vector<Point>& true_front);

// All preferences with entries k / divisions that sum to 1: C(divisions + M - 1, M - 1) of them, in lexicographic order.
std::vector<Point> SimplexGrid(int64_t num_objectives, int64_t divisions);

}  // namespace gfn
