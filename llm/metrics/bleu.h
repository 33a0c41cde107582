// BLEU (Papineni et al. 2002) and GLEU (Wu et al. 2016, section 4.3) of single sentences, with NLTK's numbers.
#pragma once

#include <span>
#include <string_view>

#include "llm/metrics/tokens.h"

namespace gfn {

// nltk.translate.bleu_score.sentence_bleu(references, hypothesis, smoothing_function=SmoothingFunction().method1):
// uniform weights over 1- to 4-grams, a count of 0 replaced by 0.1, the length of the closest reference (the shorter of
// two equally close ones). 0 if no word agrees or the hypothesis is empty. At least one reference.
double SentenceBleu(std::span<const TokenSequence> references, const TokenSequence& hypothesis);

// nltk.translate.gleu_score.sentence_gleu(references, hypothesis): the smaller of precision and recall of all 1- to
// 4-grams together, against the best reference. At least one reference.
double SentenceGleu(std::span<const TokenSequence> references, const TokenSequence& hypothesis);

// Of texts, split by SplitWords.
double SentenceBleu(std::string_view reference, std::string_view hypothesis);
double SentenceGleu(std::string_view reference, std::string_view hypothesis);

}  // namespace gfn
