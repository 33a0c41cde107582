#include "tasks/text/text_data.h"

#include <algorithm>
#include <cmath>

#include "gflownet/base/file_util.h"
#include "gflownet/base/jsonl.h"
#include "gflownet/base/text_util.h"
#include "llm/tokenizer/utf8.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;

// The value at a path "a.0.b", or nullptr.
const json* Find(const json& object, std::string_view path) {
  const json* at = &object;
  while (!path.empty()) {
    const size_t dot = path.find('.');
    const std::string key(path.substr(0, dot));
    path = dot == std::string_view::npos ? "" : path.substr(dot + 1);
    if (at->is_array()) {
      const auto index = ParseInt(key);
      if (!index || *index < 0 || *index >= static_cast<int64_t>(at->size())) return nullptr;
      at = &(*at)[static_cast<size_t>(*index)];
    } else {
      if (!at->is_object() || !at->contains(key)) return nullptr;
      at = &(*at)[key];
    }
  }
  return at;
}

StatusOr<std::string> TextOf(const json& line, const std::vector<std::string>& paths, const std::string& where) {
  std::string text;
  for (const std::string& path : paths) {
    const json* value = Find(line, path);
    if (value == nullptr || !value->is_string()) {
      return InvalidArgument(where + ": expected a text at '" + path + "', found " +
                             (value == nullptr ? "nothing" : value->type_name()));
    }
    if (!text.empty()) text += ' ';
    text += value->get<std::string>();
  }
  return text;
}

// The name of the example: a text, or a number as it stands; `number` where the line has none.
StatusOr<std::string> IdOf(const json& line, const std::string& path, const std::string& where, const std::string& number) {
  const json* id = path.empty() ? nullptr : Find(line, path);
  if (id == nullptr || id->is_null()) return number;
  if (id->is_string()) return id->get<std::string>();
  if (!id->is_number()) {
    return InvalidArgument(where + ": expected a text or a number at '" + path + "', found " + id->type_name());
  }
  // Beyond 64 bits an integer is read as the float next to it, and several ids become one.
  constexpr double kExact = 9007199254740992;  // 2^53
  if (id->is_number_float() && std::abs(id->get<double>()) >= kExact) {
    return InvalidArgument(where + ": the number at '" + path + "' has more digits than are kept (" + id->dump() +
                           "); write it as a text, in quotes");
  }
  return id->dump();
}

// Token ids of a text that nothing stands before, with what the tokenizer puts there, unless the text brings it itself.
std::vector<int32_t> EncodeStart(const Tokenizer& tokenizer, const std::string& text, const EncodeOptions& options = {}) {
  const std::span<const int32_t> leading = tokenizer.leading_ids();
  std::vector<int32_t> ids = tokenizer.Encode(text, options);
  const bool brings_its_own = ids.size() >= leading.size() && std::ranges::equal(leading, std::span(ids).first(leading.size()));
  if (!brings_its_own) ids.insert(ids.begin(), leading.begin(), leading.end());
  return ids;
}

std::string NamesOf(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  std::vector<std::string> names;
  for (const int32_t id : ids) names.push_back(std::string(tokenizer.TokenName(id)) + " (" + std::to_string(id) + ")");
  return Join(names, " ");
}

// A file of beginnings, one a line.
StatusOr<std::vector<TextExample>> ReadPlainLines(const std::string& path, const TextFields& fields) {
  if (!fields.y.empty()) {
    return InvalidArgument(path + ": a line of plain text holds x alone, and task.data.fields.y asks for more; give JSON lines");
  }
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::vector<TextExample> examples;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    TextExample& example = examples.emplace_back();
    example.id = std::to_string(examples.size());
    example.where = path + ":" + example.id;
    example.x = text.substr(begin, end - begin);
    if (example.x.ends_with('\r')) example.x.pop_back();
    if (example.x.empty()) return InvalidArgument(example.where + ": the line is empty");
    if (FindInvalidUtf8(example.x)) return InvalidArgument(example.where + ": the line is not UTF-8");
    begin = end + 1;
  }
  if (examples.empty()) return InvalidArgument(path + ": no lines");
  return examples;
}

}  // namespace

std::vector<int32_t> EncodeContinuation(const Tokenizer& tokenizer, const std::string& text) {
  if (text.empty()) return {};
  return tokenizer.Encode(" " + text, {.parse_special = false, .continuation = true});
}

StatusOr<TextExample> ParseTextExample(const json& line, const TextFields& fields, const std::string& where) {
  TextExample example;
  ASSIGN_OR_RETURN(example.id, IdOf(line, fields.id, where, where.substr(where.rfind(':') + 1)));
  ASSIGN_OR_RETURN(example.x, TextOf(line, fields.x, where));
  ASSIGN_OR_RETURN(example.y, TextOf(line, fields.y, where));
  if (const auto z = TextOf(line, fields.z, where); z.ok()) example.z = *z;
  if (example.x.empty()) return InvalidArgument(where + ": the beginning is empty");
  example.where = where;
  return example;
}

StatusOr<std::vector<TextExample>> ReadTextExamples(const std::string& path, const TextFields& fields) {
  if (path.ends_with(".txt")) return ReadPlainLines(path, fields);
  ASSIGN_OR_RETURN(JsonlReader reader, JsonlReader::Open(path));
  std::vector<TextExample> examples;
  json line;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(&line));
    if (!more) break;
    ASSIGN_OR_RETURN(TextExample example, ParseTextExample(line, fields, reader.Where()));
    examples.push_back(std::move(example));
  }
  if (examples.empty()) return InvalidArgument(path + ": no examples");
  return examples;
}

StatusOr<NamedExamples> ReadSplit(const TextData& data, const std::string& split) {
  const bool is_train = split == "train", is_test = split == "test";
  if (!is_train && !is_test && split != "validation")
    return InvalidArgument("unknown split '" + split + "'; known splits: train, validation, test");
  const std::string& own = is_train ? data.train : is_test ? data.test : data.validation;
  const int64_t held_out = is_train ? 0 : is_test ? data.held_out.test : data.held_out.validation;
  if (own.empty() && held_out == 0) return InvalidArgument("the run's configuration has no " + split + " data; give --data FILE");
  NamedExamples read;
  read.source = own.empty() ? data.train + " (" + split + ")" : own;
  ASSIGN_OR_RETURN(read.examples, ReadTextExamples(own.empty() ? data.train : own, data.fields));
  if (!own.empty() && !is_train) return read;
  const int64_t num = static_cast<int64_t>(read.examples.size()), end_of_validation = num - data.held_out.test,
                end_of_train = end_of_validation - data.held_out.validation;
  if (end_of_train <= 0) {
    return InvalidArgument(data.train + ": has " + std::to_string(num) +
                           " lines, and task.data.held_out leaves none to train on");
  }
  const int64_t begin = is_train ? 0 : is_test ? end_of_validation : end_of_train;
  const int64_t end = is_train ? end_of_train : is_test ? num : end_of_validation;
  read.examples = {std::make_move_iterator(read.examples.begin() + begin), std::make_move_iterator(read.examples.begin() + end)};
  return read;
}

FilledTemplate FillTemplate(const std::string& text_template, const std::vector<std::pair<std::string, std::string>>& values) {
  FilledTemplate filled;
  for (size_t i = 0; i < text_template.size();) {
    const auto found = std::ranges::find_if(
        values, [&](const auto& value) { return text_template.compare(i, value.first.size(), value.first) == 0; });
    if (found == values.end()) {
      filled.text += text_template[i++];
      continue;
    }
    const size_t begin = filled.text.size();
    filled.text += found->second;
    filled.values.push_back({begin, filled.text.size()});
    i += found->first.size();
  }
  return filled;
}

StatusOr<std::string> DemonstrationText(const TextConfig& task) {
  const Demonstrations& config = task.demonstrations;
  if (config.data.empty()) return std::string();
  const std::string key = "task.demonstrations.data";
  auto read = ReadTextExamples(config.data, task.data.fields);
  if (!read.ok()) return Annotate(read.status(), key);
  if (static_cast<int64_t>(read->size()) < config.count) {
    return InvalidArgument(key + ": " + config.data + " has " + std::to_string(read->size()) + " lines, expected at least " +
                           std::to_string(config.count) + " (task.demonstrations.count)");
  }
  std::string text;
  for (int64_t i = 0; i < config.count; ++i) {
    const TextExample& example = (*read)[i];
    if (example.z.empty() && config.format.find("{Z}") != std::string::npos)
      return InvalidArgument(key + ": " + example.where + " has no reference (task.data.fields.z)");
    text += FillTemplate(config.format, {{"{X}", example.x}, {"{Y}", example.y}, {"{Z}", example.z}}).text;
  }
  return text;
}

SequenceCondition EncodeCondition(const Tokenizer& tokenizer, const TextTemplates& templates, const std::string& x,
                                  const std::string& y) {
  const FilledTemplate prompt = FillTemplate(templates.prompt, {{"{X}", x}, {"{Y}", y}, {"{D}", templates.demonstrations}}),
                       read = FillTemplate(templates.reward_prompt, {{"{X}", x}, {"{D}", templates.demonstrations}});
  return {.prompt = EncodeStart(tokenizer, prompt.text, {.parse_special = true, .plain = prompt.values}),
          .x = EncodeStart(tokenizer, read.text, {.parse_special = true, .plain = read.values}),
          .y = EncodeContinuation(tokenizer, y)};
}

std::vector<std::pair<std::string, std::string>> DescribeTokens(const Tokenizer& tokenizer, const std::string& prompt_template) {
  std::vector<std::pair<std::string, std::string>> lines;
  const std::span<const int32_t> leading = tokenizer.leading_ids(), trailing = tokenizer.trailing_ids();
  lines.emplace_back("before every text", leading.empty() ? "nothing" : NamesOf(tokenizer, leading));
  if (!trailing.empty()) lines.emplace_back("behind a text", NamesOf(tokenizer, trailing) + ", left out: prompt, x and y go on");
  const std::vector<int32_t> prompt =
      tokenizer.Encode(FillTemplate(prompt_template, {{"{X}", ""}, {"{Y}", ""}, {"{D}", ""}}).text, {.parse_special = true});
  if (!leading.empty() && prompt.size() >= leading.size() &&
      std::ranges::equal(leading, std::span(prompt).first(leading.size()))) {
    lines.emplace_back("task.prompt", "begins with " + NamesOf(tokenizer, leading) +
                                          " itself, which the tokenizer puts before every text as well: read once, not twice");
  }
  for (const std::string& remark : tokenizer.remarks()) lines.emplace_back("tokenizer", remark);
  return lines;
}

Status CheckIds(const Tokenizer& tokenizer, std::span<const int32_t> ids, int64_t vocab_size, std::string_view what,
                const std::string& text) {
  const auto beyond = std::ranges::find_if(ids, [&](int32_t id) { return id >= vocab_size; });
  if (beyond == ids.end()) return OkStatus();
  return InvalidArgument(std::string(what) + " needs the token '" + std::string(tokenizer.TokenName(*beyond)) + "' (id " +
                         std::to_string(*beyond) + "), for which the model with its " + std::to_string(vocab_size) +
                         " tokens has no row, in '" + text.substr(0, 200) + "'");
}

std::string DecodeAsItStands(const Tokenizer& tokenizer, const std::vector<int32_t>& tokens) {
  return tokenizer.Decode(tokens, {.show_special = false, .continuation = true});
}

std::string ReplaceInvalidUtf8(std::string text) {
  while (const auto at = FindInvalidUtf8(text)) text.replace(*at, 1, "\uFFFD");
  return text;
}

std::string DecodeObject(const Tokenizer& tokenizer, const std::vector<int32_t>& inner, int64_t stop) {
  std::vector<int32_t> tokens = inner;
  tokens.push_back(static_cast<int32_t>(stop));
  const std::string text = ReplaceInvalidUtf8(DecodeAsItStands(tokenizer, tokens));
  return text.starts_with(' ') ? text.substr(1) : text;
}

}  // namespace gfn
