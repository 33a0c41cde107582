#include "llm/metrics/diversity.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "llm/metrics/ngrams.h"

namespace gfn {
namespace {

// For every n-gram the largest and the second largest count among the samples (equal if two samples share the largest),
// so that what all others of a sample hold is known without comparing pairs.
class TopTwo {
 public:
  void Add(const OrderCounts& sample) {
    for (int i = 0; i < kMaxOrder; ++i) {
      for (const auto& [ngram, count] : sample[i]) {
        auto& [largest, second] = top_[i][ngram];
        second = std::max(second, std::min(largest, count));
        largest = std::max(largest, count);
      }
    }
  }

  // Clipped matches of a sample that was added with all others.
  std::array<int64_t, kMaxOrder> MatchesWithOthers(const OrderCounts& sample) const {
    std::array<int64_t, kMaxOrder> matches = {};
    for (int i = 0; i < kMaxOrder; ++i) {
      for (const auto& [ngram, count] : sample[i]) {
        const auto& [largest, second] = top_[i].at(ngram);
        matches[i] += std::min(count, count == largest ? second : largest);
      }
    }
    return matches;
  }

 private:
  std::array<std::map<std::span<const int64_t>, std::pair<int64_t, int64_t>, NgramLess>, kMaxOrder> top_;
};

// The length closest to `length` in the sorted `lengths` less one occurrence of itself; of two equally close ones the
// shorter.
int64_t ClosestOther(const std::vector<int64_t>& lengths, int64_t length) {
  const auto [first, last] = std::equal_range(lengths.begin(), lengths.end(), length);
  if (last - first > 1) return length;
  if (first == lengths.begin()) return *last;
  if (last == lengths.end()) return *(first - 1);
  return length - *(first - 1) <= *last - length ? *(first - 1) : *last;
}

}  // namespace

std::optional<double> DistinctN(std::span<const TokenSequence> samples, int n) {
  NgramCounts counts;
  for (const TokenSequence& sample : samples) AddNgrams(sample, n, &counts);
  if (counts.empty()) return std::nullopt;
  return static_cast<double>(counts.size()) / static_cast<double>(TotalCount(counts));
}

std::optional<double> SelfBleu(std::span<const TokenSequence> samples) {
  if (samples.size() < 2) return std::nullopt;
  std::vector<OrderCounts> counts;
  counts.reserve(samples.size());
  TopTwo top_two;
  std::vector<int64_t> lengths;
  for (const TokenSequence& sample : samples) {
    counts.push_back(CountOrders(sample));
    top_two.Add(counts.back());
    lengths.push_back(static_cast<int64_t>(sample.size()));
  }
  std::sort(lengths.begin(), lengths.end());
  double sum = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    std::array<int64_t, kMaxOrder> totals;
    for (int n = 0; n < kMaxOrder; ++n) totals[n] = TotalCount(counts[i][n]);
    const int64_t length = static_cast<int64_t>(samples[i].size());
    sum += BleuOfCounts(top_two.MatchesWithOthers(counts[i]), totals, length, ClosestOther(lengths, length));
  }
  return sum / static_cast<double>(samples.size());
}

std::optional<double> RepetitionN(std::span<const TokenSequence> samples, int n) {
  double sum = 0;
  int64_t num_counted = 0;
  for (const TokenSequence& sample : samples) {
    NgramCounts counts;
    AddNgrams(sample, n, &counts);
    if (counts.empty()) continue;
    sum += 1 - static_cast<double>(counts.size()) / static_cast<double>(TotalCount(counts));
    ++num_counted;
  }
  if (num_counted == 0) return std::nullopt;
  return sum / static_cast<double>(num_counted);
}

int64_t TokenEditDistance(std::span<const int64_t> a, std::span<const int64_t> b) {
  std::vector<int64_t> row(b.size() + 1);  // distances of the first i tokens of a to every beginning of b
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    int64_t diagonal = row[0];
    row[0] = static_cast<int64_t>(i) + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const int64_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace gfn
