// Examples of the infilling task: texts from JSON lines, and their token ids.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gflownet/base/status.h"
#include "llm/gfn/sequence_condition.h"
#include "llm/gfn/sequence_environment.h"
#include "llm/tokenizer/tokenizer.h"
#include "nlohmann/json_fwd.hpp"
#include "tasks/infill/infill_config.h"

namespace gfn {

struct InfillExample {
  std::string id;
  std::string x, y;
  std::string z;      // the reference; empty if the data has none
  std::string where;  // file:line
};

// InvalidArgument with file and line for a line that is no JSON object, or lacks a text.
StatusOr<std::vector<InfillExample>> ReadInfillExamples(const std::string& path, const InfillFields& fields);

// One line of such a file. `where` begins messages.
StatusOr<InfillExample> ParseInfillExample(const nlohmann::json& line, const InfillFields& fields, const std::string& where);

// The prompt template with {X} and {Y} replaced, and where their values stand.
struct FilledTemplate {
  std::string text;
  std::vector<TextRange> values;
};
FilledTemplate FillTemplate(const std::string& prompt_template, const std::string& x, const std::string& y);

// Token ids of an example: y and z go on from a text, with a space between. Names of special tokens in the template itself
// ("<|im_start|>") are these tokens; in x and y they are plain text. Prompt and x begin with the tokenizer's leading ids, the
// prompt not a second time where the template brings them itself (chat templates do). Its trailing ids are left out everywhere:
// prompt and x are gone on with, and an end between x and z would be a text that the model never saw; y counts without an end.
SequenceCondition EncodeCondition(const Tokenizer& tokenizer, const std::string& prompt_template, const std::string& x,
                                  const std::string& y);

// What the tokenizer puts around texts and what becomes of it, as lines (name, value) for people; among them a template that
// brings the leading tokens itself, and the tokenizer's remarks on its file.
std::vector<std::pair<std::string, std::string>> DescribeTokens(const Tokenizer& tokenizer, const std::string& prompt_template);

// InvalidArgument, naming the token, `what` and the text, if an id is none of the model's `vocab_size`: tokenizers may hold
// tokens that were added without a row in the model.
Status CheckIds(const Tokenizer& tokenizer, std::span<const int32_t> ids, int64_t vocab_size, std::string_view what,
                const std::string& text);

// Has the token one of these characters in its bytes, or does it begin with the rest of one, that tokens before it may have
// begun? Tokens without either cannot spell a character together, so that leaving out all others leaves none of them in any text.
bool MaySpell(std::string_view token_bytes, std::string_view characters);

// The sampler's support for this tokenizer. InvalidArgument for a stop that is not one token, naming what it is.
StatusOr<SequenceSupport> MakeInfillSupport(const Tokenizer& tokenizer, const InfillSupport& config, int64_t vocab_size);

// Leaves to the last of max_len places only tokens that stand before a stop somewhere in x and y of these examples.
void RestrictLastPlace(const Tokenizer& tokenizer, const std::vector<InfillExample>& examples, SequenceSupport& support);

// The tokens of a text that goes on from another one, which is written without the space between them; empty for an empty text.
std::vector<int32_t> EncodeContinuation(const Tokenizer& tokenizer, const std::string& text);

// The reference as tokens with its stop at the end, if it is in the support; otherwise empty.
std::vector<int32_t> EncodeReference(const Tokenizer& tokenizer, const SequenceSupport& support, const std::string& z);

// The bytes of tokens that go on from another text, with the space that they begin with. Special tokens contribute nothing.
std::string DecodeAsItStands(const Tokenizer& tokenizer, const std::vector<int32_t>& tokens);
// Bytes that are no UTF-8 (tokens of single bytes need not make characters) as U+FFFD, for what holds text only.
std::string ReplaceInvalidUtf8(std::string text);
// A hidden text with its stop, as people read it in tables: without the space that it begins with, as UTF-8.
std::string DecodeObject(const Tokenizer& tokenizer, const std::vector<int32_t>& inner, int64_t stop);

}  // namespace gfn
