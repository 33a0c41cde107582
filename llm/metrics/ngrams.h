// Counts of n-grams: what the metrics of this folder share.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>

#include "llm/metrics/tokens.h"

namespace gfn {

// A run of n neighbouring tokens inside a sequence that outlives it.
struct NgramLess {
  bool operator()(std::span<const int64_t> a, std::span<const int64_t> b) const;
};
using NgramCounts = std::map<std::span<const int64_t>, int64_t, NgramLess>;

// Adds the n-grams of `tokens` (none if it is shorter than n >= 1). The keys borrow from `tokens`.
void AddNgrams(const TokenSequence& tokens, int n, NgramCounts* counts);

// Sum of all counts.
int64_t TotalCount(const NgramCounts& counts);
// Sum over n-grams of the smaller count.
int64_t CommonCount(const NgramCounts& a, const NgramCounts& b);

// The 1- to 4-grams of a sequence, all that BLEU and GLEU look at.
inline constexpr int kMaxOrder = 4;
using OrderCounts = std::array<NgramCounts, kMaxOrder>;  // [n - 1]
OrderCounts CountOrders(const TokenSequence& tokens);

// BLEU with smoothing method 1 from the clipped matches and the totals of every order.
double BleuOfCounts(const std::array<int64_t, kMaxOrder>& matches, const std::array<int64_t, kMaxOrder>& totals,
                    int64_t hypothesis_length, int64_t closest_reference_length);

}  // namespace gfn
