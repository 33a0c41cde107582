#include <string>
#include <vector>

#include "gflownet/base/check.h"
#include "gflownet/base/json_util.h"
#include "llm/format/hf_config_parts.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;

json OrNull(const std::optional<int64_t>& value) { return value ? json(*value) : json(nullptr); }

// One id stands alone, as transformers writes it.
json IdsOrNull(const std::vector<int64_t>& ids) {
  if (ids.empty()) return nullptr;
  return ids.size() == 1 ? json(ids.front()) : json(ids);
}

void WriteLlama(const ModelConfig& c, json& out) {
  out["hidden_size"] = c.hidden_size;
  out["intermediate_size"] = c.intermediate_size;
  out["num_hidden_layers"] = c.num_layers;
  out["num_attention_heads"] = c.num_heads;
  out["num_key_value_heads"] = c.num_kv_heads;
  out["head_dim"] = c.head_dim;
  out["max_position_embeddings"] = c.max_positions;
  out["rms_norm_eps"] = c.norm_eps;
  out["hidden_act"] = "silu";
  // Both the old keys and the new one, for transformers before and since 5.
  out["rope_theta"] = c.rope_theta;
  out["rope_parameters"] = HfRopeParameters(c);
  if (c.rope_scaling.kind != RopeScalingKind::kNone) out["rope_scaling"] = out["rope_parameters"];
  if (c.model_type == "llama") {
    out["attention_bias"] = c.qkv_bias;
    out["mlp_bias"] = c.mlp_bias;
    return;
  }
  out["sliding_window"] = OrNull(c.sliding_window);
  if (c.model_type == "qwen2") {
    out["use_sliding_window"] = c.sliding_window.has_value();
    out["max_window_layers"] = c.sliding_window ? 0 : c.num_layers;
  }
}

void WriteGpt(const ModelConfig& c, json& out) {
  out["n_embd"] = c.hidden_size;
  out["n_inner"] = c.intermediate_size;
  out["n_layer"] = c.num_layers;
  out["n_head"] = c.num_heads;
  out["n_positions"] = c.max_positions;
  out["layer_norm_epsilon"] = c.norm_eps;
  out["activation_function"] = "gelu_new";
  if (c.architecture == Architecture::kGptJ) out["rotary_dim"] = c.rotary_dim;
}

json ClassesOf(const ModelConfig& config) {
  const char* name = HfClassOf(config.model_type);
  GFN_CHECK(name != nullptr) << config.model_type;
  return json::array({name});
}

}  // namespace

std::string ModelConfigToHfJson(const ModelConfig& config, std::string_view torch_dtype) {
  json out;
  out["architectures"] = ClassesOf(config);
  out["model_type"] = config.model_type;
  out["vocab_size"] = config.vocab_size;
  out["bos_token_id"] = OrNull(config.bos_id);
  out["eos_token_id"] = IdsOrNull(config.eos_ids);
  out["pad_token_id"] = OrNull(config.pad_id);
  out["tie_word_embeddings"] = config.tie_embeddings;
  out["torch_dtype"] = torch_dtype;
  if (config.architecture == Architecture::kLlama) {
    WriteLlama(config, out);
  } else {
    WriteGpt(config, out);
  }
  return out.dump(2) + "\n";
}

StatusOr<std::string> ModelConfigToHfJson(const ModelConfig& config, std::string_view torch_dtype, std::string_view base_text,
                                          std::string_view where) {
  ASSIGN_OR_RETURN(json out, ParseJson(base_text, where));
  out["architectures"] = ClassesOf(config);
  out["tie_word_embeddings"] = config.tie_embeddings;
  // Since transformers 5 the key is dtype.
  if (!out.contains("dtype") || out.contains("torch_dtype")) out["torch_dtype"] = torch_dtype;
  if (out.contains("dtype")) out["dtype"] = torch_dtype;
  // Code of the base's own folder, which would be asked for; what we computed is transformers' class.
  out.erase("auto_map");
  return out.dump(2) + "\n";
}

}  // namespace gfn
