#include "tasks/text/sampler_file.h"

#include <nlohmann/json.hpp>

#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "llm/format/json_fields.h"

namespace gfn {
namespace {

using nlohmann::json;

constexpr char kSamplerFile[] = "gfn_sampler.json";

// The runs [begin, end) of ids that are marked.
json RunsOf(const std::vector<bool>& marked) {
  json runs = json::array();
  for (size_t id = 0; id < marked.size();) {
    size_t end = id;
    while (end < marked.size() && marked[end]) ++end;
    if (end > id) runs.push_back({id, end});
    id = end + 1;
  }
  return runs;
}

// Marks them again; grows with the ids, up to what a vocabulary can have.
StatusOr<std::vector<bool>> MarkedOf(const JsonFields& fields, const char* key) {
  constexpr int64_t kMostIds = 1 << 24;
  std::vector<bool> marked;
  const json* runs = fields.Find(key);
  if (runs == nullptr || !runs->is_array()) return fields.Wrong(key, "a list of [begin, end) ranges of ids");
  for (const json& run : *runs) {
    const bool fits = run.is_array() && run.size() == 2 && run[0].is_number_unsigned() && run[1].is_number_unsigned() &&
                      run[0] < run[1] && run[1] <= kMostIds;
    if (!fits) return fields.Wrong(key, "a list of [begin, end) ranges of ids");
    const size_t begin = run[0].get<size_t>(), end = run[1].get<size_t>();
    if (marked.size() < end) marked.resize(end, false);
    std::fill(marked.begin() + static_cast<int64_t>(begin), marked.begin() + static_cast<int64_t>(end), true);
  }
  return marked;
}

StatusOr<std::vector<std::string>> TextsOf(const JsonFields& fields, const char* key) {
  std::vector<std::string> texts;
  const json* list = fields.Find(key);
  if (list == nullptr || !list->is_array()) return fields.Wrong(key, "a list of texts");
  for (const json& text : *list) {
    if (!text.is_string()) return fields.Wrong(key, "a list of texts");
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

StatusOr<TextFields> FieldsOf(const json& object, const std::string& where) {
  ASSIGN_OR_RETURN(const JsonFields fields, JsonFields::Of(object, where));
  TextFields out;
  ASSIGN_OR_RETURN(out.id, fields.String("id"));
  ASSIGN_OR_RETURN(out.x, TextsOf(fields, "x"));
  ASSIGN_OR_RETURN(out.y, TextsOf(fields, "y"));
  ASSIGN_OR_RETURN(out.z, TextsOf(fields, "z"));
  return out;
}

}  // namespace

Status WriteSamplerFile(const TextParts& parts, const std::string& folder) {
  ASSIGN_OR_RETURN(const uint64_t weight_hash, parts.source->weight_hash());
  const SequenceSupport& support = parts.environment->support();
  const TextFields& fields = parts.config().data.fields;
  const json sampler = {
      {"format", 1},
      {"task", std::string(parts.kind->name())},
      {"prompt", parts.config().prompt},
      {"fields", {{"id", fields.id}, {"x", fields.x}, {"y", fields.y}, {"z", fields.z}}},
      {"stop_ids", support.stop_ids},
      {"legal_id_ranges", RunsOf(support.legal)},
      {"illegal_last_id_ranges", RunsOf(support.illegal_last)},
      {"min_len", support.min_len},
      {"max_len", support.max_len},
      {"reward_temperature", parts.settings.train.trainer.reward_temperature.end},
      {"base_weight_hash", DigestToHex(weight_hash)},
      {"base_stored_type", parts.source->stored_type()},
      {"base_dtype", std::string(EnumName(parts.settings.model->dtype))},
      {"tokenizer_digest", DigestToHex(parts.tokenizer->digest())},
  };
  return WriteJsonFile(JoinPath(folder, kSamplerFile), sampler);
}

StatusOr<std::optional<SamplerFile>> ReadSamplerFile(const std::string& folder) {
  SamplerFile file;
  file.path = JoinPath(folder, kSamplerFile);
  if (!FileExists(file.path)) return std::optional<SamplerFile>();
  ASSIGN_OR_RETURN(const json object, ReadJsonFile(file.path));
  ASSIGN_OR_RETURN(const JsonFields fields, JsonFields::Of(object, file.path));
  RETURN_IF_ERROR(fields.Only("format", 1));
  ASSIGN_OR_RETURN(file.task, fields.String("task"));
  ASSIGN_OR_RETURN(file.prompt, fields.String("prompt"));
  ASSIGN_OR_RETURN(file.support.legal, MarkedOf(fields, "legal_id_ranges"));
  ASSIGN_OR_RETURN(file.support.illegal_last, MarkedOf(fields, "illegal_last_id_ranges"));
  const json* stops = fields.Find("stop_ids");
  if (stops == nullptr || !stops->is_array()) return fields.Wrong("stop_ids", "a list of ids");
  for (const json& stop : *stops) {
    if (!stop.is_number_unsigned() || stop > (1 << 24)) return fields.Wrong("stop_ids", "a list of ids");
    file.support.stop_ids.push_back(stop.get<int64_t>());
  }
  ASSIGN_OR_RETURN(file.support.min_len, fields.Int("min_len"));
  ASSIGN_OR_RETURN(file.support.max_len, fields.Int("max_len"));
  constexpr int64_t kLongest = 1 << 20;
  if (file.support.min_len < 0) return fields.Wrong("min_len", "a number from 0 on");
  if (file.support.max_len < file.support.min_len || file.support.max_len > kLongest)
    return fields.Wrong("max_len", "a number from min_len to " + std::to_string(kLongest));
  ASSIGN_OR_RETURN(file.base_weight_hash, fields.String("base_weight_hash"));
  ASSIGN_OR_RETURN(file.tokenizer_digest, fields.String("tokenizer_digest"));
  ASSIGN_OR_RETURN(const std::string dtype, fields.String("base_dtype"));
  const auto parsed = ParseEnum<ModelDtype>(dtype);
  if (!parsed.ok()) return Annotate(parsed.status(), file.path + ": base_dtype");
  file.dtype = *parsed;
  if (const json* names = fields.Find("fields"); names != nullptr) {
    ASSIGN_OR_RETURN(file.fields, FieldsOf(*names, file.path + ": fields"));
  }
  return std::optional<SamplerFile>(std::move(file));
}

StatusOr<SequenceSupport> SupportFor(const SamplerFile& file, int64_t vocab_size) {
  SequenceSupport support = file.support;
  const size_t size = static_cast<size_t>(vocab_size);
  if (support.legal.size() > size || support.illegal_last.size() > size) {
    return DataLoss(file.path + ": names ids up to " +
                    std::to_string(std::max(support.legal.size(), support.illegal_last.size()) - 1) + ", and the model has " +
                    std::to_string(vocab_size));
  }
  support.vocab_size = vocab_size;
  support.legal.resize(size, false);
  if (!support.illegal_last.empty()) support.illegal_last.resize(size, false);
  return support;
}

Status CheckBase(const SamplerFile& file, const WeightSource& source, const Tokenizer& tokenizer) {
  ASSIGN_OR_RETURN(const uint64_t weight_hash, source.weight_hash());
  const auto check = [&](const char* key, const std::string& there, const std::string& here) -> Status {
    if (there == here) return OkStatus();
    return FailedPrecondition(file.path + ": the adapter was trained on another base: " + key + " is " + there + " there and " +
                              here + " here");
  };
  RETURN_IF_ERROR(check("base_weight_hash", file.base_weight_hash, DigestToHex(weight_hash)));
  return check("tokenizer_digest", file.tokenizer_digest, DigestToHex(tokenizer.digest()));
}

}  // namespace gfn
