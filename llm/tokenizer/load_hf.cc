#include <utility>
#include <vector>

#include "gflownet/base/file_util.h"
#include "llm/tokenizer/hf_config.h"
#include "llm/tokenizer/hf_pipeline.h"
#include "llm/tokenizer/loaders.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;

// Ids that no token has: files with a few exist; more would be memory on the file's word alone.
constexpr int64_t kMaxHoles = 4096;

// Settings of the BPE model that we do not have must be absent, null or without effect.
Status CheckModel(const json& model, const std::string& path) {
  if (!model.is_object()) return DataLoss(path + ": 'model' is no object");
  if (model.contains("type") && model["type"] != "BPE") {
    return Unimplemented(path + ": model type " + model["type"].dump().substr(0, 80) + "; known: BPE");
  }
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto field = model.find(key);
    if (field == model.end() || field->is_null() || *field == "" || *field == 0.0) continue;
    return Unimplemented(path + ": model." + key + " is " + field->dump().substr(0, 80) + "; expected none");
  }
  for (const char* key : {"vocab", "merges"}) {
    if (!model.contains(key)) return DataLoss(path + ": model." + key + " is missing");
  }
  if (!model["vocab"].is_object()) return DataLoss(path + ": model.vocab is no object");
  if (!model["merges"].is_array()) return DataLoss(path + ": model.merges is no list");
  return OkStatus();
}

struct AddedToken {
  int64_t id;
  Token token;
};

StatusOr<std::vector<AddedToken>> ReadAddedTokens(const json& root, const std::string& path) {
  std::vector<AddedToken> added;
  const auto list = root.find("added_tokens");
  if (list == root.end() || list->is_null()) return added;
  if (!list->is_array()) return DataLoss(path + ": added_tokens is no list");
  for (const json& item : *list) {
    const std::string where = path + ": added_tokens " + std::to_string(added.size());
    if (!item.is_object() || !item.contains("id") || !item["id"].is_number_integer() || !item.contains("content") ||
        !item["content"].is_string()) {
      return DataLoss(where + ": expected an object with id and content");
    }
    if (JsonSays(item, "single_word", true)) return Unimplemented(where + ": single_word is not supported");
    AddedToken token{item["id"].get<int64_t>(), {item["content"].get<std::string>()}};
    token.token.kind = JsonSays(item, "special", true) ? TokenKind::kControl : TokenKind::kUserDefined;
    token.token.strips_left = JsonSays(item, "lstrip", true);
    token.token.strips_right = JsonSays(item, "rstrip", true);
    added.push_back(std::move(token));
  }
  return added;
}

struct SpmKinds {
  bool byte_fallback;
  std::string unknown;

  TokenKind Of(const std::string& written) const {
    if (!unknown.empty() && written == unknown) return TokenKind::kUnknown;
    return byte_fallback && ParseByteToken(written) ? TokenKind::kByte : TokenKind::kNormal;
  }
};

// Tokens of model.vocab and added_tokens by id. `spm` is null for byte-level BPE.
StatusOr<Vocabulary> ReadVocabulary(const json& root, const SpmKinds* spm, const std::string& path) {
  const json& vocab = root["model"]["vocab"];
  ASSIGN_OR_RETURN(const std::vector<AddedToken> added, ReadAddedTokens(root, path));
  const int64_t limit = static_cast<int64_t>(vocab.size() + added.size()) + kMaxHoles;
  const auto check = [&](int64_t id, const std::string& name) {
    if (id >= 0 && id < limit) return OkStatus();
    return DataLoss(path + ": id " + std::to_string(id) + " of token '" + name.substr(0, 80) + "' is outside 0 .. " +
                    std::to_string(limit - 1));
  };
  const Token hole{"", TokenKind::kUnused};
  Vocabulary vocabulary;
  std::vector<bool> is_added;
  const auto grow = [&](int64_t id) {
    if (id < static_cast<int64_t>(vocabulary.tokens.size())) return;
    vocabulary.tokens.resize(id + 1, hole);
    is_added.resize(id + 1, false);
  };
  for (const AddedToken& token : added) {
    RETURN_IF_ERROR(check(token.id, token.token.text));
    grow(token.id);
    Token& place = vocabulary.tokens[token.id];
    place = token.token;
    if (spm != nullptr && spm->Of(place.text) == TokenKind::kUnknown) place.kind = TokenKind::kUnknown;
    is_added[token.id] = true;
  }
  std::vector<bool> is_named = is_added;
  for (const auto& [written, value] : vocab.items()) {
    if (!value.is_number_integer()) return DataLoss(path + ": model.vocab '" + written.substr(0, 80) + "' has no integer id");
    const int64_t id = value.get<int64_t>();
    RETURN_IF_ERROR(check(id, written));
    grow(id);
    is_named.resize(vocabulary.tokens.size(), false);
    if (is_added[id]) continue;  // the same token, with its attributes
    if (is_named[id]) return DataLoss(path + ": two tokens have the id " + std::to_string(id));
    is_named[id] = true;
    ASSIGN_OR_RETURN(vocabulary.tokens[id], spm == nullptr ? ByteBpeToken(written, TokenKind::kNormal, id, path)
                                                           : SpmToken(written, spm->Of(written), id, path));
  }
  return vocabulary;
}

// ["a b", ...] or [["a", "b"], ...].
StatusOr<std::vector<std::pair<std::string, std::string>>> ReadMerges(const json& list, const std::string& path) {
  std::vector<std::pair<std::string, std::string>> merges;
  merges.reserve(list.size());
  for (const json& item : list) {
    const std::string where = path + ": model.merges " + std::to_string(merges.size());
    if (item.is_string()) {
      ASSIGN_OR_RETURN(auto merge, ParseMerge(item.get_ref<const std::string&>(), where));
      merges.push_back(std::move(merge));
    } else if (item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string()) {
      merges.emplace_back(item[0].get<std::string>(), item[1].get<std::string>());
    } else {
      return DataLoss(where + ": expected 'left right' or [left, right], found " + item.dump().substr(0, 80));
    }
  }
  return merges;
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> LoadHfTokenizer(const json& root, const std::string& path) {
  const json& model = root["model"];
  RETURN_IF_ERROR(CheckModel(model, path));
  ASSIGN_OR_RETURN(auto pipeline, ReadHfPipeline(root, path));
  ASSIGN_OR_RETURN(const auto merges, ReadMerges(model["merges"], path));
  HfSpmPipeline* const spm = std::get_if<HfSpmPipeline>(&pipeline);
  const std::string unknown =
      model.contains("unk_token") && model["unk_token"].is_string() ? model["unk_token"].get<std::string>() : "";
  const SpmKinds kinds{JsonSays(model, "byte_fallback", true), unknown};
  ASSIGN_OR_RETURN(Vocabulary vocabulary, ReadVocabulary(root, spm != nullptr ? &kinds : nullptr, path));
  RETURN_IF_ERROR(SetEndsFromFolder(ParentFolder(path), TemplateBeginsWithSpecial(root), &vocabulary));
  if (spm != nullptr) {
    if (JsonSays(model, "ignore_merges", true)) return Unimplemented(path + ": model.ignore_merges without ByteLevel");
    vocabulary.drops_first_space = spm->drops_first_space;
    spm->spec.fuses_unknown = JsonSays(model, "fuse_unk", true);
    return MakeSpmBpeByMerges(std::move(vocabulary), spm->spec, merges, path);
  }
  ByteBpeSpec spec = std::get<ByteBpeSpec>(pipeline);
  spec.ignores_merges = JsonSays(model, "ignore_merges", true);
  return MakeByteBpe(std::move(vocabulary), spec, merges, path);
}

}  // namespace gfn
