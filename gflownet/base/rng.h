// Addressed randomness. A draw is a pure function of (seed, purpose, step, stream, position): nothing is consumed in order and
// there is no generator state to save, so compaction of a batch, micro-batches and resume change no draw.
//
// Generator: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011). The key is a
// mixture of (seed, purpose, step), injective in step; the counter is (stream, position), so within one RngKey no two addresses
// share a block. By convention `stream` is the rollout (or row) and `position` the token (or element).
//
// The core is plain values and compiles under nvcc too. Bits, Uniform*, UniformInt and Permutation are the same bits on every
// device; Normal and Gumbel go through log and cos, so they may differ by a few ulp between libm's.
// Functions at one address read the same block: draw a second, independent number at another position, stream or purpose.
#pragma once

#include <cmath>
#include <cstdint>

#include "gflownet/base/rng_philox.h"

#if !defined(__CUDACC__)
#include <span>
#include <utility>
#include <vector>

#include "gflownet/base/check.h"
#endif

namespace gfn {

// What a draw is for. The numbers are part of every recorded run: never change or reuse one.
enum class RngPurpose : uint32_t {
  kRollout = 1,     // actions of on-policy rollouts
  kBehaviour = 2,   // exploration: epsilon, random actions, per-rollout temperatures
  kInit = 3,        // initial parameters
  kDropout = 4,     // dropout masks
  kData = 5,        // order and choice of conditions
  kReplay = 6,      // draws from the replay buffer
  kEval = 7,        // rollouts and choices of an evaluation
  kBootstrap = 8,   // resampling of confidence intervals
  kTest = 9,        // tests and self-checks
  kNature = 10,     // outcomes of a stochastic environment
  kBackward = 11,   // backward rollouts
  kSample = 12,     // `gfn sample`
  kBenchmark = 13,  // inputs of benchmarks
  kResample = 14,   // particles that are drawn again by their weights
};

struct RngKey {
  uint64_t seed = 0;
  RngPurpose purpose = RngPurpose::kTest;
  uint64_t step = 0;
};

// The 128 random bits of one address.
GFN_HOST_DEVICE inline PhiloxBlock RandomBlock(const RngKey& key, uint64_t stream, uint64_t position) {
  uint64_t mixed = MixBits(key.seed + 0x9E3779B97F4A7C15ull);
  mixed = MixBits(mixed ^ (0xD1B54A32D192ED03ull * static_cast<uint64_t>(key.purpose)));
  mixed = MixBits(mixed ^ key.step);
  const PhiloxBlock counter = {{static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32),
                                static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32)}};
  return Philox4x32(counter, static_cast<uint32_t>(mixed), static_cast<uint32_t>(mixed >> 32));
}

// 64 uniform bits.
GFN_HOST_DEVICE inline uint64_t RandomBits(const RngKey& key, uint64_t stream, uint64_t position) {
  return LowBits(RandomBlock(key, stream, position));
}

// [0, 1), a multiple of 2^-53.
GFN_HOST_DEVICE inline double Uniform(const RngKey& key, uint64_t stream, uint64_t position) {
  return static_cast<double>(RandomBits(key, stream, position) >> 11) * 0x1p-53;
}

// (0, 1), an odd multiple of 2^-53: both log(u) and log(1 - u) are finite.
GFN_HOST_DEVICE inline double UniformOpen(const RngKey& key, uint64_t stream, uint64_t position) {
  return OpenUnit(RandomBits(key, stream, position));
}

// [0, 1), a multiple of 2^-24: Uniform rounded down to float.
GFN_HOST_DEVICE inline float UniformFloat(const RngKey& key, uint64_t stream, uint64_t position) {
  return static_cast<float>(RandomBits(key, stream, position) >> 40) * 0x1p-24f;
}

// (0, 1), an odd multiple of 2^-24: UniformOpen cut to float.
GFN_HOST_DEVICE inline float UniformFloatOpen(const RngKey& key, uint64_t stream, uint64_t position) {
  return (static_cast<float>(RandomBits(key, stream, position) >> 41) + 0.5f) * 0x1p-23f;
}

// Standard normal (Box-Muller on the block's two halves).
GFN_HOST_DEVICE inline double Normal(const RngKey& key, uint64_t stream, uint64_t position) {
  const PhiloxBlock block = RandomBlock(key, stream, position);
  return std::sqrt(-2.0 * std::log(OpenUnit(LowBits(block)))) * std::cos(6.283185307179586 * OpenUnit(HighBits(block)));
}

// Standard Gumbel: -log(-log(u)).
GFN_HOST_DEVICE inline double Gumbel(const RngKey& key, uint64_t stream, uint64_t position) {
  return -std::log(-std::log(UniformOpen(key, stream, position)));
}

// 0 .. n-1, n >= 1. The bias, below n / 2^64, cannot be measured.
GFN_HOST_DEVICE inline int64_t UniformInt(const RngKey& key, uint64_t stream, uint64_t position, int64_t n) {
  return static_cast<int64_t>(MultiplyHigh(RandomBits(key, stream, position), static_cast<uint64_t>(n)));
}

#if !defined(__CUDACC__)
// Fisher-Yates with the draws of one stream: every order is equally likely.
template <class T>
void Shuffle(const RngKey& key, std::span<T> values, uint64_t stream = 0) {
  for (size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[UniformInt(key, stream, i - 1, static_cast<int64_t>(i))]);
  }
}

// A random order of 0 .. n-1.
inline std::vector<int64_t> Permutation(const RngKey& key, int64_t n, uint64_t stream = 0) {
  GFN_CHECK_GE(n, 0);
  std::vector<int64_t> order(n);
  for (int64_t i = 0; i < n; ++i) order[i] = i;
  Shuffle(key, std::span<int64_t>(order), stream);
  return order;
}
#endif

}  // namespace gfn
