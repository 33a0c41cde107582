// The motivating example of amortised inference in language models (Hu et al. 2310.04363, section 2): a model asked for a uniform
// number is far from uniform, and its sampler becomes exactly that.
#pragma once

#include <memory>
#include <vector>

#include "tasks/random_number/random_number_config.h"
#include "tasks/text/text_kind.h"

namespace gfn {

std::unique_ptr<TextKind> MakeTextKind(const RandomNumberConfig& config);

// Every way to write a text in tokens of the support, each without a stop.
std::vector<std::vector<int32_t>> Spellings(const Tokenizer& tokenizer, const SequenceSupport& support, std::string_view text);

// KL(p | uniform) in nats of weights over outcomes, which need not add up to 1; 0 log 0 = 0.
double KlToUniform(const std::vector<double>& weights);

}  // namespace gfn
