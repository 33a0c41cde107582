// The Philox4x32-10 bijection and the bit arithmetic around it, as plain functions for host and device.
// Users want gflownet/base/rng.h.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define GFN_HOST_DEVICE __host__ __device__
#else
#define GFN_HOST_DEVICE
#endif

namespace gfn {

struct PhiloxBlock {
  uint32_t words[4];
};

// Ten rounds of Philox (constants of the paper, table 2) on a 128-bit counter under a 64-bit key.
GFN_HOST_DEVICE inline PhiloxBlock Philox4x32(PhiloxBlock counter, uint32_t key0, uint32_t key1) {
  uint32_t* x = counter.words;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * x[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * x[2];
    const uint32_t y0 = static_cast<uint32_t>(product1 >> 32) ^ x[1] ^ key0;
    const uint32_t y2 = static_cast<uint32_t>(product0 >> 32) ^ x[3] ^ key1;
    x[1] = static_cast<uint32_t>(product1);
    x[3] = static_cast<uint32_t>(product0);
    x[0] = y0;
    x[2] = y2;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

GFN_HOST_DEVICE inline uint64_t LowBits(const PhiloxBlock& block) { return block.words[0] | (uint64_t{block.words[1]} << 32); }

GFN_HOST_DEVICE inline uint64_t HighBits(const PhiloxBlock& block) { return block.words[2] | (uint64_t{block.words[3]} << 32); }

// A bijection of 64 bits that spreads every input bit (finaliser of SplitMix64, variant 13 of D. Stafford).
GFN_HOST_DEVICE inline uint64_t MixBits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// The upper 64 bits of a 128-bit product, without a 128-bit type.
GFN_HOST_DEVICE inline uint64_t MultiplyHigh(uint64_t a, uint64_t b) {
  const uint64_t a0 = a & 0xFFFFFFFFu, a1 = a >> 32, b0 = b & 0xFFFFFFFFu, b1 = b >> 32;
  const uint64_t middle = a1 * b0 + ((a0 * b0) >> 32);
  return a1 * b1 + (middle >> 32) + ((a0 * b1 + (middle & 0xFFFFFFFFu)) >> 32);
}

// (0, 1) from the upper 52 bits: k + 1/2 has 53 significant bits, so the result is exact and never rounds up to 1.
GFN_HOST_DEVICE inline double OpenUnit(uint64_t bits) { return (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52; }

}  // namespace gfn
