#include "llm/tokenizer/hf_config.h"

#include <optional>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
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

// "bos_token": "<s>", or {"content": "<s>", ...}, or null.
StatusOr<std::optional<int32_t>> IdByName(const json& config, const char* key, const Vocabulary& vocabulary,
                                          const std::string& path) {
  const auto field = config.find(key);
  if (field == config.end() || field->is_null()) return std::optional<int32_t>();
  const json& value = field->is_object() && field->contains("content") ? (*field)["content"] : *field;
  if (!value.is_string()) return DataLoss(path + ": " + key + " is no string");
  const std::string& name = value.get_ref<const std::string&>();
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (vocabulary.tokens[id].text == name) return std::optional(static_cast<int32_t>(id));
  }
  return DataLoss(path + ": " + key + " '" + name.substr(0, 80) + "' is not in the vocabulary");
}

// "eos_token_id": 2, or [2, 3], the first of which counts, or null.
StatusOr<std::optional<int32_t>> IdByNumber(const json& config, const char* key, const Vocabulary& vocabulary,
                                            const std::string& path) {
  const auto field = config.find(key);
  if (field == config.end() || field->is_null()) return std::optional<int32_t>();
  const json& value = field->is_array() && !field->empty() ? field->front() : *field;
  if (!value.is_number_integer()) return DataLoss(path + ": " + key + " is no id");
  ASSIGN_OR_RETURN(const int32_t id, CheckedTokenId(value.get<int64_t>(), vocabulary, path + ": " + key));
  return std::optional(id);
}

}  // namespace

Status SetEndsFromFolder(const std::string& folder, bool template_begins_with_bos, Vocabulary* vocabulary) {
  const std::string by_name_path = JoinPath(folder, "tokenizer_config.json"), by_number_path = JoinPath(folder, "config.json");
  ASSIGN_OR_RETURN(const json by_name, ReadOptional(by_name_path));
  ASSIGN_OR_RETURN(vocabulary->bos, IdByName(by_name, "bos_token", *vocabulary, by_name_path));
  ASSIGN_OR_RETURN(vocabulary->eos, IdByName(by_name, "eos_token", *vocabulary, by_name_path));
  if (!vocabulary->bos || !vocabulary->eos) {
    ASSIGN_OR_RETURN(const json by_number, ReadOptional(by_number_path));
    if (!vocabulary->bos) {
      ASSIGN_OR_RETURN(vocabulary->bos, IdByNumber(by_number, "bos_token_id", *vocabulary, by_number_path));
    }
    if (!vocabulary->eos) {
      ASSIGN_OR_RETURN(vocabulary->eos, IdByNumber(by_number, "eos_token_id", *vocabulary, by_number_path));
    }
  }
  const auto add_bos = by_name.find("add_bos_token");
  vocabulary->prepends_bos = add_bos != by_name.end() && add_bos->is_boolean() ? add_bos->get<bool>() : template_begins_with_bos;
  return OkStatus();
}

StatusOr<std::string> TokenizerClassOfFolder(const std::string& folder) {
  const std::string path = JoinPath(folder, "tokenizer_config.json");
  ASSIGN_OR_RETURN(const json config, ReadOptional(path));
  const auto field = config.find("tokenizer_class");
  if (field == config.end() || field->is_null()) return std::string();
  if (!field->is_string()) return DataLoss(path + ": tokenizer_class is no string");
  return field->get<std::string>();
}

}  // namespace gfn
