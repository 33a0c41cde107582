#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "gflownet/base/json_util.h"
#include "gflownet/base/text_util.h"
#include "llm/format/hf_config_parts.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;

// An id, null, or a list of ids.
StatusOr<std::vector<int64_t>> ReadTokenIds(const JsonFields& fields, std::string_view key) {
  std::vector<int64_t> ids;
  const json* value = fields.Find(key);
  if (value == nullptr) return ids;
  for (const json& id : value->is_array() ? *value : json::array({*value})) {
    if (!id.is_number_integer()) return fields.Wrong(key, "a token id or a list of them");
    ids.push_back(id.get<int64_t>());
  }
  return ids;
}

// The first of them counts.
Status ReadTokenId(const JsonFields& fields, std::string_view key, std::optional<int64_t>& id) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> ids, ReadTokenIds(fields, key));
  if (!ids.empty()) id = ids.front();
  return OkStatus();
}

// Every layer computes what we know: attention to all positions before, or within the model's window. nullopt: not stated.
StatusOr<std::optional<std::vector<bool>>> ReadLayerTypes(const JsonFields& fields, const ModelConfig& config) {
  const json* types = fields.Find("layer_types");
  if (types == nullptr) return std::optional<std::vector<bool>>();
  if (!types->is_array()) return fields.Wrong("layer_types", "a list of full_attention and sliding_attention");
  std::vector<bool> windowed;
  for (const json& type : *types) {
    if (type != "full_attention" && type != "sliding_attention") {
      return fields.Unsupported("layer_types", "only full_attention and sliding_attention are");
    }
    windowed.push_back(type == "sliding_attention");
  }
  if (config.family().window == WindowRule::kTypes && static_cast<int64_t>(windowed.size()) != config.num_layers) {
    return fields.Wrong("layer_types", "a list of " + std::to_string(config.num_layers));
  }
  return std::optional(windowed);
}

// Which layers are windowed where the config does not list them.
StatusOr<std::vector<bool>> WindowedByRule(const JsonFields& fields, const ModelConfig& config) {
  std::vector<bool> windowed(static_cast<size_t>(config.num_layers), true);
  int64_t l = 0;
  switch (config.family().window) {
    case WindowRule::kNone:
      windowed.assign(windowed.size(), false);
      break;
    case WindowRule::kAll:
      break;
    case WindowRule::kUse: {
      constexpr int64_t kWindowLayers = 28;  // transformers' default
      ASSIGN_OR_RETURN(const int64_t full_layers, fields.IntOr("max_window_layers", kWindowLayers));
      for (auto layer : windowed) layer = l++ >= full_layers;
      break;
    }
    case WindowRule::kUseNope:
      for (auto layer : windowed) layer = config.RopeOf(l++) == LayerRope::kNone;
      break;
    case WindowRule::kTypes: {
      // Before transformers 5 the pattern was this number.
      ASSIGN_OR_RETURN(const int64_t pattern, fields.IntOr("sliding_window_pattern", 6));
      if (pattern < 1) return fields.Wrong("sliding_window_pattern", "a positive number");
      for (auto layer : windowed) layer = ++l % pattern != 0;
      break;
    }
  }
  return windowed;
}

Status ReadSlidingWindow(const JsonFields& fields, ModelConfig& config) {
  const Family& family = config.family();
  ASSIGN_OR_RETURN(const std::optional<std::vector<bool>> stated, ReadLayerTypes(fields, config));
  ASSIGN_OR_RETURN(const std::vector<bool> by_rule, WindowedByRule(fields, config));
  const std::vector<bool>& windowed = stated ? *stated : by_rule;
  // A class whose window is every layer's does not know the list.
  const bool any = family.window == WindowRule::kAll || std::ranges::find(windowed, true) != windowed.end();
  if (family.layer_ropes == LayerRopes::kLocal) {
    for (const bool layer : windowed) config.layer_ropes.push_back(layer ? LayerRope::kLocal : LayerRope::kGlobal);
  }
  if (family.window == WindowRule::kNone) {
    // The class has no windows and ignores the key; a layer that asks for one is another model.
    if (any) return fields.Unsupported("layer_types", config.model_type + " models have full_attention only");
    return OkStatus();
  }
  if (family.window == WindowRule::kUse || family.window == WindowRule::kUseNope) {
    ASSIGN_OR_RETURN(const bool used, fields.BoolOr("use_sliding_window", false));
    if (!used && stated && any) {
      return fields.Unsupported("layer_types", "sliding_attention without use_sliding_window is no window at all");
    }
    if (!used) return OkStatus();
  }
  if (!any) return OkStatus();
  if (!fields.object().contains("sliding_window")) {
    if (family.default_window > 0) config.sliding_window = family.default_window;
  } else if (fields.Has("sliding_window")) {
    ASSIGN_OR_RETURN(config.sliding_window, fields.Int("sliding_window"));
  }
  return OkStatus();
}

// A 1 for each layer that is rotated, or each layer but every so many.
Status ReadRotatedLayers(const JsonFields& fields, ModelConfig& config) {
  if (config.family().layer_ropes != LayerRopes::kSomeNone) return OkStatus();
  ASSIGN_OR_RETURN(const int64_t interval, fields.IntOr("no_rope_layer_interval", 4));
  const json* list = fields.Find("no_rope_layers");
  if (list == nullptr && interval < 1) return fields.Wrong("no_rope_layer_interval", "a positive number");
  if (list != nullptr && (!list->is_array() || static_cast<int64_t>(list->size()) < config.num_layers)) {
    return fields.Wrong("no_rope_layers", "a list of at least " + std::to_string(config.num_layers));
  }
  for (int64_t l = 0; l < config.num_layers; ++l) {
    if (list != nullptr && (*list)[static_cast<size_t>(l)] != 0 && (*list)[static_cast<size_t>(l)] != 1) {
      return fields.Wrong("no_rope_layers", "a list of 1 (rotated) and 0");
    }
    const bool rotated = list != nullptr ? (*list)[static_cast<size_t>(l)] == 1 : (l + 1) % interval != 0;
    config.layer_ropes.push_back(rotated ? LayerRope::kGlobal : LayerRope::kNone);
  }
  return OkStatus();
}

Status ReadBiases(const JsonFields& fields, ModelConfig& config) {
  const BiasRule& rule = config.family().bias;
  config.qkv_bias = rule.qkv;
  config.attention_out_bias = rule.attention_out;
  config.mlp_bias = rule.mlp;
  if (rule.attention_key) {
    ASSIGN_OR_RETURN(config.qkv_bias, fields.BoolOr("attention_bias", false));
    config.attention_out_bias = config.qkv_bias;
  } else if (!rule.qkv) {  // who has its biases by its type ignores the key
    RETURN_IF_ERROR(fields.Only("attention_bias", false));
  }
  if (!rule.mlp_key) return rule.mlp ? OkStatus() : fields.Only("mlp_bias", false);
  ASSIGN_OR_RETURN(config.mlp_bias, fields.BoolOr("mlp_bias", false));
  return OkStatus();
}

Status CheckActivation(const JsonFields& fields, const Family& family) {
  // Each has several names; "gelu_fast" differs from the others in rounding only.
  const std::vector<std::string> names = family.activation == Activation::kSilu
                                             ? std::vector<std::string>{"silu", "swish"}
                                             : std::vector<std::string>{"gelu_new", "gelu_pytorch_tanh", "gelu_fast"};
  ASSIGN_OR_RETURN(const std::string found, fields.StringOr(family.activation_key, names[0]));
  if (std::ranges::find(names, found) != names.end()) return OkStatus();
  return fields.Unsupported(family.activation_key, "only \"" + names[0] + "\" is, also called " +
                                                       Join(std::vector<std::string>(names.begin() + 1, names.end()), ", "));
}

Status ReadLlama(const JsonFields& fields, ModelConfig& config) {
  const Family& family = config.family();
  ASSIGN_OR_RETURN(config.hidden_size, fields.Int("hidden_size"));
  ASSIGN_OR_RETURN(config.intermediate_size, fields.Int("intermediate_size"));
  ASSIGN_OR_RETURN(config.num_layers, fields.Int("num_hidden_layers"));
  ASSIGN_OR_RETURN(config.num_heads, fields.Int("num_attention_heads"));
  if (config.num_heads < 1) return fields.Wrong("num_attention_heads", "a positive number");
  // Llama models from before grouped-query attention have no such key; in the other families it is always written.
  if (config.model_type != "llama" && !fields.object().contains("num_key_value_heads")) {
    return fields.Wrong("num_key_value_heads", "an integer");
  }
  ASSIGN_OR_RETURN(config.num_kv_heads, fields.IntOr("num_key_value_heads", config.num_heads));
  if (!fields.Has("head_dim") && family.default_head_dim == 0 && config.hidden_size % config.num_heads != 0) {
    return fields.Wrong("hidden_size", "a multiple of num_attention_heads where there is no head_dim");
  }
  ASSIGN_OR_RETURN(
      config.head_dim,
      fields.IntOr("head_dim", family.default_head_dim > 0 ? family.default_head_dim : config.hidden_size / config.num_heads));
  ASSIGN_OR_RETURN(config.max_positions, fields.Int("max_position_embeddings"));
  ASSIGN_OR_RETURN(config.norm_eps, fields.Real("rms_norm_eps"));
  ASSIGN_OR_RETURN(config.tie_embeddings, fields.BoolOr("tie_word_embeddings", family.ties_by_default));
  if (config.num_layers < 1 || config.num_layers > kMaxLayers) {
    return fields.Wrong("num_hidden_layers", "the number of layers, 1 to " + std::to_string(kMaxLayers));
  }
  RETURN_IF_ERROR(ReadRotatedLayers(fields, config));
  RETURN_IF_ERROR(ReadSlidingWindow(fields, config));
  RETURN_IF_ERROR(ReadHfRope(fields, config));
  if (family.default_query_scalar > 0) {
    ASSIGN_OR_RETURN(config.query_scalar, fields.RealOr("query_pre_attn_scalar", family.default_query_scalar));
  }
  RETURN_IF_ERROR(CheckActivation(fields, family));
  return ReadBiases(fields, config);
}

// What gpt2 and gptj have in common.
Status ReadGpt(const JsonFields& fields, ModelConfig& config) {
  ASSIGN_OR_RETURN(config.hidden_size, fields.Int("n_embd"));
  ASSIGN_OR_RETURN(config.num_layers, fields.Int("n_layer"));
  ASSIGN_OR_RETURN(config.num_heads, fields.Int("n_head"));
  ASSIGN_OR_RETURN(config.max_positions, fields.Int("n_positions"));
  ASSIGN_OR_RETURN(config.norm_eps, fields.RealOr("layer_norm_epsilon", 1e-5));
  if (config.hidden_size < 1 || config.hidden_size > (int64_t{1} << 32)) return fields.Wrong("n_embd", "a positive number");
  ASSIGN_OR_RETURN(config.intermediate_size, fields.IntOr("n_inner", 4 * config.hidden_size));
  if (config.num_heads < 1 || config.hidden_size % config.num_heads != 0) return fields.Wrong("n_head", "a divisor of n_embd");
  config.num_kv_heads = config.num_heads;
  config.head_dim = config.hidden_size / config.num_heads;
  ASSIGN_OR_RETURN(config.tie_embeddings, fields.BoolOr("tie_word_embeddings", config.family().ties_by_default));
  RETURN_IF_ERROR(ReadBiases(fields, config));
  return CheckActivation(fields, config.family());
}

Status ReadGpt2(const JsonFields& fields, ModelConfig& config) {
  RETURN_IF_ERROR(fields.Only("scale_attn_weights", true));
  RETURN_IF_ERROR(fields.Only("scale_attn_by_inverse_layer_idx", false));
  return ReadGpt(fields, config);
}

Status ReadGptJ(const JsonFields& fields, ModelConfig& config) {
  ASSIGN_OR_RETURN(config.rotary_dim, fields.Int("rotary_dim"));
  return ReadGpt(fields, config);
}

}  // namespace

StatusOr<ModelConfig> ModelConfigFromHfJson(std::string_view text, std::string_view where) {
  ASSIGN_OR_RETURN(const json parsed, ParseJson(text, where));
  ASSIGN_OR_RETURN(const JsonFields fields, JsonFields::Of(parsed, std::string(where)));
  ModelConfig config;
  ASSIGN_OR_RETURN(config.model_type, fields.String("model_type"));
  RETURN_IF_ERROR(RefuseOtherForms(fields));
  const Family* family = FindFamily(config.model_type);
  if (family == nullptr) {
    std::vector<std::string> known;
    for (const Family& f : Families()) known.emplace_back(f.model_type);
    return fields.Unsupported("model_type", "supported are " + Join(known, ", "));
  }
  RETURN_IF_ERROR(RefuseForeignKeys(fields, *family));
  ASSIGN_OR_RETURN(config.vocab_size, fields.Int("vocab_size"));
  RETURN_IF_ERROR(ReadTokenId(fields, "bos_token_id", config.bos_id));
  RETURN_IF_ERROR(ReadTokenId(fields, "pad_token_id", config.pad_id));
  ASSIGN_OR_RETURN(config.eos_ids, ReadTokenIds(fields, "eos_token_id"));
  const bool is_gpt2 = config.model_type == "gpt2";
  RETURN_IF_ERROR(is_gpt2 || config.model_type == "gptj" ? (is_gpt2 ? ReadGpt2 : ReadGptJ)(fields, config)
                                                         : ReadLlama(fields, config));
  RETURN_IF_ERROR(Validate(config, where));
  return config;
}

}  // namespace gfn
