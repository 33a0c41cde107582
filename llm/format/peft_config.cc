#include "llm/format/peft_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "gflownet/base/json_util.h"
#include "llm/format/json_fields.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;

// Keys that ReadKnown reads, and keys that say nothing about the function that a stored adapter computes: who made it, how the
// matrices were first filled, how a run is to be organised.
constexpr std::array<std::string_view, 21> kReadOrHarmless = {"peft_type",
                                                              "task_type",
                                                              "r",
                                                              "lora_alpha",
                                                              "lora_dropout",
                                                              "use_rslora",
                                                              "target_modules",
                                                              "bias",
                                                              "fan_in_fan_out",
                                                              "rank_pattern",
                                                              "alpha_pattern",
                                                              "base_model_name_or_path",
                                                              "init_lora_weights",
                                                              "inference_mode",
                                                              "revision",
                                                              "auto_mapping",
                                                              "peft_version",
                                                              "runtime_config",
                                                              "megatron_core",
                                                              "qalora_group_size",
                                                              "eva_config"};

bool IsUnset(const json& value) {
  return value.is_null() || value == false || ((value.is_array() || value.is_object() || value.is_string()) && value.empty());
}

// Ways of filling A and B that also change the base weights, so that the adapter is right only on the changed base.
Status CheckInit(const JsonFields& fields) {
  const json* init = fields.Find("init_lora_weights");
  if (init == nullptr || init->is_boolean()) return OkStatus();
  if (init->is_string()) {
    for (const char* name : {"gaussian", "eva", "orthogonal"}) {
      if (*init == name) return OkStatus();
    }
  }
  return fields.Unsupported("init_lora_weights", "the adapter belongs to base weights that this initialisation has changed");
}

// PEFT matches pattern keys as regular expressions; supported are those that are plain module paths.
Status CheckPatternKey(const JsonFields& fields, const char* pattern, const std::string& key) {
  const bool plain =
      !key.empty() && std::ranges::all_of(key, [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.'; });
  return plain ? OkStatus() : fields.Unsupported(pattern, "regular expressions as keys ('" + key + "')");
}

template <class T, class IsValid>
Status ReadPattern(const JsonFields& fields, const char* key, IsValid is_valid, std::map<std::string, T>& out) {
  const json* pattern = fields.Find(key);
  if (pattern == nullptr) return OkStatus();
  if (!pattern->is_object()) return fields.Wrong(key, "an object");
  for (const auto& [module, value] : pattern->items()) {
    RETURN_IF_ERROR(CheckPatternKey(fields, key, module));
    if (!is_valid(value)) return fields.Wrong(key, "positive numbers as values");
    out[module] = value.template get<T>();
  }
  return OkStatus();
}

bool IsRank(const json& value) {
  constexpr int64_t kMaxRank = 1 << 20;
  return value.is_number_integer() && value > 0 && value <= kMaxRank;
}

bool IsAlpha(const json& value) { return value.is_number() && value > 0 && std::isfinite(value.get<double>()); }

// A list of names; a string ("all-linear" or a regular expression) leaves the list empty: the tensors say what was matched.
Status ReadTargets(const JsonFields& fields, std::vector<std::string>& out) {
  const json* targets = fields.Find("target_modules");
  if (targets == nullptr || targets->is_string()) return OkStatus();
  if (!targets->is_array()) return fields.Wrong("target_modules", "a list of names or a string");
  for (const json& target : *targets) {
    if (!target.is_string()) return fields.Wrong("target_modules", "a list of names or a string");
    out.push_back(target.get<std::string>());
  }
  std::ranges::sort(out);  // PEFT writes a set
  return OkStatus();
}

// PEFT takes the first match in the file's order, and it writes its keys sorted, as the map is.
template <class T>
T ByPattern(const std::map<std::string, T>& pattern, std::string_view module, T otherwise) {
  for (const auto& [key, value] : pattern) {
    if (module == key || module.ends_with("." + key)) return value;
  }
  return otherwise;
}

}  // namespace

int64_t PeftConfig::RankOf(std::string_view module) const { return ByPattern(rank_pattern, module, rank); }
double PeftConfig::AlphaOf(std::string_view module) const { return ByPattern(alpha_pattern, module, alpha); }
double PeftConfig::ScaleOf(std::string_view module) const {
  const double r = static_cast<double>(RankOf(module));
  return AlphaOf(module) / (use_rslora ? std::sqrt(r) : r);
}

StatusOr<PeftConfig> PeftConfigFromJson(std::string_view text, const std::string& where) {
  ASSIGN_OR_RETURN(const json parsed, ParseJson(text, where));
  ASSIGN_OR_RETURN(const JsonFields fields, JsonFields::Of(parsed, where));
  if (const json* type = fields.Find("peft_type"); type == nullptr || *type != "LORA") {
    return fields.Unsupported("peft_type", "only \"LORA\" is");
  }
  RETURN_IF_ERROR(fields.Only("task_type", "CAUSAL_LM"));
  RETURN_IF_ERROR(fields.Only("bias", "none"));
  RETURN_IF_ERROR(CheckInit(fields));
  for (const auto& [key, value] : parsed.items()) {
    if (std::ranges::find(kReadOrHarmless, key) == kReadOrHarmless.end() && !IsUnset(value)) {
      return fields.Unsupported(key, "only adapters without it are");
    }
  }
  PeftConfig config;
  if (const json* rank = fields.Find("r"); rank == nullptr || !IsRank(*rank)) return fields.Wrong("r", "a positive integer");
  ASSIGN_OR_RETURN(config.rank, fields.Int("r"));
  if (const json* alpha = fields.Find("lora_alpha"); alpha == nullptr || !IsAlpha(*alpha)) {
    return fields.Wrong("lora_alpha", "a positive number");
  }
  ASSIGN_OR_RETURN(config.alpha, fields.Real("lora_alpha"));
  ASSIGN_OR_RETURN(config.dropout, fields.RealOr("lora_dropout", 0.0));
  if (!(config.dropout >= 0 && config.dropout < 1)) return fields.Wrong("lora_dropout", "a number in [0, 1)");
  ASSIGN_OR_RETURN(config.use_rslora, fields.BoolOr("use_rslora", false));
  ASSIGN_OR_RETURN(config.fan_in_fan_out, fields.BoolOr("fan_in_fan_out", false));
  ASSIGN_OR_RETURN(config.base_model_name_or_path, fields.StringOr("base_model_name_or_path", ""));
  RETURN_IF_ERROR(ReadTargets(fields, config.target_modules));
  RETURN_IF_ERROR(ReadPattern(fields, "rank_pattern", IsRank, config.rank_pattern));
  RETURN_IF_ERROR(ReadPattern(fields, "alpha_pattern", IsAlpha, config.alpha_pattern));
  return config;
}

std::string PeftConfigToJson(const PeftConfig& config) {
  json out;
  out["peft_type"] = "LORA";
  out["task_type"] = "CAUSAL_LM";
  out["base_model_name_or_path"] = config.base_model_name_or_path;
  out["r"] = config.rank;
  // PEFT declares an integer; a whole number is written as one.
  const bool whole = config.alpha == std::floor(config.alpha) && config.alpha < 1e15;
  out["lora_alpha"] = whole ? json(static_cast<int64_t>(config.alpha)) : json(config.alpha);
  out["lora_dropout"] = config.dropout;
  out["use_rslora"] = config.use_rslora;
  out["target_modules"] = config.target_modules;
  out["fan_in_fan_out"] = config.fan_in_fan_out;
  out["rank_pattern"] = json(config.rank_pattern);
  out["alpha_pattern"] = json(config.alpha_pattern);
  out["bias"] = "none";
  out["modules_to_save"] = nullptr;
  out["use_dora"] = false;
  out["inference_mode"] = true;
  return out.dump(2, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace) + "\n";
}

}  // namespace gfn
