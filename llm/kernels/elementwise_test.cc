// Row kernels against float64 twins, gradients against central differences of the twins, for every instruction set.
#include "llm/kernels/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "llm/kernels/dispatch.h"
#include "llm/kernels/test_values.h"

namespace gfn {
namespace {

using Doubles = std::vector<double>;
// A row function in float64.
using Twin = std::function<Doubles(const Doubles&)>;

constexpr float kEpsilon = 1e-5f;
constexpr int64_t kRows[] = {0, 1, 3, 300};
constexpr int64_t kWidths[] = {1, 7, 16, 31, 64, 576};

Doubles RowOf(const std::vector<float>& x, int64_t row, int64_t width) {
  return Doubles(x.begin() + row * width, x.begin() + (row + 1) * width);
}

// J^T dy of the twin at x by central differences.
Doubles Gradient(const Twin& twin, const Doubles& x, const Doubles& dy) {
  Doubles gradient(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double step = 1e-5;
    Doubles up = x, down = x;
    up[i] += step;
    down[i] -= step;
    const Doubles y_up = twin(up), y_down = twin(down);
    for (size_t j = 0; j < dy.size(); ++j) gradient[i] += dy[j] * (y_up[j] - y_down[j]) / (2 * step);
  }
  return gradient;
}

void ExpectRow(const std::vector<float>& got, int64_t row, const Doubles& want, double tolerance) {
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(got[static_cast<size_t>(row) * want.size() + i], want[i], tolerance * std::max(1.0, std::abs(want[i])))
        << "row " << row << " element " << i << " of " << want.size();
  }
}

class ElementwiseTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override { scope_.emplace(GetParam()); }

  // Forward on every row, backward on the first, middle and last of narrow rows.
  void Check(int64_t n, int64_t width, const std::vector<float>& x, const std::vector<float>& y, const std::vector<float>& dy,
             const std::vector<float>& dx, const Twin& twin) {
    for (int64_t row = 0; row < n; ++row) ExpectRow(y, row, twin(RowOf(x, row, width)), 2e-6);
    if (n == 0 || width > 128) return;
    const int64_t out = static_cast<int64_t>(dy.size()) / n;
    for (const int64_t row : {int64_t{0}, n / 2, n - 1}) {
      ExpectRow(dx, row, Gradient(twin, RowOf(x, row, width), RowOf(dy, row, out)), 2e-5);
    }
  }

  std::optional<ScopedIsa> scope_;
};

TEST_P(ElementwiseTest, RmsNorm) {
  for (const int64_t n : kRows) {
    for (const int64_t width : kWidths) {
      const std::vector<float> x = Values(n * width, 1, 2), w = Values(width, 2), dy = Values(n * width, 3);
      std::vector<float> y(x.size()), dx(x.size()), inverse(static_cast<size_t>(n)), twice = dy;
      RmsNormForward(x.data(), w.data(), n, width, kEpsilon, y.data(), inverse.data(), 2);
      RmsNormBackward(x.data(), w.data(), inverse.data(), dy.data(), n, width, dx.data(), false, 2);
      RmsNormBackward(x.data(), w.data(), inverse.data(), dy.data(), n, width, twice.data(), true, 1);
      for (size_t i = 0; i < dx.size(); ++i) ASSERT_EQ(twice[i], dy[i] + dx[i]);
      Check(n, width, x, y, dy, dx, [&](const Doubles& row) {
        double square = 0;
        for (const double v : row) square += v * v / static_cast<double>(width);
        Doubles result;
        for (size_t i = 0; i < row.size(); ++i) result.push_back(row[i] / std::sqrt(square + kEpsilon) * w[i]);
        return result;
      });
    }
  }
}

TEST_P(ElementwiseTest, LayerNorm) {
  for (const int64_t n : kRows) {
    for (const int64_t width : kWidths) {
      if (width == 1) continue;  // its output is the bias, whatever x
      const std::vector<float> x = Values(n * width, 1, 2), w = Values(width, 2), b = Values(width, 4), dy = Values(n * width, 3);
      std::vector<float> y(x.size()), dx(x.size()), mean(static_cast<size_t>(n)), inverse(static_cast<size_t>(n));
      LayerNormForward(x.data(), w.data(), b.data(), n, width, kEpsilon, y.data(), mean.data(), inverse.data(), 2);
      LayerNormBackward(x.data(), w.data(), mean.data(), inverse.data(), dy.data(), n, width, dx.data(), false, 2);
      Check(n, width, x, y, dy, dx, [&](const Doubles& row) {
        double centre = 0, square = 0;
        for (const double v : row) centre += v / static_cast<double>(width);
        for (const double v : row) square += (v - centre) * (v - centre) / static_cast<double>(width);
        Doubles result;
        for (size_t i = 0; i < row.size(); ++i) result.push_back((row[i] - centre) / std::sqrt(square + kEpsilon) * w[i] + b[i]);
        return result;
      });
    }
  }
}

// Heads inside wider rows: each as a row of its own, the rest untouched, in place and not.
TEST_P(ElementwiseTest, RmsNormOfGroups) {
  const int64_t n = 5, groups = 3, width = 20, stride = 70;
  const std::vector<float> x = Values(n * stride, 1, 2), w = Values(width, 2), dy = Values(n * stride, 3);
  std::vector<float> y = x, dx = dy, inverse(groups), one(groups * width), d_one(groups * width);
  RmsNormGroupsForward(y.data(), stride, w.data(), n, groups, width, kEpsilon, y.data(), stride, 2);
  RmsNormGroupsBackward(x.data(), stride, w.data(), dx.data(), stride, n, groups, width, kEpsilon, dx.data(), stride, 2);
  for (int64_t row = 0; row < n; ++row) {
    RmsNormForward(x.data() + row * stride, w.data(), groups, width, kEpsilon, one.data(), inverse.data());
    RmsNormBackward(x.data() + row * stride, w.data(), inverse.data(), dy.data() + row * stride, groups, width, d_one.data(),
                    false);
    for (int64_t i = 0; i < stride; ++i) {
      const size_t at = static_cast<size_t>(row * stride + i), in_row = static_cast<size_t>(i);
      ASSERT_EQ(y[at], i < groups * width ? one[in_row] : x[at]);
      ASSERT_EQ(dx[at], i < groups * width ? d_one[in_row] : dy[at]);
    }
  }
}

using GateForward = void (*)(const float*, int64_t, int64_t, float*, int);
using GateBackward = void (*)(const float*, const float*, int64_t, int64_t, float*, int);

template <class Check>
void CheckGate(GateForward forward, GateBackward backward, double (*activation)(double), const Check& check) {
  for (const int64_t n : kRows) {
    for (const int64_t width : {1, 15, 32}) {
      const std::vector<float> x = Values(n * 2 * width, 1, 3), dy = Values(n * width, 3);
      std::vector<float> y(dy.size()), dx(x.size()), in_place = x;
      forward(x.data(), n, width, y.data(), 2);
      backward(x.data(), dy.data(), n, width, dx.data(), 2);
      backward(in_place.data(), dy.data(), n, width, in_place.data(), 1);
      EXPECT_EQ(in_place, dx);
      check(n, 2 * width, x, y, dy, dx, [&](const Doubles& row) {
        Doubles result;
        for (size_t i = 0; i < static_cast<size_t>(width); ++i) {
          result.push_back(activation(row[i]) * row[i + static_cast<size_t>(width)]);
        }
        return result;
      });
    }
  }
}

double GeluTwin(double v) { return 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v))); }

TEST_P(ElementwiseTest, Swiglu) {
  CheckGate(
      SwigluForward, SwigluBackward, [](double v) { return v / (1 + std::exp(-v)); },
      [&](auto&&... values) { Check(values...); });
}

TEST_P(ElementwiseTest, Geglu) {
  CheckGate(GegluForward, GegluBackward, GeluTwin, [&](auto&&... values) { Check(values...); });
}

TEST_P(ElementwiseTest, Gelu) {
  for (const int64_t n : {0, 1, 17, 10000}) {
    const std::vector<float> x = Values(n, 1, 3), dy = Values(n, 3);
    std::vector<float> y(x.size()), dx(x.size());
    GeluForward(x.data(), n, y.data(), 2);
    GeluBackward(x.data(), dy.data(), n, dx.data(), 2);
    Check(n, 1, x, y, dy, dx, [](const Doubles& row) { return Doubles{GeluTwin(row[0])}; });
  }
}

TEST_P(ElementwiseTest, GatesAtLargeInputs) {
  const std::vector<float> x = {-1e4f, -200.0f, -88.0f, 88.0f, 200.0f, 1e4f};
  std::vector<float> y(6), ones(6, 1.0f), dx(6);
  GeluForward(x.data(), 6, y.data());
  GeluBackward(x.data(), ones.data(), 6, dx.data());
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(y[i], i < 3 ? 0.0f : x[i]);
    EXPECT_EQ(dx[i], i < 3 ? 0.0f : 1.0f);
  }
}

TEST_P(ElementwiseTest, Rotary) {
  const int heads = 3, dim = 40, positions = 50, n = 20;
  for (const int width : {0, 8, 34, 40}) {
    const std::vector<float> angles = Values(positions * width / 2, 5, 2);
    std::vector<float> cosine, sine;
    for (const float angle : angles) {
      cosine.push_back(std::cos(angle));
      sine.push_back(std::sin(angle));
    }
    const RotaryTable table{cosine.data(), sine.data(), positions, width};
    std::vector<int32_t> at;
    for (int i = 0; i < n; ++i) at.push_back(i * 37 % positions);
    for (const RotaryStyle style : {RotaryStyle::kRotateHalf, RotaryStyle::kInterleaved}) {
      const std::vector<float> x = Values(n * 150, 6);
      std::vector<float> y = x;
      RotaryInPlace(y.data(), 150, n, heads, dim, at.data(), table, style, false, 2);
      for (int i = 0; i < n; ++i) {
        Doubles want(x.begin() + i * 150, x.begin() + (i + 1) * 150);
        for (int h = 0; h < heads; ++h) {
          for (int p = 0; p < width / 2; ++p) {
            const size_t a = static_cast<size_t>(h) * dim + (style == RotaryStyle::kRotateHalf ? p : 2 * p);
            const size_t b = a + static_cast<size_t>(style == RotaryStyle::kRotateHalf ? width / 2 : 1);
            const double angle = angles[static_cast<size_t>(at[static_cast<size_t>(i)]) * (width / 2) + p];
            const double u = want[a], v = want[b];
            want[a] = u * std::cos(angle) - v * std::sin(angle);
            want[b] = v * std::cos(angle) + u * std::sin(angle);
          }
        }
        ExpectRow(y, i, want, 1e-6);
      }
      RotaryInPlace(y.data(), 150, n, heads, dim, at.data(), table, style, true, 1);
      for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(y[i], x[i], 1e-6);
    }
  }
}

TEST_P(ElementwiseTest, ExpIsWithinTwoUnitsInTheLastPlace) {
  std::vector<float> x;
  for (float v = -110; v < 95; v += 0.00037f) x.push_back(v);
  for (const float v :
       {0.0f, -0.0f, HUGE_VALF, -HUGE_VALF, 88.72283f, 88.72284f, -87.33655f, -103.97f, -103.98f, 1e30f, -1e30f}) {
    x.push_back(v);
  }
  std::vector<float> y(x.size());
  VectorExp(x.data(), static_cast<int64_t>(x.size()), y.data(), 2);
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = std::exp(double{x[i]});
    const float rounded = static_cast<float>(want);
    if (std::isinf(rounded)) {
      ASSERT_EQ(y[i], rounded) << x[i];
      continue;
    }
    const double unit = std::nextafter(rounded, HUGE_VALF) - double{rounded};
    ASSERT_LE(std::abs(y[i] - want), 2 * unit) << x[i];
  }
  float nan = std::nanf("");
  VectorExp(&nan, 1, &nan);
  EXPECT_TRUE(std::isnan(nan));
}

INSTANTIATE_TEST_SUITE_P(All, ElementwiseTest, testing::ValuesIn(SupportedIsas()),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

TEST(ElementwiseDeathTest, RefusesAPositionBeyondTheTable) {
  const float one = 1;
  const RotaryTable table{&one, &one, 1, 2};
  float x[2] = {};
  const int32_t position = 1;
  EXPECT_DEATH(RotaryInPlace(x, 2, 1, 1, 2, &position, table, RotaryStyle::kRotateHalf, false), "position 1 of a rotary table");
}

}  // namespace
}  // namespace gfn
