#include "llm/metrics/ngrams.h"

#include <algorithm>
#include <cmath>

namespace gfn {

bool NgramLess::operator()(std::span<const int64_t> a, std::span<const int64_t> b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

void AddNgrams(const TokenSequence& tokens, int n, NgramCounts* counts) {
  const std::span<const int64_t> all(tokens);
  for (size_t i = 0; i + n <= all.size(); ++i) ++(*counts)[all.subspan(i, n)];
}

int64_t TotalCount(const NgramCounts& counts) {
  int64_t total = 0;
  for (const auto& [ngram, count] : counts) total += count;
  return total;
}

int64_t CommonCount(const NgramCounts& a, const NgramCounts& b) {
  int64_t common = 0;
  for (const auto& [ngram, count] : a) {
    if (const auto found = b.find(ngram); found != b.end()) common += std::min(count, found->second);
  }
  return common;
}

OrderCounts CountOrders(const TokenSequence& tokens) {
  OrderCounts counts;
  for (int n = 1; n <= kMaxOrder; ++n) AddNgrams(tokens, n, &counts[n - 1]);
  return counts;
}

double BleuOfCounts(const std::array<int64_t, kMaxOrder>& matches, const std::array<int64_t, kMaxOrder>& totals,
                    int64_t hypothesis_length, int64_t closest_reference_length) {
  constexpr double kZeroCount = 0.1;  // method 1 of Chen and Cherry (2014)
  if (matches[0] == 0) return 0;      // no word agrees, or the hypothesis is empty
  double sum_log = 0;
  for (int i = 0; i < kMaxOrder; ++i) {
    const double count = matches[i] == 0 ? kZeroCount : static_cast<double>(matches[i]);
    sum_log += std::log(count / static_cast<double>(std::max<int64_t>(1, totals[i])));
  }
  const double log_brevity =
      std::min(0.0, 1 - static_cast<double>(closest_reference_length) / static_cast<double>(hypothesis_length));
  return std::exp(log_brevity + sum_log / kMaxOrder);
}

}  // namespace gfn
