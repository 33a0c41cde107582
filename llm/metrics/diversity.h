// How different samples are from each other, and how much one sample repeats itself.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "llm/metrics/tokens.h"

namespace gfn {

// Distinct n-grams over all n-grams of the samples together (Li et al. 2016, distinct-n). nullopt if there is no
// n-gram.
std::optional<double> DistinctN(std::span<const TokenSequence> samples, int n);

// Mean over the samples of SentenceBleu against all others (Zhu et al. 2018): 1 if all are the same (and have 4 tokens
// or more), lower is more diverse. nullopt for fewer than two samples.
std::optional<double> SelfBleu(std::span<const TokenSequence> samples);

// Mean over the samples of 1 - distinct n-grams / n-grams of that sample (Welleck et al. 2020, seq-rep-n). Samples
// shorter than n do not count; nullopt if none is left.
std::optional<double> RepetitionN(std::span<const TokenSequence> samples, int n);

// Fewest insertions, deletions and substitutions of tokens that turn a into b (Levenshtein).
int64_t TokenEditDistance(std::span<const int64_t> a, std::span<const int64_t> b);

}  // namespace gfn
