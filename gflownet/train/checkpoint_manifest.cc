// manifest.json and how it is checked: {"checksum": XXH64 of the text of "manifest", "manifest": {...}}.
#include <nlohmann/json.hpp>

#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/train/checkpoint.h"
#include "gflownet/train/checkpoint_files.h"

namespace gfn {
namespace {

using Json = nlohmann::json;
constexpr int64_t kMaxManifestBytes = 64 << 20;

std::string ManifestPath(const std::string& checkpoint) { return JoinPath(checkpoint, kManifestName); }

// A file of the folder itself, never one outside of it.
bool IsInside(const std::string& name) {
  if (name.empty() || name.front() == '/') return false;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

Json ToJson(const CheckpointManifest& manifest) {
  Json files = Json::array();
  for (const CheckpointFile& file : manifest.files) {
    files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"xxh64", DigestToHex(file.digest)}});
  }
  Json best;  // null
  if (manifest.best.has_value()) best = {{"step", manifest.best->step}, {"score", manifest.best->score}};
  return {{"format", kCheckpointFormat},
          {"step", manifest.step},
          {"config", manifest.config},
          {"metrics_bytes", manifest.metrics_bytes},
          {"environment", manifest.environment},
          {"identity", manifest.identity},
          {"last_evaluation", manifest.last_evaluation},
          {"evaluations_without_gain", manifest.evaluations_without_gain},
          {"best", std::move(best)},
          {"files", std::move(files)}};
}

// Throws nlohmann's exceptions for missing keys and wrong types; the caller has checked the checksum, so they mean a
// file that was made by hand.
CheckpointManifest FromJson(const Json& json) {
  CheckpointManifest manifest;
  manifest.format = json.at("format").get<int64_t>();
  manifest.step = json.at("step").get<int64_t>();
  manifest.config = json.at("config").get<std::string>();
  manifest.metrics_bytes = json.at("metrics_bytes").get<int64_t>();
  manifest.environment = json.at("environment").get<std::map<std::string, std::string>>();
  if (manifest.format >= 2) manifest.identity = json.at("identity").get<std::map<std::string, std::string>>();
  manifest.last_evaluation = json.at("last_evaluation").get<int64_t>();
  manifest.evaluations_without_gain = json.at("evaluations_without_gain").get<int64_t>();
  if (const Json& best = json.at("best"); !best.is_null()) {
    manifest.best = BestScore{best.at("step").get<int64_t>(), best.at("score").get<double>()};
  }
  for (const Json& file : json.at("files")) {
    const StatusOr<uint64_t> digest = DigestFromHex(file.at("xxh64").get<std::string>());
    manifest.files.push_back({file.at("name").get<std::string>(), file.at("bytes").get<int64_t>(), digest.value_or(0)});
  }
  return manifest;
}

}  // namespace

Status WriteManifest(const std::string& checkpoint, const CheckpointManifest& manifest) {
  Json content = ToJson(manifest);
  ASSIGN_OR_RETURN(const std::string text, JsonToText(content));
  return WriteJsonFile(ManifestPath(checkpoint), {{"checksum", DigestToHex(HashText(text))}, {"manifest", std::move(content)}});
}

StatusOr<CheckpointManifest> ReadManifest(const std::string& checkpoint) {
  const std::string path = ManifestPath(checkpoint);
  ASSIGN_OR_RETURN(const Json json, ReadJsonFile(path, kMaxManifestBytes));
  if (!json.is_object() || !json.contains("manifest") || !json["manifest"].is_object() || !json.contains("checksum") ||
      !json["checksum"].is_string()) {
    return DataLoss(path + ": expected an object with \"manifest\" and \"checksum\"");
  }
  const Json& content = json["manifest"];
  // The format first: another one may have another checksum and other keys.
  const Json format = content.contains("format") ? content["format"] : Json("(none)");
  if (!format.is_number_integer() || format < kOldestCheckpointFormat || format > kCheckpointFormat) {
    return DataLoss(path + ": has format " + format.dump() + ", this program reads formats " +
                    std::to_string(kOldestCheckpointFormat) + " to " + std::to_string(kCheckpointFormat));
  }
  ASSIGN_OR_RETURN(const std::string text, JsonToText(content));
  if (DigestToHex(HashText(text)) != json["checksum"].get<std::string>()) {
    return DataLoss(path + ": its checksum is " + DigestToHex(HashText(text)) + ", but it says " +
                    json["checksum"].get<std::string>());
  }
  CheckpointManifest manifest;
  try {
    manifest = FromJson(content);
  } catch (const Json::exception& error) {
    return DataLoss(path + ": " + error.what());
  }
  bool valid = manifest.step >= 0 && manifest.metrics_bytes >= 0;
  for (const CheckpointFile& file : manifest.files) valid = valid && IsInside(file.name) && file.bytes >= 0;
  if (!valid) return DataLoss(path + ": a negative number, or a file outside of the checkpoint");
  return manifest;
}

}  // namespace gfn
