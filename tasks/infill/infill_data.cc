#include "tasks/infill/infill_data.h"

#include <algorithm>

#include "gflownet/base/jsonl.h"
#include "gflownet/base/text_util.h"
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

std::vector<int32_t> EncodeStart(const Tokenizer& tokenizer, const std::string& text, const EncodeOptions& options = {}) {
  std::vector<int32_t> ids;
  if (tokenizer.prepends_bos() && tokenizer.bos_id()) ids.push_back(*tokenizer.bos_id());
  const std::vector<int32_t> rest = tokenizer.Encode(text, options);
  ids.insert(ids.end(), rest.begin(), rest.end());
  return ids;
}

}  // namespace

std::vector<int32_t> EncodeContinuation(const Tokenizer& tokenizer, const std::string& text) {
  if (text.empty()) return {};
  return tokenizer.Encode(" " + text, {.parse_special = false, .continuation = true});
}

StatusOr<InfillExample> ParseInfillExample(const json& line, const InfillFields& fields, const std::string& where) {
  InfillExample example;
  const json* id = Find(line, fields.id);
  example.id = id != nullptr && id->is_string() ? id->get<std::string>() : where.substr(where.rfind(':') + 1);
  ASSIGN_OR_RETURN(example.x, TextOf(line, fields.x, where));
  ASSIGN_OR_RETURN(example.y, TextOf(line, fields.y, where));
  if (const auto z = TextOf(line, fields.z, where); z.ok()) example.z = *z;
  if (example.x.empty()) return InvalidArgument(where + ": the beginning is empty");
  example.where = where;
  return example;
}

StatusOr<std::vector<InfillExample>> ReadInfillExamples(const std::string& path, const InfillFields& fields) {
  ASSIGN_OR_RETURN(JsonlReader reader, JsonlReader::Open(path));
  std::vector<InfillExample> examples;
  json line;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(&line));
    if (!more) break;
    ASSIGN_OR_RETURN(InfillExample example, ParseInfillExample(line, fields, reader.Where()));
    examples.push_back(std::move(example));
  }
  if (examples.empty()) return InvalidArgument(path + ": no examples");
  return examples;
}

FilledTemplate FillTemplate(const std::string& prompt_template, const std::string& x, const std::string& y) {
  FilledTemplate filled;
  for (size_t i = 0; i < prompt_template.size();) {
    const bool is_x = prompt_template.compare(i, 3, "{X}") == 0;
    if (!is_x && prompt_template.compare(i, 3, "{Y}") != 0) {
      filled.text += prompt_template[i++];
      continue;
    }
    const size_t begin = filled.text.size();
    filled.text += is_x ? x : y;
    filled.values.push_back({begin, filled.text.size()});
    i += 3;
  }
  return filled;
}

SequenceCondition EncodeCondition(const Tokenizer& tokenizer, const std::string& prompt_template, const std::string& x,
                                  const std::string& y) {
  const FilledTemplate prompt = FillTemplate(prompt_template, x, y);
  return {EncodeStart(tokenizer, prompt.text, {.parse_special = true, .plain = prompt.values}), EncodeStart(tokenizer, x),
          EncodeContinuation(tokenizer, y)};
}

StatusOr<SequenceSupport> MakeInfillSupport(const Tokenizer& tokenizer, const InfillSupport& config, int64_t vocab_size) {
  SequenceSupport support{.vocab_size = vocab_size,
                          .legal = std::vector<bool>(vocab_size, false),
                          .stop_ids = {},
                          .min_len = config.min_len,
                          .max_len = config.max_len};
  const auto single_token = [&](const std::string& text) -> StatusOr<int64_t> {
    const std::vector<int32_t> ids = tokenizer.Encode(text, {.parse_special = true, .continuation = true});
    if (ids.size() == 1) return ids[0];
    std::vector<std::string> pieces;
    for (const int32_t id : ids) pieces.emplace_back(tokenizer.TokenName(id));
    return InvalidArgument("'" + text + "' must be one token of this tokenizer, but is " + std::to_string(ids.size()) + ": " +
                           Join(pieces, " | "));
  };
  for (int32_t id = 0; id < std::min<int64_t>(vocab_size, tokenizer.vocab_size()); ++id) {
    const std::string_view bytes = tokenizer.TokenBytes(id);
    support.legal[id] =
        !tokenizer.IsSpecial(id) && !bytes.empty() && bytes.find_first_of(config.forbidden_characters) == std::string_view::npos;
  }
  for (const std::string& text : config.forbidden_tokens) {
    ASSIGN_OR_RETURN(const int64_t id, single_token(text));
    support.legal[id] = false;
  }
  if (!config.forbidden_last.empty()) support.illegal_last.assign(vocab_size, false);
  for (const std::string& text : config.forbidden_last) {
    auto id = single_token(text);
    if (!id.ok()) return Annotate(id.status(), "task.support.forbidden_last");
    support.illegal_last[*id] = true;
  }
  for (const std::string& text : config.stop) {
    auto id = single_token(text);
    if (!id.ok()) return Annotate(id.status(), "task.support.stop");
    support.stop_ids.push_back(*id);
  }
  return support;
}

void RestrictLastPlace(const Tokenizer& tokenizer, const std::vector<InfillExample>& examples, SequenceSupport& support) {
  std::vector<bool> ends_a_text(support.vocab_size, false);
  for (const InfillExample& example : examples) {
    for (const std::string* text : {&example.x, &example.y}) {
      const std::vector<int32_t> ids = EncodeContinuation(tokenizer, *text);
      for (size_t i = 0; i + 1 < ids.size(); ++i) {
        if (std::ranges::find(support.stop_ids, ids[i + 1]) != support.stop_ids.end()) ends_a_text[ids[i]] = true;
      }
    }
  }
  support.illegal_last.resize(support.vocab_size, false);
  for (int64_t id = 0; id < support.vocab_size; ++id) {
    if (!ends_a_text[id]) support.illegal_last[id] = true;
  }
}

std::vector<int32_t> EncodeReference(const Tokenizer& tokenizer, const SequenceSupport& support, const std::string& z) {
  std::vector<int32_t> tokens = EncodeContinuation(tokenizer, z);
  if (tokens.empty()) return {};
  const auto is_stop = [&](int32_t id) {
    return std::find(support.stop_ids.begin(), support.stop_ids.end(), id) != support.stop_ids.end();
  };
  const std::span<const int32_t> inner(tokens.data(), tokens.size() - 1);
  if (!is_stop(tokens.back()) || std::any_of(inner.begin(), inner.end(), is_stop) || !support.Contains(inner)) return {};
  return tokens;
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
