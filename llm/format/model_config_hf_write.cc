#include <cmath>
#include <string>
#include <vector>

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

// Which layers have a window, and which are rotated how. A window that some layers have is one of all of them to us.
void WriteLayers(const ModelConfig& c, json& out) {
  const Family& family = c.family();
  const auto list = [&](const auto& of_layer) {
    json values = json::array();
    for (int64_t l = 0; l < c.num_layers; ++l) values.push_back(of_layer(c.RopeOf(l)));
    return values;
  };
  const bool windowed = c.sliding_window.has_value();
  if (family.layer_ropes == LayerRopes::kSomeNone) {
    out["no_rope_layers"] = list([](LayerRope rope) { return rope == LayerRope::kNone ? 0 : 1; });
  }
  if (family.window != WindowRule::kNone) out["sliding_window"] = OrNull(c.sliding_window);
  if (family.window == WindowRule::kUse || family.window == WindowRule::kUseNope) out["use_sliding_window"] = windowed;
  if (family.window == WindowRule::kUse) out["max_window_layers"] = windowed ? 0 : c.num_layers;
  if (family.window == WindowRule::kTypes) {
    out["layer_types"] = list([](LayerRope rope) { return rope == LayerRope::kLocal ? "sliding_attention" : "full_attention"; });
  }
  if (family.window == WindowRule::kUseNope && windowed) out["layer_types"] = list([](LayerRope) { return "sliding_attention"; });
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
  const Family& family = c.family();
  out[family.activation_key] = family.activation == Activation::kSilu ? "silu" : "gelu_pytorch_tanh";
  // Both the old keys and the new one, for transformers before and since 5.
  out["rope_theta"] = c.rope_theta;
  out["rope_parameters"] = HfRopeParameters(c);
  const bool has_kinds = family.layer_ropes == LayerRopes::kLocal;
  if (has_kinds) out["rope_local_base_freq"] = c.local_rope_theta;
  if (c.rope_scaling.kind != RopeScalingKind::kNone) {
    out["rope_scaling"] = has_kinds ? out["rope_parameters"]["full_attention"] : out["rope_parameters"];
  }
  if (family.default_original_positions > 0) out["original_max_position_embeddings"] = c.max_positions;
  if (family.partial_rotary) {
    out["partial_rotary_factor"] = static_cast<double>(c.rotary_dim) / static_cast<double>(c.head_dim);
  }
  if (c.query_scalar) {  // transformers declares an integer
    const bool whole = *c.query_scalar == std::floor(*c.query_scalar) && *c.query_scalar < 1e15;
    out["query_pre_attn_scalar"] = whole ? json(static_cast<int64_t>(*c.query_scalar)) : json(*c.query_scalar);
  }
  if (family.bias.attention_key) out["attention_bias"] = c.qkv_bias;
  if (family.bias.mlp_key) out["mlp_bias"] = c.mlp_bias;
  WriteLayers(c, out);
}

void WriteGpt(const ModelConfig& c, json& out) {
  out["n_embd"] = c.hidden_size;
  out["n_inner"] = c.intermediate_size;
  out["n_layer"] = c.num_layers;
  out["n_head"] = c.num_heads;
  out["n_positions"] = c.max_positions;
  out["layer_norm_epsilon"] = c.norm_eps;
  out["activation_function"] = "gelu_new";
  if (c.family().rotates) out["rotary_dim"] = c.rotary_dim;
}

json ClassesOf(const ModelConfig& config) { return json::array({config.family().hf_class}); }

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
  if (config.family().naming->root == "model.") {
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
