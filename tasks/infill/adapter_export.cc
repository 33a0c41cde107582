// The trained sampler as a PEFT folder, with what a sampler is beyond its weights in gfn_sampler.json.
#include <nlohmann/json.hpp>

#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "tasks/infill/infill_parts.h"

namespace gfn {
namespace {

constexpr char kSamplerFile[] = "gfn_sampler.json";

// The runs [begin, end) of ids that are marked.
nlohmann::json RunsOf(const std::vector<bool>& marked) {
  nlohmann::json runs = nlohmann::json::array();
  for (size_t id = 0; id < marked.size();) {
    size_t end = id;
    while (end < marked.size() && marked[end]) ++end;
    if (end > id) runs.push_back({id, end});
    id = end + 1;
  }
  return runs;
}

}  // namespace

Status ExportAdapter(const InfillParts& parts, const std::string& folder) {
  const PeftAdapter peft = ToPeft(*parts.model, parts.adapter, *parts.settings.lora, parts.settings.model->path);
  RETURN_IF_ERROR(WritePeft(folder, peft));
  ASSIGN_OR_RETURN(const uint64_t weight_hash, parts.source->weight_hash());
  const SequenceSupport& support = parts.environment->support();
  const nlohmann::json sampler = {
      {"format", 1},
      {"task", "infill"},
      {"prompt", parts.task.prompt},
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

Status ImportAdapter(InfillParts& parts, const std::string& folder) {
  if (const std::string path = JoinPath(folder, kSamplerFile); FileExists(path)) {
    ASSIGN_OR_RETURN(const nlohmann::json sampler, ReadJsonFile(path));
    ASSIGN_OR_RETURN(const uint64_t weight_hash, parts.source->weight_hash());
    const auto check = [&](const char* key, const std::string& here) -> Status {
      if (!sampler.contains(key) || !sampler[key].is_string()) return DataLoss(path + ": no '" + key + "'");
      if (sampler[key].get<std::string>() == here) return OkStatus();
      return FailedPrecondition(path + ": the adapter was trained on another base: " + key + " is " +
                                sampler[key].get<std::string>() + " there and " + here + " here");
    };
    RETURN_IF_ERROR(check("base_weight_hash", DigestToHex(weight_hash)));
    RETURN_IF_ERROR(check("tokenizer_digest", DigestToHex(parts.tokenizer->digest())));
  }
  ASSIGN_OR_RETURN(const PeftAdapter peft, ReadPeft(folder));
  ParameterSet fresh;
  ASSIGN_OR_RETURN(Adapter adapter, FromPeft(*parts.model, peft, fresh));
  parts.parameters = std::move(fresh);
  parts.adapter = std::move(adapter);
  parts.parameters.RaiseVersion();
  return OkStatus();
}

}  // namespace gfn
