// Row kernels: norms, rotary embedding, gates, exponentials. Compiled once for each instruction set.
#include "llm/kernels/elementwise_isa.h"

#include "llm/kernels/simd.h"

namespace gfn::GFN_ISA {
namespace {

// Calls step(i, lanes) for each 16 elements; lanes < 16 for the last.
template <class Step>
GFN_INLINE void ForEach(int64_t count, const Step& step) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) step(i, kLanes);
  if (i < count) step(i, count - i);
}

GFN_INLINE Vec LoadPart(const float* x, int64_t lanes) { return lanes == kLanes ? Load(x) : LoadFirst(x, lanes); }
GFN_INLINE void StorePart(float* x, Vec v, int64_t lanes) { lanes == kLanes ? Store(x, v) : StoreFirst(x, v, lanes); }

GFN_INLINE Vec Sigmoid(Vec x) { return Set(1.0f) / (Set(1.0f) + Exp(Zero() - x)); }

// For GELU: 2 u and its slope, u = sqrt(2 / pi) (x + 0.044715 x^3).
constexpr float kTwoRootTwoOverPi = 1.5957691216057308f;
constexpr float kCubic = 0.044715f;

GFN_INLINE Vec Gelu(Vec v) {
  const Vec two_u = Set(kTwoRootTwoOverPi) * v * MulAdd(Set(kCubic) * v, v, Set(1.0f));
  return v * Sigmoid(two_u);
}

GFN_INLINE Vec GeluDerivative(Vec v) {
  const Vec square = v * v;
  const Vec sigmoid = Sigmoid(Set(kTwoRootTwoOverPi) * v * MulAdd(Set(kCubic), square, Set(1.0f)));
  const Vec slope = Set(kTwoRootTwoOverPi) * MulAdd(Set(3 * kCubic), square, Set(1.0f));
  return sigmoid + v * sigmoid * (Set(1.0f) - sigmoid) * slope;
}

}  // namespace

void RmsNormForward(const float* x, const float* weight, int64_t n, int64_t width, float epsilon, float* y, float* inverse_rms) {
  for (int64_t row = 0; row < n; ++row, x += width, y += width) {
    Vec squares = Zero();
    ForEach(width, [&](int64_t i, int64_t lanes) {
      const Vec v = LoadPart(x + i, lanes);
      squares = MulAdd(v, v, squares);
    });
    const float inverse = 1.0f / __builtin_sqrtf(Sum(squares) / static_cast<float>(width) + epsilon);
    if (inverse_rms != nullptr) inverse_rms[row] = inverse;
    ForEach(width, [&](int64_t i, int64_t lanes) {
      StorePart(y + i, LoadPart(x + i, lanes) * Set(inverse) * LoadPart(weight + i, lanes), lanes);
    });
  }
}

void RmsNormBackward(const float* x, const float* weight, const float* inverse_rms, const float* dy, int64_t n, int64_t width,
                     float* dx, bool accumulate) {
  for (int64_t row = 0; row < n; ++row, x += width, dy += width, dx += width) {
    // dx = inverse (g - x inverse^2 mean(g x)), g = dy weight.
    Vec products = Zero();
    ForEach(width, [&](int64_t i, int64_t lanes) {
      products = MulAdd(LoadPart(dy + i, lanes) * LoadPart(weight + i, lanes), LoadPart(x + i, lanes), products);
    });
    const float inverse = inverse_rms[row];
    const float slope = Sum(products) / static_cast<float>(width) * inverse * inverse * inverse;
    ForEach(width, [&](int64_t i, int64_t lanes) {
      const Vec g = LoadPart(dy + i, lanes) * LoadPart(weight + i, lanes) * Set(inverse);
      const Vec gradient = g - LoadPart(x + i, lanes) * Set(slope);
      StorePart(dx + i, accumulate ? LoadPart(dx + i, lanes) + gradient : gradient, lanes);
    });
  }
}

void LayerNormForward(const float* x, const float* weight, const float* bias, int64_t n, int64_t width, float epsilon, float* y,
                      float* mean, float* inverse_deviation) {
  for (int64_t row = 0; row < n; ++row, x += width, y += width) {
    Vec sum = Zero(), squares = Zero();
    ForEach(width, [&](int64_t i, int64_t lanes) { sum = sum + LoadPart(x + i, lanes); });
    const float centre = Sum(sum) / static_cast<float>(width);
    ForEach(width, [&](int64_t i, int64_t lanes) {
      // Lanes beyond the row count as the mean.
      const Vec v = FirstFrom(lanes, LoadPart(x + i, lanes) - Set(centre), Zero());
      squares = MulAdd(v, v, squares);
    });
    const float inverse = 1.0f / __builtin_sqrtf(Sum(squares) / static_cast<float>(width) + epsilon);
    if (mean != nullptr) mean[row] = centre;
    if (inverse_deviation != nullptr) inverse_deviation[row] = inverse;
    ForEach(width, [&](int64_t i, int64_t lanes) {
      const Vec v = (LoadPart(x + i, lanes) - Set(centre)) * Set(inverse) * LoadPart(weight + i, lanes);
      StorePart(y + i, bias == nullptr ? v : v + LoadPart(bias + i, lanes), lanes);
    });
  }
}

void LayerNormBackward(const float* x, const float* weight, const float* mean, const float* inverse_deviation, const float* dy,
                       int64_t n, int64_t width, float* dx, bool accumulate) {
  for (int64_t row = 0; row < n; ++row, x += width, dy += width, dx += width) {
    // dx = inverse (g - mean(g) - z mean(g z)), g = dy weight, z = (x - mean) inverse.
    const Vec centre = Set(mean[row]), inverse = Set(inverse_deviation[row]);
    Vec sum = Zero(), products = Zero();
    ForEach(width, [&](int64_t i, int64_t lanes) {
      const Vec g = LoadPart(dy + i, lanes) * LoadPart(weight + i, lanes);  // zero beyond the row
      sum = sum + g;
      products = MulAdd(g, (LoadPart(x + i, lanes) - centre) * inverse, products);
    });
    const Vec mean_g = Set(Sum(sum) / static_cast<float>(width)), mean_gz = Set(Sum(products) / static_cast<float>(width));
    ForEach(width, [&](int64_t i, int64_t lanes) {
      const Vec g = LoadPart(dy + i, lanes) * LoadPart(weight + i, lanes);
      const Vec z = (LoadPart(x + i, lanes) - centre) * inverse;
      const Vec gradient = (g - mean_g - z * mean_gz) * inverse;
      StorePart(dx + i, accumulate ? LoadPart(dx + i, lanes) + gradient : gradient, lanes);
    });
  }
}

void Rotary(float* x, int64_t row_stride, int64_t n, int num_heads, int head_dim, const int32_t* positions,
            const RotaryTable& table, RotaryStyle style, bool inverse) {
  const int64_t half = table.rotary_width / 2;
  const float sign = inverse ? -1.0f : 1.0f;
  for (int64_t row = 0; row < n; ++row, x += row_stride) {
    const float* cosine = table.cosine + positions[row] * half;
    const float* sine = table.sine + positions[row] * half;
    for (int h = 0; h < num_heads; ++h) {
      float* head = x + h * head_dim;
      if (style == RotaryStyle::kInterleaved) {
        for (int64_t i = 0; i < half; ++i) {
          const float a = head[2 * i], b = head[2 * i + 1], s = sign * sine[i];
          head[2 * i] = a * cosine[i] - b * s;
          head[2 * i + 1] = b * cosine[i] + a * s;
        }
        continue;
      }
      ForEach(half, [&](int64_t i, int64_t lanes) {
        const Vec a = LoadPart(head + i, lanes), b = LoadPart(head + half + i, lanes);
        const Vec c = LoadPart(cosine + i, lanes), s = LoadPart(sine + i, lanes) * Set(sign);
        StorePart(head + i, a * c - b * s, lanes);
        StorePart(head + half + i, b * c + a * s, lanes);
      });
    }
  }
}

void SwigluForward(const float* gate_up, int64_t n, int64_t width, float* y) {
  for (int64_t row = 0; row < n; ++row, gate_up += 2 * width, y += width) {
    ForEach(width, [&](int64_t i, int64_t lanes) {
      const Vec gate = LoadPart(gate_up + i, lanes), up = LoadPart(gate_up + width + i, lanes);
      StorePart(y + i, gate * Sigmoid(gate) * up, lanes);
    });
  }
}

void SwigluBackward(const float* gate_up, const float* dy, int64_t n, int64_t width, float* d_gate_up) {
  for (int64_t row = 0; row < n; ++row, gate_up += 2 * width, d_gate_up += 2 * width, dy += width) {
    ForEach(width, [&](int64_t i, int64_t lanes) {
      const Vec gate = LoadPart(gate_up + i, lanes), up = LoadPart(gate_up + width + i, lanes), g = LoadPart(dy + i, lanes);
      const Vec sigmoid = Sigmoid(gate), silu = gate * sigmoid;
      StorePart(d_gate_up + i, g * up * (sigmoid + silu * (Set(1.0f) - sigmoid)), lanes);
      StorePart(d_gate_up + width + i, g * silu, lanes);
    });
  }
}

void GegluForward(const float* gate_up, int64_t n, int64_t width, float* y) {
  for (int64_t row = 0; row < n; ++row, gate_up += 2 * width, y += width) {
    ForEach(width, [&](int64_t i, int64_t lanes) {
      StorePart(y + i, Gelu(LoadPart(gate_up + i, lanes)) * LoadPart(gate_up + width + i, lanes), lanes);
    });
  }
}

void GegluBackward(const float* gate_up, const float* dy, int64_t n, int64_t width, float* d_gate_up) {
  for (int64_t row = 0; row < n; ++row, gate_up += 2 * width, d_gate_up += 2 * width, dy += width) {
    ForEach(width, [&](int64_t i, int64_t lanes) {
      const Vec gate = LoadPart(gate_up + i, lanes), up = LoadPart(gate_up + width + i, lanes), g = LoadPart(dy + i, lanes);
      StorePart(d_gate_up + i, g * up * GeluDerivative(gate), lanes);
      StorePart(d_gate_up + width + i, g * Gelu(gate), lanes);
    });
  }
}

void GeluForward(const float* x, int64_t count, float* y) {
  ForEach(count, [&](int64_t i, int64_t lanes) { StorePart(y + i, Gelu(LoadPart(x + i, lanes)), lanes); });
}

void GeluBackward(const float* x, const float* dy, int64_t count, float* dx) {
  ForEach(count, [&](int64_t i, int64_t lanes) {
    StorePart(dx + i, LoadPart(dy + i, lanes) * GeluDerivative(LoadPart(x + i, lanes)), lanes);
  });
}

void ExpArray(const float* x, int64_t count, float* y) {
  ForEach(count, [&](int64_t i, int64_t lanes) { StorePart(y + i, Exp(LoadPart(x + i, lanes)), lanes); });
}

}  // namespace gfn::GFN_ISA
