#define PCRE2_CODE_UNIT_WIDTH 8
#include "llm/format/peft_config.h"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>

#include "gflownet/base/json_util.h"
#include "llm/format/json_fields.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;

// Keys that ReadKnown reads, and keys that say nothing about the function that a stored adapter computes: who made it, which
// modules were chosen (the tensors say it), how the matrices were first filled, how a run is to be organised.
constexpr std::array<std::string_view, 25> kReadOrHarmless = {"peft_type",
                                                              "task_type",
                                                              "r",
                                                              "lora_alpha",
                                                              "lora_dropout",
                                                              "use_rslora",
                                                              "target_modules",
                                                              "exclude_modules",
                                                              "layers_to_transform",
                                                              "layers_pattern",
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
                                                              "eva_config",
                                                              "ensure_weight_tying"};

// What people set, and why another function comes of it.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kRefused = {{
    {"use_dora", "DoRA rescales the base weights; only plain LoRA is read. merge_and_unload makes a model of base and adapter"},
    {"modules_to_save",
     "whole modules trained beside the adapter are not read. merge_and_unload makes a model of base and adapter"},
    {"trainable_token_indices",
     "trained embeddings of single tokens are not read. merge_and_unload makes a model of base and adapter"},
    {"lora_bias", "biases of the factors are not read"},
    {"layer_replication", "the adapter is of a base with layers repeated"},
    {"target_parameters", "adapters of bare parameters are not read, only of linear modules"},
}};

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

template <class T, class IsValid>
Status ReadPattern(const JsonFields& fields, const nlohmann::ordered_json& ordered, const char* key, IsValid is_valid,
                   std::vector<std::pair<std::string, T>>& out) {
  if (!fields.Has(key)) return OkStatus();
  if (!fields.Find(key)->is_object()) return fields.Wrong(key, "an object");
  for (const auto& [module, value] : ordered[key].items()) {
    if (!is_valid(value)) return fields.Wrong(key, "positive numbers as values");
    if (const Status usable = PatternMatches(module, "").status(); !usable.ok())
      return Annotate(usable, fields.where() + ": key '" + key + "'");
    out.emplace_back(module, value.template get<T>());
  }
  return OkStatus();
}

template <class Json>
bool IsRank(const Json& value) {
  constexpr int64_t kMaxRank = 1 << 20;
  return value.is_number_integer() && value > 0 && value <= kMaxRank;
}

template <class Json>
bool IsAlpha(const Json& value) {
  return value.is_number() && value > 0 && std::isfinite(value.template get<double>());
}

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

// The first match in the file's order. Keys were tried when they were read, so that an error here is a module that is not
// matched.
template <class T>
T ByPattern(const std::vector<std::pair<std::string, T>>& pattern, std::string_view module, T otherwise) {
  for (const auto& [key, value] : pattern) {
    if (PatternMatches(key, module).value_or(false)) return value;
  }
  return otherwise;
}

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

}  // namespace

StatusOr<bool> PatternMatches(const std::string& key, std::string_view module) {
  const std::string pattern = "(.*\\.)?(" + key + ")$";
  const auto bytes = [](std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); };
  int error = 0;
  PCRE2_SIZE where = 0;
  const std::unique_ptr<pcre2_code, FreeCode> code(
      pcre2_compile(bytes(pattern), pattern.size(), PCRE2_ANCHORED | PCRE2_DOLLAR_ENDONLY, &error, &where, nullptr));
  if (code == nullptr) return InvalidArgument("'" + key + "' is no regular expression");
  const std::unique_ptr<pcre2_match_data, FreeMatch> data(pcre2_match_data_create_from_pattern(code.get(), nullptr));
  const std::unique_ptr<pcre2_match_context, FreeContext> context(pcre2_match_context_create(nullptr));
  if (data == nullptr || context == nullptr) return ResourceExhausted("no memory to match '" + key + "'");
  // Names of modules are short: what takes longer is a pattern made to take long.
  pcre2_set_match_limit(context.get(), 100'000);
  const int found = pcre2_match(code.get(), bytes(module), module.size(), 0, 0, data.get(), context.get());
  if (found < 0 && found != PCRE2_ERROR_NOMATCH)
    return InvalidArgument("'" + key + "' takes too long to match '" + std::string(module) + "'");
  return found >= 0;
}

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
  for (const auto& [key, why] : kRefused) {
    if (const json* value = fields.Find(key); value != nullptr && !IsUnset(*value)) return fields.Unsupported(key, why);
  }
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
  // A second time with its keys in the order of the file, which the first kind of object sorts.
  const auto ordered = nlohmann::ordered_json::parse(text);
  const auto is_rank = [](const auto& value) { return IsRank(value); };
  const auto is_alpha = [](const auto& value) { return IsAlpha(value); };
  RETURN_IF_ERROR(ReadPattern(fields, ordered, "rank_pattern", is_rank, config.rank_pattern));
  RETURN_IF_ERROR(ReadPattern(fields, ordered, "alpha_pattern", is_alpha, config.alpha_pattern));
  return config;
}

std::string PeftConfigToJson(const PeftConfig& config) {
  nlohmann::ordered_json out;
  out["peft_type"] = "LORA";
  out["task_type"] = "CAUSAL_LM";
  out["base_model_name_or_path"] = config.base_model_name_or_path;
  out["r"] = config.rank;
  // PEFT declares an integer; a whole number is written as one.
  const bool whole = config.alpha == std::floor(config.alpha) && config.alpha < 1e15;
  out["lora_alpha"] = config.alpha;
  if (whole) out["lora_alpha"] = static_cast<int64_t>(config.alpha);
  out["lora_dropout"] = config.dropout;
  out["use_rslora"] = config.use_rslora;
  out["target_modules"] = config.target_modules;
  out["fan_in_fan_out"] = config.fan_in_fan_out;
  out["rank_pattern"] = nlohmann::ordered_json::object();
  for (const auto& [key, rank] : config.rank_pattern) out["rank_pattern"][key] = rank;
  out["alpha_pattern"] = nlohmann::ordered_json::object();
  for (const auto& [key, alpha] : config.alpha_pattern) out["alpha_pattern"][key] = alpha;
  out["bias"] = "none";
  out["modules_to_save"] = nullptr;
  out["use_dora"] = false;
  out["inference_mode"] = true;
  return out.dump(2, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace) + "\n";
}

}  // namespace gfn
