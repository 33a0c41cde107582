#include "gflownet/tensor/categorical_row.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

// The bodies are compiled for each instruction set and chosen at run time; one machine always takes the same.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define GFN_FOR_EACH_ISA __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define GFN_FOR_EACH_ISA
#endif
#define GFN_INLINE inline __attribute__((always_inline))

namespace gfn {
namespace {

constexpr int64_t kBlock = 256;
constexpr int kLanes = 16;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// exp(x) for x <= 0 within a few ulp, 0 below -708: argument reduction to |r| <= log(2) / 2 and a Taylor polynomial of
// degree 13 (remainder below 1e-17). Straight-line code, so that loops over it become vector code.
GFN_INLINE double Exp(double x) {
  const double clamped = x < -708.0 ? -708.0 : x;
  constexpr double kShift = 0x1.8p52;  // adding it rounds to an integer, which then sits in the low bits
  const double shifted = clamped * 1.4426950408889634 + kShift;
  const double n = shifted - kShift;
  const double r = (clamped - n * 0x1.62e42fefa3800p-1) - n * 0x1.ef35793c76730p-45;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const double power = std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) + 1023) << 52);
  return x < -708.0 ? 0.0 : p * power;
}

template <class T>
GFN_INLINE T Legal(const T* logits, const bool* mask, int64_t i) {
  return mask == nullptr || mask[i] ? logits[i] : -std::numeric_limits<T>::infinity();
}

// The largest legal logit; an error if there is none, or one that is NaN or +inf.
template <class T>
GFN_INLINE T Largest(const T* logits, const bool* mask, int64_t num_actions, RowSample* row) {
  constexpr T kTop = std::numeric_limits<T>::infinity();
  T largest[kLanes];
  int bad[kLanes] = {};
  std::fill(largest, largest + kLanes, -kTop);
  int64_t i = 0;
  for (; i + kLanes <= num_actions; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const T value = Legal(logits, mask, i + lane);
      largest[lane] = value > largest[lane] ? value : largest[lane];
      bad[lane] |= !(value < kTop);  // true for NaN too
    }
  }
  for (; i < num_actions; ++i) {
    const T value = Legal(logits, mask, i);
    largest[0] = value > largest[0] ? value : largest[0];
    bad[0] |= !(value < kTop);
  }
  const T result = *std::max_element(largest, largest + kLanes);
  if (std::any_of(bad, bad + kLanes, [](int b) { return b != 0; })) {
    row->error = RowSample::Error::kNotFinite;
  } else if (result == -kTop) {
    row->error = RowSample::Error::kNoLegalAction;
  }
  return result;
}

// weights[j] = exp(logit - largest) of the block's actions, 0 where illegal; the sum, in a fixed order.
template <class T>
GFN_INLINE double Weights(const T* logits, const bool* mask, int64_t begin, int64_t end, T largest, double* weights) {
  const int64_t count = end - begin;
  if (mask == nullptr) {
    for (int64_t j = 0; j < count; ++j) weights[j] = static_cast<double>(logits[begin + j]) - largest;
  } else {
    for (int64_t j = 0; j < count; ++j) {
      const double x = static_cast<double>(logits[begin + j]) - largest;
      weights[j] = mask[begin + j] ? x : -kInfinity;
    }
  }
  // Whole lanes; short rows are common in small worlds.
  const int64_t padded = (count + kLanes - 1) / kLanes * kLanes;
  std::fill(weights + count, weights + padded, -kInfinity);
  for (int64_t j = 0; j < padded; ++j) weights[j] = Exp(weights[j]);
  double lanes[kLanes] = {};
  for (int64_t j = 0; j < padded; j += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += weights[j + lane];
  }
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

template <class T>
GFN_INLINE RowSample Draw(const T* logits, const bool* mask, int64_t num_actions, double uniform, double* sums) {
  RowSample row;
  const T largest = Largest(logits, mask, num_actions, &row);
  if (row.error != RowSample::Error::kNone) return row;

  // 1. Weight of every block.
  double weights[kBlock];
  double total = 0;
  for (int64_t begin = 0; begin < num_actions; begin += kBlock) {
    const int64_t end = std::min(num_actions, begin + kBlock);
    sums[begin / kBlock] = Weights(logits, mask, begin, end, largest, weights);
    total += sums[begin / kBlock];
  }

  // 2. The block that holds the target, or the last with any weight if rounding pushed the target past the end.
  const double target = uniform * total;
  double before = 0;
  double before_block = 0;
  int64_t block = -1;
  for (int64_t begin = 0; begin < num_actions; begin += kBlock) {
    const double sum = sums[begin / kBlock];
    if (sum > 0) {
      block = begin;
      before_block = before;
    }
    before += sum;
    if (before > target) break;
  }

  // 3. The action within it.
  const int64_t end = std::min(num_actions, block + kBlock);
  Weights(logits, mask, block, end, largest, weights);
  double sum = before_block;
  for (int64_t i = block; i < end; ++i) {
    const double weight = weights[i - block];
    if (weight > 0) {
      row.action = i;
      sum += weight;
      if (sum > target) break;
    }
  }
  row.log_prob = static_cast<double>(logits[row.action]) - largest - std::log(total);
  return row;
}

GFN_FOR_EACH_ISA RowSample DrawFloat(const float* logits, const bool* mask, int64_t n, double uniform, double* sums) {
  return Draw(logits, mask, n, uniform, sums);
}
GFN_FOR_EACH_ISA RowSample DrawDouble(const double* logits, const bool* mask, int64_t n, double uniform, double* sums) {
  return Draw(logits, mask, n, uniform, sums);
}

// Calls draw with room for the sums of the blocks.
template <class Function>
RowSample WithSums(int64_t num_actions, Function draw) {
  constexpr int64_t kFew = 32;
  double few[kFew];
  const int64_t num_blocks = num_actions / kBlock + 1;
  if (num_blocks <= kFew) return draw(few);
  std::vector<double> many(num_blocks);
  return draw(many.data());
}

}  // namespace

RowSample DrawRow(const float* logits, const bool* mask, int64_t num_actions, double uniform) {
  return WithSums(num_actions, [&](double* sums) { return DrawFloat(logits, mask, num_actions, uniform, sums); });
}

RowSample DrawRow(const double* logits, const bool* mask, int64_t num_actions, double uniform) {
  return WithSums(num_actions, [&](double* sums) { return DrawDouble(logits, mask, num_actions, uniform, sums); });
}

}  // namespace gfn
