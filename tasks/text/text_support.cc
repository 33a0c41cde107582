#include "tasks/text/text_support.h"

#include <algorithm>

#include "gflownet/base/text_util.h"
#include "llm/tokenizer/utf8.h"

namespace gfn {

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

bool IsMadeOf(std::string_view token_bytes, std::string_view characters) {
  for (size_t pos = 0; pos < token_bytes.size();) {
    const std::string_view character = CharAt(token_bytes, pos);
    if (character.empty() || characters.find(character) == std::string_view::npos) return false;
    pos += character.size();
  }
  return true;
}

StatusOr<SequenceSupport> MakeTextSupport(const Tokenizer& tokenizer, const TextSupport& config, int64_t vocab_size) {
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
    const bool allowed = config.allowed_characters.empty() || IsMadeOf(bytes, config.allowed_characters);
    support.legal[id] = !tokenizer.IsSpecial(id) && !bytes.empty() && allowed && !MaySpell(bytes, config.forbidden_characters);
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

void RestrictLastPlace(const Tokenizer& tokenizer, const std::vector<TextExample>& examples, SequenceSupport& support) {
  std::vector<bool> ends_a_text(support.vocab_size, false);
  for (const TextExample& example : examples) {
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

}  // namespace gfn
