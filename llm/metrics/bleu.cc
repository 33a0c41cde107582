#include "llm/metrics/bleu.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "gflownet/base/check.h"
#include "llm/metrics/ngrams.h"

namespace gfn {
namespace {

// Length of the reference closest to `length`; of two equally close ones the shorter.
int64_t ClosestLength(std::span<const TokenSequence> references, int64_t length) {
  int64_t closest = static_cast<int64_t>(references[0].size());
  for (const TokenSequence& reference : references) {
    const int64_t other = static_cast<int64_t>(reference.size());
    const int64_t distance = std::abs(other - length), best = std::abs(closest - length);
    if (distance < best || (distance == best && other < closest)) closest = other;
  }
  return closest;
}

// into[g] = max(into[g], from[g]).
void KeepLarger(const NgramCounts& from, NgramCounts* into) {
  for (const auto& [ngram, count] : from) {
    int64_t& kept = (*into)[ngram];
    kept = std::max(kept, count);
  }
}

}  // namespace

double SentenceBleu(std::span<const TokenSequence> references, const TokenSequence& hypothesis) {
  GFN_CHECK(!references.empty()) << "BLEU needs a reference";
  // A match is clipped: it counts as often as in the reference that has the n-gram most often.
  OrderCounts largest;
  for (const TokenSequence& reference : references) {
    const OrderCounts counts = CountOrders(reference);
    for (int i = 0; i < kMaxOrder; ++i) KeepLarger(counts[i], &largest[i]);
  }
  const OrderCounts counts = CountOrders(hypothesis);
  std::array<int64_t, kMaxOrder> matches, totals;
  for (int i = 0; i < kMaxOrder; ++i) {
    matches[i] = CommonCount(counts[i], largest[i]);
    totals[i] = TotalCount(counts[i]);
  }
  const int64_t length = static_cast<int64_t>(hypothesis.size());
  return BleuOfCounts(matches, totals, length, ClosestLength(references, length));
}

double SentenceGleu(std::span<const TokenSequence> references, const TokenSequence& hypothesis) {
  GFN_CHECK(!references.empty()) << "GLEU needs a reference";
  const OrderCounts counts = CountOrders(hypothesis);
  double best = 0;
  for (const TokenSequence& reference : references) {
    const OrderCounts reference_counts = CountOrders(reference);
    int64_t matches = 0, total = 0, reference_total = 0;
    for (int i = 0; i < kMaxOrder; ++i) {
      matches += CommonCount(counts[i], reference_counts[i]);
      total += TotalCount(counts[i]);
      reference_total += TotalCount(reference_counts[i]);
    }
    const int64_t larger = std::max(total, reference_total);
    if (larger > 0) best = std::max(best, static_cast<double>(matches) / static_cast<double>(larger));
  }
  return best;
}

double SentenceBleu(std::string_view reference, std::string_view hypothesis) {
  WordNumbering numbering;
  const TokenSequence numbered = numbering.Number(reference);
  return SentenceBleu(std::span(&numbered, 1), numbering.Number(hypothesis));
}

double SentenceGleu(std::string_view reference, std::string_view hypothesis) {
  WordNumbering numbering;
  const TokenSequence numbered = numbering.Number(reference);
  return SentenceGleu(std::span(&numbered, 1), numbering.Number(hypothesis));
}

}  // namespace gfn
