#include "llm/tokenizer/hf_config.h"

#include <algorithm>
#include <map>
#include <utility>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/text_util.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;

// An empty object if the file is not there.
StatusOr<json> ReadOptional(const std::string& path) {
  if (!FileExists(path)) return json::object();
  ASSIGN_OR_RETURN(json root, ReadJsonFile(path));
  if (!root.is_object()) return DataLoss(path + ": expected an object");
  return root;
}

const json* FindField(const json& config, const char* key) {
  const auto field = config.find(key);
  return field == config.end() || field->is_null() ? nullptr : &*field;
}

// "<s>" of "<s>" or of {"content": "<s>", ...}.
StatusOr<std::string> NameOf(const json& written, const std::string& where) {
  const json& value = written.is_object() && written.contains("content") ? written["content"] : written;
  if (!value.is_string()) return DataLoss(where + " is no string");
  return value.get<std::string>();
}

StatusOr<std::optional<bool>> FlagOf(const json& config, const char* key, const std::string& path) {
  const json* const field = FindField(config, key);
  if (field == nullptr) return std::optional<bool>();
  if (!field->is_boolean())
    return DataLoss(path + ": " + key + " is " + field->dump().substr(0, 40) + ", expected true or false");
  return std::optional(field->get<bool>());
}

// "eos_token_id": 2, or [2, 3], the first of which counts, or null.
StatusOr<std::optional<int64_t>> IdOf(const json& config, const char* key, const std::string& path) {
  const json* const field = FindField(config, key);
  if (field == nullptr) return std::optional<int64_t>();
  const json& value = field->is_array() && !field->empty() ? field->front() : *field;
  if (!value.is_number_integer()) return DataLoss(path + ": " + key + " is no id");
  return std::optional(value.get<int64_t>());
}

StatusOr<std::string> ClassOf(const json& tokenizer_config, const json& config, const std::string& path) {
  std::string name;
  for (const json* file : {&tokenizer_config, &config}) {
    const json* const field = FindField(*file, "tokenizer_class");
    if (field == nullptr || !name.empty()) continue;
    if (!field->is_string()) return DataLoss(path + ": tokenizer_class is no string");
    name = field->get<std::string>();
  }
  if (name.empty()) {
    const json* const type = FindField(config, "model_type");
    if (type != nullptr && (*type == "gpt2" || *type == "gptj")) name = "GPT2Tokenizer";
  }
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  return name;
}

void AddName(std::string name, std::vector<std::string>* names) {
  if (!name.empty() && std::ranges::find(*names, name) == names->end()) names->push_back(std::move(name));
}

Status ReadSpecialNames(const json& config, const std::string& path, HfFolder* folder) {
  for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    const json* const field = FindField(config, key);
    if (field == nullptr) continue;
    ASSIGN_OR_RETURN(std::string name, NameOf(*field, path + ": " + key));
    if (key == std::string_view("bos_token") && folder->bos_name.empty()) folder->bos_name = name;
    if (key == std::string_view("eos_token") && folder->eos_name.empty()) folder->eos_name = name;
    AddName(std::move(name), &folder->special_names);
  }
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    const json* const list = FindField(config, key);
    if (list == nullptr) continue;
    if (!list->is_array() && !list->is_object()) return DataLoss(path + ": " + key + " is neither a list nor an object");
    for (const json& item : *list) {
      ASSIGN_OR_RETURN(std::string name, NameOf(item, path + ": an item of " + key));
      AddName(std::move(name), &folder->special_names);
    }
  }
  return OkStatus();
}

// {"32000": {"content": "<pad>", ...}, ...}
Status ReadDecoder(const json& decoder, const std::string& where, HfFolder* folder) {
  if (!decoder.is_object()) return DataLoss(where + " is no object");
  for (const auto& [key, item] : decoder.items()) {
    const std::optional<int64_t> id = ParseInt(key);
    if (!id) return DataLoss(where + ": '" + key.substr(0, 40) + "' is no id");
    ASSIGN_OR_RETURN(Token token, ReadAddedToken(item, where + ": token " + key));
    folder->added.push_back({*id, std::move(token)});
  }
  return OkStatus();
}

// {"<pad>": 32000, ...}
Status ReadAddedTokensFile(const json& file, const std::string& path, HfFolder* folder) {
  for (const auto& [name, id] : file.items()) {
    if (!id.is_number_integer()) return DataLoss(path + ": '" + name.substr(0, 80) + "' has no integer id");
    const bool special = std::ranges::find(folder->special_names, name) != folder->special_names.end();
    Token token{name, special ? TokenKind::kControl : TokenKind::kUserDefined};
    token.normalized = !special;
    folder->added.push_back({id.get<int64_t>(), std::move(token)});
  }
  return OkStatus();
}

// What a token becomes that is an added one besides: the unknown token and the bytes stay what they are.
TokenKind WithAdded(TokenKind before, TokenKind added) {
  const bool stays = before == TokenKind::kUnknown || before == TokenKind::kByte ||
                     (before == TokenKind::kControl && added == TokenKind::kUserDefined);
  return stays ? before : added;
}

void Rename(const Token& added, Token* token) {
  const TokenKind kind = WithAdded(token->kind, added.kind);
  const std::string bytes = kind == TokenKind::kByte ? token->text : added.text;
  *token = added;
  token->text = bytes;
  token->kind = kind;
}

}  // namespace

StatusOr<Token> ReadAddedToken(const json& item, const std::string& where) {
  const json* const content = item.is_object() ? FindField(item, "content") : nullptr;
  if (content == nullptr || !content->is_string()) return DataLoss(where + ": expected an object with content");
  const auto says = [&](const char* key) {
    const json* const field = FindField(item, key);
    return field != nullptr && *field == true;
  };
  Token token{content->get<std::string>(), says("special") ? TokenKind::kControl : TokenKind::kUserDefined};
  token.strips_left = says("lstrip");
  token.strips_right = says("rstrip");
  token.single_word = says("single_word");
  token.normalized = FindField(item, "normalized") == nullptr ? token.kind == TokenKind::kUserDefined : says("normalized");
  return token;
}

std::optional<bool> HfFolder::ByteLevelPrefixSpace() const {
  for (const char* name : {"GPT2Tokenizer", "CodeGenTokenizer", "GPTNeoXTokenizer", "Qwen2Tokenizer"}) {
    if (tokenizer_class == name) return add_prefix_space.value_or(false);
  }
  return std::nullopt;
}

StatusOr<HfFolder> ReadHfFolder(const std::string& path) {
  HfFolder folder;
  folder.names_path = JoinPath(path, "tokenizer_config.json");
  folder.ids_path = JoinPath(path, "config.json");
  ASSIGN_OR_RETURN(const json names, ReadOptional(folder.names_path));
  ASSIGN_OR_RETURN(const json ids, ReadOptional(folder.ids_path));
  ASSIGN_OR_RETURN(folder.tokenizer_class, ClassOf(names, ids, folder.names_path));
  for (const auto& [flag, key] : std::map<std::optional<bool>*, const char*>{{&folder.add_bos, "add_bos_token"},
                                                                             {&folder.add_eos, "add_eos_token"},
                                                                             {&folder.add_prefix_space, "add_prefix_space"},
                                                                             {&folder.legacy, "legacy"}}) {
    ASSIGN_OR_RETURN(*flag, FlagOf(names, key, folder.names_path));
  }
  RETURN_IF_ERROR(ReadSpecialNames(names, folder.names_path, &folder));
  if (const json* const decoder = FindField(names, "added_tokens_decoder")) {
    RETURN_IF_ERROR(ReadDecoder(*decoder, folder.names_path + ": added_tokens_decoder", &folder));
  } else {
    const std::string map_path = JoinPath(path, "special_tokens_map.json"), added_path = JoinPath(path, "added_tokens.json");
    ASSIGN_OR_RETURN(const json map, ReadOptional(map_path));
    RETURN_IF_ERROR(ReadSpecialNames(map, map_path, &folder));
    ASSIGN_OR_RETURN(const json added, ReadOptional(added_path));
    RETURN_IF_ERROR(ReadAddedTokensFile(added, added_path, &folder));
  }
  std::ranges::sort(folder.added, {}, &HfAddedToken::id);
  ASSIGN_OR_RETURN(folder.bos_id, IdOf(ids, "bos_token_id", folder.ids_path));
  ASSIGN_OR_RETURN(folder.eos_id, IdOf(ids, "eos_token_id", folder.ids_path));
  return folder;
}

Status AddTokensOfFolder(const HfFolder& folder, const HfVocabulary& known, Vocabulary* vocabulary) {
  std::vector<Token>& tokens = vocabulary->tokens;
  std::map<std::string, int32_t> appended;
  const auto find = [&](const std::string& name) {
    const auto found = appended.find(name);
    return found != appended.end() ? found->second : known.id_of(name);
  };
  const int64_t limit = static_cast<int64_t>(tokens.size() + folder.added.size()) + kMaxHoles;
  for (const HfAddedToken& added : folder.added) {
    int64_t id = added.id;
    if (id < 0 || id >= limit) {
      return DataLoss(known.path + ": the folder's added token '" + added.token.text.substr(0, 80) + "' has id " +
                      std::to_string(id) + ", outside 0 .. " + std::to_string(limit - 1));
    }
    if (known.by_name) {
      const int32_t there = find(added.token.text);
      id = there >= 0 ? there : static_cast<int64_t>(tokens.size());
    }
    if (id >= static_cast<int64_t>(tokens.size())) tokens.resize(id + 1, Token{"", TokenKind::kUnused});
    Rename(added.token, &tokens[id]);
    appended[added.token.text] = static_cast<int32_t>(id);
  }
  for (const std::string& name : folder.special_names) {
    const int32_t id = find(name);
    if (id >= 0) {
      if (tokens[id].kind == TokenKind::kNormal && known.is_made(id)) continue;
      tokens[id].kind = WithAdded(tokens[id].kind, TokenKind::kControl);
      if (tokens[id].kind == TokenKind::kControl) tokens[id].text = name;
    } else if (name != folder.bos_name && name != folder.eos_name) {
      appended[name] = static_cast<int32_t>(tokens.size());
      tokens.push_back({name, TokenKind::kControl});
    }
  }
  return OkStatus();
}

Status SetEnds(const HfFolder& folder, Vocabulary* vocabulary) {
  const auto find = [&](const std::string& name, const std::optional<int64_t>& number, const std::string& key,
                        const std::optional<int32_t>& before) -> StatusOr<std::optional<int32_t>> {
    if (name.empty()) {
      if (before) return before;
      if (!number || IsTokenId(*number, *vocabulary)) return std::optional<int32_t>(number);
      vocabulary->remarks.push_back(folder.ids_path + ": " + key + "_id is " + std::to_string(*number) +
                                    ", outside the vocabulary of " + std::to_string(vocabulary->tokens.size()) +
                                    " tokens; taken for none");
      return std::optional<int32_t>();
    }
    for (size_t id = 0; id < vocabulary->tokens.size(); ++id) {
      if (vocabulary->tokens[id].text == name) return std::optional(static_cast<int32_t>(id));
    }
    return DataLoss(folder.names_path + ": " + key + " '" + name.substr(0, 80) + "' is not in the vocabulary");
  };
  ASSIGN_OR_RETURN(vocabulary->bos, find(folder.bos_name, folder.bos_id, "bos_token", vocabulary->bos));
  ASSIGN_OR_RETURN(vocabulary->eos, find(folder.eos_name, folder.eos_id, "eos_token", vocabulary->eos));
  return OkStatus();
}

Status SetEndsAroundTexts(const HfFolder& folder, bool adds_bos_by_default, const std::string& path, Vocabulary* vocabulary) {
  if (folder.add_bos.value_or(adds_bos_by_default)) {
    if (vocabulary->bos) {
      vocabulary->leading = {*vocabulary->bos};
    } else if (folder.add_bos.has_value()) {
      return DataLoss(folder.names_path + ": add_bos_token is true, but " + path + " has no bos");
    }
  }
  if (folder.add_eos.value_or(false)) {
    if (!vocabulary->eos) return DataLoss(folder.names_path + ": add_eos_token is true, but " + path + " has no eos");
    vocabulary->trailing = {*vocabulary->eos};
  }
  return OkStatus();
}

}  // namespace gfn
