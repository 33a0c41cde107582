#include "gflownet/tensor/tolerances.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

double Allowed(double b, Tolerance tolerance) { return tolerance.value * std::max(1.0, std::abs(b)); }

// |a - b| in units of what is allowed; infinite where no difference would do.
double Ratio(double a, double b, Tolerance tolerance) {
  if (a == b) return 0;
  const double ratio = std::abs(a - b) / Allowed(b, tolerance);
  return std::isfinite(a) && std::isfinite(b) ? ratio : std::numeric_limits<double>::infinity();
}

std::string Describe(double a, double b, Tolerance tolerance) {
  return FormatReal(a) + " vs " + FormatReal(b) + ", difference " + FormatShort(std::abs(a - b)) + ", allowed " +
         FormatShort(Allowed(b, tolerance));
}

std::string Place(int64_t index, at::IntArrayRef shape) {
  std::vector<std::string> parts(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    parts[d] = std::to_string(index % shape[d]);
    index /= shape[d];
  }
  return "element [" + Join(parts, ", ") + "]";
}

}  // namespace

Tolerance Tolerance::ForSumOf(int64_t num_terms) const {
  return {value * std::sqrt(static_cast<double>(std::max<int64_t>(1, num_terms)))};
}

Tolerance ToleranceOf(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble:
      return {1e-9};
    case at::kFloat:
      return {1e-5};
    case at::kHalf:
      return {1e-2};
    case at::kBFloat16:
      return {4e-2};
    default:
      GFN_CHECK(false) << "no tolerance for " << at::toString(dtype);
      return {0};
  }
}

Tolerance SamplerTolerance(at::ScalarType weights, bool same_bits) {
  constexpr int64_t kUsualLength = 16;
  if (weights == at::kDouble) return kTinyModelTolerance;
  if (same_bits) return {1e-4};
  return weights == at::kFloat ? kSequenceLogRewardTolerance : ToleranceOf(weights).ForSumOf(kUsualLength);
}

Closeness AllClose(const at::Tensor& a, const at::Tensor& b, Tolerance tolerance) {
  if (a.sizes() != b.sizes()) {
    std::ostringstream text;
    text << "shapes differ: " << a.sizes() << " vs " << b.sizes();
    return {false, std::numeric_limits<double>::infinity(), text.str()};
  }
  const at::Tensor wide_a = a.detach().to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor wide_b = b.detach().to(at::kCPU, at::kDouble).contiguous();
  const double* values_a = wide_a.const_data_ptr<double>();
  const double* values_b = wide_b.const_data_ptr<double>();
  Closeness result;
  int64_t worst = -1;
  for (int64_t i = 0; i < wide_a.numel(); ++i) {
    const double ratio = Ratio(values_a[i], values_b[i], tolerance);
    if (ratio > result.worst_ratio) {
      result.worst_ratio = ratio;
      worst = i;
    }
  }
  result.close = result.worst_ratio <= 1;
  if (worst >= 0) {
    result.worst = Place(worst, a.sizes()) + ": " + Describe(values_a[worst], values_b[worst], tolerance);
  }
  return result;
}

Closeness AllClose(double a, double b, Tolerance tolerance) {
  const double ratio = Ratio(a, b, tolerance);
  return {ratio <= 1, ratio, Describe(a, b, tolerance)};
}

}  // namespace gfn
