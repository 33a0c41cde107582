// Examples of tasks on a language model: texts from JSON lines or lines of plain text, and their token ids.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gflownet/base/status.h"
#include "llm/gfn/sequence_condition.h"
#include "llm/tokenizer/tokenizer.h"
#include "nlohmann/json_fwd.hpp"
#include "tasks/text/text_config.h"

namespace gfn {

struct TextExample {
  std::string id;
  std::string x, y;
  std::string z;      // the reference; empty if the data has none
  std::string where;  // file:line
};

// JSON lines; of a file *.txt each line is an x as it stands, which has neither y nor z and the line's number as its id.
// InvalidArgument with file and line for a line that is no JSON object, or lacks a text.
StatusOr<std::vector<TextExample>> ReadTextExamples(const std::string& path, const TextFields& fields);

// The examples of "train", "validation" or "test": of their file, or lines of train that are held out. InvalidArgument for a
// split that the configuration does not have; train_limit is the caller's.
struct NamedExamples {
  std::string source;  // where they are from, for people
  std::vector<TextExample> examples;
};
StatusOr<NamedExamples> ReadSplit(const TextData& data, const std::string& split);

// One line of such a file. `where` begins messages.
StatusOr<TextExample> ParseTextExample(const nlohmann::json& line, const TextFields& fields, const std::string& where);

// A template with each name ("{X}") replaced by its value, and where the values stand.
struct FilledTemplate {
  std::string text;
  std::vector<TextRange> values;
};
FilledTemplate FillTemplate(const std::string& text_template, const std::vector<std::pair<std::string, std::string>>& values);

// What an example's texts are read in. {D} stands for the demonstrations.
struct TextTemplates {
  std::string prompt;                 // of the policy, with {X} and {Y}
  std::string reward_prompt = "{X}";  // of the reward's model
  std::string demonstrations = {};
};

// The demonstrations of a task as one text; "" without any. InvalidArgument for a file with fewer of them, or without references.
StatusOr<std::string> DemonstrationText(const TextConfig& task);

// Token ids of an example: y and z go on from a text, with a space between. Names of special tokens in the template itself
// ("<|im_start|>") are these tokens; in x and y they are plain text. Prompt and x begin with the tokenizer's leading ids, the
// prompt not a second time where the template brings them itself (chat templates do). Its trailing ids are left out everywhere:
// prompt and x are gone on with, and an end between x and z would be a text that the model never saw; y counts without an end.
SequenceCondition EncodeCondition(const Tokenizer& tokenizer, const TextTemplates& templates, const std::string& x,
                                  const std::string& y);

// What the tokenizer puts around texts and what becomes of it, as lines (name, value) for people; among them a template that
// brings the leading tokens itself, and the tokenizer's remarks on its file.
std::vector<std::pair<std::string, std::string>> DescribeTokens(const Tokenizer& tokenizer, const std::string& prompt_template);

// InvalidArgument, naming the token, `what` and the text, if an id is none of the model's `vocab_size`: tokenizers may hold
// tokens that were added without a row in the model.
Status CheckIds(const Tokenizer& tokenizer, std::span<const int32_t> ids, int64_t vocab_size, std::string_view what,
                const std::string& text);

// The tokens of a text that goes on from another one, which is written without the space between them; empty for an empty text.
std::vector<int32_t> EncodeContinuation(const Tokenizer& tokenizer, const std::string& text);

// The bytes of tokens that go on from another text, with the space that they begin with. Special tokens contribute nothing.
std::string DecodeAsItStands(const Tokenizer& tokenizer, const std::vector<int32_t>& tokens);
// Bytes that are no UTF-8 (tokens of single bytes need not make characters) as U+FFFD, for what holds text only.
std::string ReplaceInvalidUtf8(std::string text);
// A hidden text with its stop, as people read it in tables: without the space that it begins with, as UTF-8.
std::string DecodeObject(const Tokenizer& tokenizer, const std::vector<int32_t>& inner, int64_t stop);

}  // namespace gfn
