// Which hidden texts exist, as token ids of a tokenizer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"
#include "llm/gfn/token_rules.h"
#include "llm/tokenizer/tokenizer.h"
#include "tasks/text/text_data.h"

namespace gfn {

// Has the token one of these characters in its bytes, or does it begin with the rest of one, that tokens before it may have
// begun? Tokens without either cannot spell a character together, so that leaving out all others leaves none of them in any text.
bool MaySpell(std::string_view token_bytes, std::string_view characters);

// Is the token a run of whole characters, each of them one of these?
bool IsMadeOf(std::string_view token_bytes, std::string_view characters);

// The sampler's support for this tokenizer. InvalidArgument for a stop that is not one token, naming what it is.
StatusOr<SequenceSupport> MakeTextSupport(const Tokenizer& tokenizer, const TextSupport& config, int64_t vocab_size);

// Leaves to the last of max_len places only tokens that stand before a stop somewhere in x and y of these examples.
void RestrictLastPlace(const Tokenizer& tokenizer, const std::vector<TextExample>& examples, SequenceSupport& support);

// The reference as tokens with its stop at the end, if it is in the support; otherwise empty.
std::vector<int32_t> EncodeReference(const Tokenizer& tokenizer, const SequenceSupport& support, const std::string& z);

}  // namespace gfn
