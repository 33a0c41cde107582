#include <algorithm>
#include <unordered_map>
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

StatusOr<std::vector<HfAddedToken>> ReadAddedTokens(const json& root, const std::string& path) {
  std::vector<HfAddedToken> added;
  const auto list = root.find("added_tokens");
  if (list == root.end() || list->is_null()) return added;
  if (!list->is_array()) return DataLoss(path + ": added_tokens is no list");
  for (const json& item : *list) {
    const std::string where = path + ": added_tokens " + std::to_string(added.size());
    ASSIGN_OR_RETURN(Token token, ReadAddedToken(item, where));
    if (!item.contains("normalized")) token.normalized = false;
    if (!item.contains("id") || !item["id"].is_number_integer())
      return DataLoss(where + ": expected an object with id and content");
    // A name of the model's vocabulary keeps its id there, whatever the list says.
    const json& vocab = root["model"]["vocab"];
    const auto known = vocab.find(token.text);
    const json& id = known != vocab.end() && known->is_number_integer() ? *known : item["id"];
    added.push_back({id.get<int64_t>(), std::move(token)});
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
  ASSIGN_OR_RETURN(const std::vector<HfAddedToken> added, ReadAddedTokens(root, path));
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
  for (const HfAddedToken& token : added) {
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

// The tokens that tokenizer_config.json and its like add to those of tokenizer.json.
Status AddFolder(const HfFolder& folder, const json& root, std::span<const std::pair<std::string, std::string>> merges,
                 const std::string& path, Vocabulary* vocabulary) {
  const json& vocab = root["model"]["vocab"];
  std::unordered_map<std::string, int32_t> added;
  for (size_t id = 0; id < vocabulary->tokens.size(); ++id) {
    const Token& token = vocabulary->tokens[id];
    if (token.kind == TokenKind::kControl || token.kind == TokenKind::kUserDefined) added.emplace(token.text, id);
  }
  HfVocabulary known;
  known.by_name = true;
  known.path = path;
  known.id_of = [&](const std::string& name) {
    if (const auto found = added.find(name); found != added.end()) return found->second;
    const auto found = vocab.find(name);
    return found == vocab.end() ? -1 : found->get<int32_t>();
  };
  known.is_made = [&](int32_t id) {
    if (vocabulary->tokens[id].text.size() == 1) return true;
    return std::ranges::any_of(merges, [&](const auto& merge) {
      const auto made = vocab.find(merge.first + merge.second);
      return made != vocab.end() && *made == id;
    });
  };
  return AddTokensOfFolder(folder, known, vocabulary);
}

Status SetTemplate(const json& root, const HfFolder& folder, const std::string& path, Vocabulary* vocabulary) {
  ASSIGN_OR_RETURN(HfTemplate found, ReadHfTemplate(root, path));
  if (folder.tokenizer_class == "GPTNeoXTokenizer") found = {};
  for (const std::vector<int32_t>* ids : {&found.leading, &found.trailing}) {
    for (const int32_t id : *ids) {
      RETURN_IF_ERROR(CheckedTokenId(id, *vocabulary, path + ": an id of the post_processor").status());
    }
  }
  vocabulary->leading = std::move(found.leading);
  vocabulary->trailing = std::move(found.trailing);
  return OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> LoadHfTokenizer(const json& root, const std::string& path) {
  const json& model = root["model"];
  RETURN_IF_ERROR(CheckModel(model, path));
  ASSIGN_OR_RETURN(const HfFolder folder, ReadHfFolder(ParentFolder(path)));
  ASSIGN_OR_RETURN(auto pipeline, ReadHfPipeline(root, folder, path));
  ASSIGN_OR_RETURN(const auto merges, ReadMerges(model["merges"], path));
  HfSpmPipeline* const spm = std::get_if<HfSpmPipeline>(&pipeline.model);
  const std::string unknown =
      model.contains("unk_token") && model["unk_token"].is_string() ? model["unk_token"].get<std::string>() : "";
  const SpmKinds kinds{JsonSays(model, "byte_fallback", true), unknown};
  ASSIGN_OR_RETURN(Vocabulary vocabulary, ReadVocabulary(root, spm != nullptr ? &kinds : nullptr, path));
  RETURN_IF_ERROR(AddFolder(folder, root, merges, path, &vocabulary));
  RETURN_IF_ERROR(SetEnds(folder, &vocabulary));
  RETURN_IF_ERROR(SetTemplate(root, folder, path, &vocabulary));
  vocabulary.normalizes = pipeline.normalizes;
  if (spm != nullptr) {
    if (JsonSays(model, "ignore_merges", true)) return Unimplemented(path + ": model.ignore_merges without ByteLevel");
    vocabulary.drops_first_space = spm->drops_first_space;
    spm->spec.fuses_unknown = JsonSays(model, "fuse_unk", true);
    return MakeSpmBpeByMerges(std::move(vocabulary), spm->spec, merges, path);
  }
  ByteBpeSpec spec = std::get<ByteBpeSpec>(pipeline.model);
  spec.ignores_merges = JsonSays(model, "ignore_merges", true);
  vocabulary.drops_first_space = spec.adds_prefix_space;
  return MakeByteBpe(std::move(vocabulary), spec, merges, path);
}

}  // namespace gfn
