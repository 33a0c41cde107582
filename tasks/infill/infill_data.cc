#include "tasks/infill/infill_data.h"

#include <algorithm>
#include <cmath>

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

}  // namespace

std::vector<int32_t> EncodeContinuation(const Tokenizer& tokenizer, const std::string& text) {
  if (text.empty()) return {};
  return tokenizer.Encode(" " + text, {.parse_special = false, .continuation = true});
}

StatusOr<InfillExample> ParseInfillExample(const json& line, const InfillFields& fields, const std::string& where) {
  InfillExample example;
  ASSIGN_OR_RETURN(example.id, IdOf(line, fields.id, where, where.substr(where.rfind(':') + 1)));
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

std::vector<std::pair<std::string, std::string>> DescribeTokens(const Tokenizer& tokenizer, const std::string& prompt_template) {
  std::vector<std::pair<std::string, std::string>> lines;
  const std::span<const int32_t> leading = tokenizer.leading_ids(), trailing = tokenizer.trailing_ids();
  lines.emplace_back("before every text", leading.empty() ? "nothing" : NamesOf(tokenizer, leading));
  if (!trailing.empty()) lines.emplace_back("behind a text", NamesOf(tokenizer, trailing) + ", left out: prompt, x and y go on");
  const std::vector<int32_t> prompt = tokenizer.Encode(FillTemplate(prompt_template, "", "").text, {.parse_special = true});
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

bool MaySpell(std::string_view token_bytes, std::string_view characters) {
  for (size_t pos = 0; pos < characters.size();) {
    const size_t length = std::max<size_t>(1, CharAt(characters, pos).size());
    const std::string_view character = characters.substr(pos, length);
    if (token_bytes.find(character) != std::string_view::npos) return true;
    for (size_t cut = 1; cut < length; ++cut) {
      if (token_bytes.starts_with(character.substr(cut))) return true;
    }
    pos += length;
  }
  return false;
}

StatusOr<SequenceSupport> MakeInfillSupport(const Tokenizer& tokenizer, const InfillSupport& config, int64_t vocab_size) {
  SequenceSupport support{.vocab_size = vocab_size,
                          .legal = std::vector<bool>(vocab_size, false),
                          .stop_ids = {},
                          .min_len = config.min_len,
                          .max_len = config.max_len};
  const auto single_token = [&](const std::string& text) -> StatusOr<int64_t> {
    const std::vector<int32_t> ids = tokenizer.Encode(text, {.parse_special = true, .continuation = true});
    RETURN_IF_ERROR(CheckIds(tokenizer, ids, vocab_size, "a text of the support", text));
    if (ids.size() == 1) return ids[0];
    std::vector<std::string> pieces;
    for (const int32_t id : ids) pieces.emplace_back(tokenizer.TokenName(id));
    return InvalidArgument("'" + text + "' must be one token of this tokenizer, but is " + std::to_string(ids.size()) + ": " +
                           Join(pieces, " | "));
  };
  for (int32_t id = 0; id < std::min<int64_t>(vocab_size, tokenizer.vocab_size()); ++id) {
    const std::string_view bytes = tokenizer.TokenBytes(id);
    support.legal[id] = !tokenizer.IsSpecial(id) && !bytes.empty() && !MaySpell(bytes, config.forbidden_characters);
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
        if (ids[i] < support.vocab_size && std::ranges::find(support.stop_ids, ids[i + 1]) != support.stop_ids.end())
          ends_a_text[ids[i]] = true;
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
  const auto has_row = [&](int32_t id) { return id < support.vocab_size; };
  if (tokens.empty() || !std::ranges::all_of(tokens, has_row)) return {};
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
