// Where the ticks of an axis stand and how they are written: multiples of 1, 2 or 5 times a power of ten.
#pragma once

#include <string>
#include <vector>

namespace gfn::report {

// Magnitudes beyond this are not drawn, so that no difference of two values overflows.
inline constexpr double kLargestDrawable = 1e300;

// Finite, at most kLargestDrawable in magnitude, and on a logarithmic axis at least 1e-300.
bool IsDrawable(double value, bool log_scale);

// low <= high, both finite.
struct Range {
  double low = 0;
  double high = 1;
};

struct Tick {
  double value = 0;
  std::string label = {};
};

struct ScaleOptions {
  bool log_scale = false;
  bool integer = false;     // no ticks between whole numbers
  bool round_ends = false;  // the scale ends at ticks (linear scales)
  bool percent = false;     // 0.2 is written "20%"
  double padding = 0;       // added at both ends, as a share of the range
  int max_ticks = 6;        // about: round ends may add two
};

// A scale and its ticks, in ascending order and inside the scale. Labels of very large or small numbers leave out a
// common power of ten: value = label * 10^exponent.
struct Scale {
  Range range = {};
  bool log_scale = false;
  std::vector<Tick> ticks = {};
  int exponent = 0;

  // 0 at the low end, 1 at the high end; outside for values outside. The value must be drawable.
  double Fraction(double value) const;
};

// A range without extent (one value, a constant series) is widened around its value.
Scale MakeScale(Range data, const ScaleOptions& options);

// The smallest of 1, 2, 5 x 10^k that is at least `step` > 0.
double RoundStep(double step);

// "10" with the exponent in superscript digits: "10⁻³".
std::string PowerOfTen(int exponent);

}  // namespace gfn::report
