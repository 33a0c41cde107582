// Values for the tests and benchmarks of this folder.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace gfn {

// Repeatable values of zero mean, uniform with standard deviation `scale` (splitmix64 of the index).
inline std::vector<float> Values(int64_t count, uint64_t seed, double scale = 1.0) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    uint64_t z = (seed << 40) + i * 0x9e3779b97f4a7c15u + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    values[i] = static_cast<float>((static_cast<double>(z >> 11) * 0x1p-53 - 0.5) * std::sqrt(12.0) * scale);
  }
  return values;
}

// x rounded to bfloat16, nearest even, by exact arithmetic on the significand.
inline float RoundedToBFloat16(float x) {
  if (x == 0 || !std::isfinite(x)) return x;
  int exponent;
  const double significand = std::frexp(x, &exponent);  // in [0.5, 1): 8 bits remain
  return static_cast<float>(std::ldexp(std::nearbyint(significand * 256), exponent - 8));
}

}  // namespace gfn
