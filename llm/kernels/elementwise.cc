#include "llm/kernels/elementwise.h"

#include <vector>

#include "gflownet/base/check.h"
#include "llm/kernels/dispatch.h"
#include "llm/kernels/kernel_table.h"
#include "llm/kernels/parallel.h"

namespace gfn {
namespace {

// Elements of an array that a thread takes as one row.
constexpr int64_t kSpan = 4096;

// Steps an element, as multiply-adds: an exponential and its neighbours are about twenty.
constexpr int64_t kCheap = 1;
constexpr int64_t kExponential = 20;

template <class Body>
void ParallelSpans(int64_t count, int num_threads, const Body& body) {
  ParallelRows(CeilDiv(count, kSpan), kSpan * kExponential, num_threads,
               [&](int64_t begin, int64_t end) { body(begin * kSpan, std::min(count, end * kSpan) - begin * kSpan); });
}

}  // namespace

void RmsNormForward(const float* x, const float* weight, int64_t n, int64_t width, float epsilon, float* y, float* inverse_rms,
                    int num_threads) {
  ParallelRows(n, width * kCheap, num_threads, [&](int64_t begin, int64_t end) {
    Kernels().rms_norm_forward(x + begin * width, weight, end - begin, width, epsilon, y + begin * width,
                               inverse_rms == nullptr ? nullptr : inverse_rms + begin);
  });
}

void RmsNormBackward(const float* x, const float* weight, const float* inverse_rms, const float* dy, int64_t n, int64_t width,
                     float* dx, bool accumulate, int num_threads) {
  ParallelRows(n, width * kCheap, num_threads, [&](int64_t begin, int64_t end) {
    const int64_t at = begin * width;
    Kernels().rms_norm_backward(x + at, weight, inverse_rms + begin, dy + at, end - begin, width, dx + at, accumulate);
  });
}

void RmsNormGroupsForward(const float* x, int64_t x_stride, const float* weight, int64_t n, int64_t groups, int64_t width,
                          float epsilon, float* y, int64_t y_stride, int num_threads) {
  ParallelRows(n, groups * width * kCheap, num_threads, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      Kernels().rms_norm_forward(x + row * x_stride, weight, groups, width, epsilon, y + row * y_stride, nullptr);
    }
  });
}

void RmsNormGroupsBackward(const float* x, int64_t x_stride, const float* weight, const float* dy, int64_t dy_stride, int64_t n,
                           int64_t groups, int64_t width, float epsilon, float* dx, int64_t dx_stride, int num_threads) {
  ParallelRows(n, groups * width * kCheap, num_threads, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(static_cast<size_t>(groups * width)), inverse(static_cast<size_t>(groups));
    for (int64_t row = begin; row < end; ++row) {
      Kernels().rms_norm_forward(x + row * x_stride, weight, groups, width, epsilon, scratch.data(), inverse.data());
      Kernels().rms_norm_backward(x + row * x_stride, weight, inverse.data(), dy + row * dy_stride, groups, width,
                                  dx + row * dx_stride, false);
    }
  });
}

void LayerNormForward(const float* x, const float* weight, const float* bias, int64_t n, int64_t width, float epsilon, float* y,
                      float* mean, float* inverse_deviation, int num_threads) {
  ParallelRows(n, width * kCheap, num_threads, [&](int64_t begin, int64_t end) {
    Kernels().layer_norm_forward(x + begin * width, weight, bias, end - begin, width, epsilon, y + begin * width,
                                 mean == nullptr ? nullptr : mean + begin,
                                 inverse_deviation == nullptr ? nullptr : inverse_deviation + begin);
  });
}

void LayerNormBackward(const float* x, const float* weight, const float* mean, const float* inverse_deviation, const float* dy,
                       int64_t n, int64_t width, float* dx, bool accumulate, int num_threads) {
  ParallelRows(n, width * kCheap, num_threads, [&](int64_t begin, int64_t end) {
    const int64_t at = begin * width;
    Kernels().layer_norm_backward(x + at, weight, mean + begin, inverse_deviation + begin, dy + at, end - begin, width, dx + at,
                                  accumulate);
  });
}

void RotaryInPlace(float* x, int64_t row_stride, int64_t n, int num_heads, int head_dim, const int32_t* positions,
                   const RotaryTable& table, RotaryStyle style, bool inverse, int num_threads) {
  GFN_CHECK(table.rotary_width >= 0 && table.rotary_width % 2 == 0 && table.rotary_width <= head_dim)
      << "a rotary width of " << table.rotary_width << " in heads of " << head_dim;
  for (int64_t i = 0; i < n; ++i) {
    GFN_CHECK(positions[i] >= 0 && positions[i] < table.num_positions)
        << "position " << positions[i] << " of a rotary table of " << table.num_positions;
  }
  ParallelRows(n, int64_t{num_heads} * head_dim * kCheap, num_threads, [&](int64_t begin, int64_t end) {
    Kernels().rotary(x + begin * row_stride, row_stride, end - begin, num_heads, head_dim, positions + begin, table, style,
                     inverse);
  });
}

void SwigluForward(const float* gate_up, int64_t n, int64_t width, float* y, int num_threads) {
  ParallelRows(n, width * kExponential, num_threads, [&](int64_t begin, int64_t end) {
    Kernels().swiglu_forward(gate_up + begin * 2 * width, end - begin, width, y + begin * width);
  });
}

void SwigluBackward(const float* gate_up, const float* dy, int64_t n, int64_t width, float* d_gate_up, int num_threads) {
  ParallelRows(n, width * kExponential, num_threads, [&](int64_t begin, int64_t end) {
    Kernels().swiglu_backward(gate_up + begin * 2 * width, dy + begin * width, end - begin, width, d_gate_up + begin * 2 * width);
  });
}

void GegluForward(const float* gate_up, int64_t n, int64_t width, float* y, int num_threads) {
  ParallelRows(n, width * kExponential, num_threads, [&](int64_t begin, int64_t end) {
    Kernels().geglu_forward(gate_up + begin * 2 * width, end - begin, width, y + begin * width);
  });
}

void GegluBackward(const float* gate_up, const float* dy, int64_t n, int64_t width, float* d_gate_up, int num_threads) {
  ParallelRows(n, width * kExponential, num_threads, [&](int64_t begin, int64_t end) {
    Kernels().geglu_backward(gate_up + begin * 2 * width, dy + begin * width, end - begin, width, d_gate_up + begin * 2 * width);
  });
}

void GeluForward(const float* x, int64_t count, float* y, int num_threads) {
  ParallelSpans(count, num_threads, [&](int64_t begin, int64_t size) { Kernels().gelu_forward(x + begin, size, y + begin); });
}

void GeluBackward(const float* x, const float* dy, int64_t count, float* dx, int num_threads) {
  ParallelSpans(count, num_threads,
                [&](int64_t begin, int64_t size) { Kernels().gelu_backward(x + begin, dy + begin, size, dx + begin); });
}

void VectorExp(const float* x, int64_t count, float* y, int num_threads) {
  ParallelSpans(count, num_threads, [&](int64_t begin, int64_t size) { Kernels().exp(x + begin, size, y + begin); });
}

}  // namespace gfn
