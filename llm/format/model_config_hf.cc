#include <algorithm>
#include <array>
#include <string>

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

// Whether a layer of qwen2 has windowed attention: layer_types says so, or else the layers from max_window_layers on have it.
StatusOr<bool> AnyLayerIsWindowed(const JsonFields& fields, const ModelConfig& config) {
  if (const json* types = fields.Find("layer_types")) {
    return std::find(types->begin(), types->end(), "sliding_attention") != types->end();
  }
  constexpr int64_t kQwen2WindowLayers = 28;  // transformers' default
  ASSIGN_OR_RETURN(const int64_t full_layers, fields.IntOr("max_window_layers", kQwen2WindowLayers));
  return full_layers < config.num_layers;
}

// Every layer computes what we know: attention to all positions before, or within the model's window.
Status CheckLayerTypes(const JsonFields& fields) {
  const json* types = fields.Find("layer_types");
  if (types == nullptr) return OkStatus();
  if (!types->is_array()) return fields.Wrong("layer_types", "a list of full_attention and sliding_attention");
  for (const json& type : *types) {
    if (type == "full_attention" || type == "sliding_attention") continue;
    return fields.Unsupported("layer_types", "only full_attention and sliding_attention are");
  }
  return OkStatus();
}

Status ReadSlidingWindow(const JsonFields& fields, ModelConfig& config) {
  constexpr int64_t kDefaultWindow = 4096;  // transformers' where the key is missing altogether; null means none
  RETURN_IF_ERROR(CheckLayerTypes(fields));
  ASSIGN_OR_RETURN(const bool windowed, AnyLayerIsWindowed(fields, config));
  if (config.model_type == "qwen2") {
    ASSIGN_OR_RETURN(const bool used, fields.BoolOr("use_sliding_window", false));
    if (!used && fields.Has("layer_types") && windowed) {
      return fields.Unsupported("layer_types", "sliding_attention without use_sliding_window is no window at all");
    }
    if (!used || !windowed) return OkStatus();
  } else if (config.model_type == "llama") {
    // llama has no windows and ignores the key; a layer that asks for one is another model.
    if (fields.Has("layer_types") && windowed) return fields.Unsupported("layer_types", "llama models have full_attention only");
    return OkStatus();
  }
  if (!fields.object().contains("sliding_window")) {
    config.sliding_window = kDefaultWindow;
  } else if (fields.Has("sliding_window")) {
    ASSIGN_OR_RETURN(config.sliding_window, fields.Int("sliding_window"));
  }
  return OkStatus();
}

Status ReadBiases(const JsonFields& fields, ModelConfig& config) {
  if (config.model_type == "llama") {
    ASSIGN_OR_RETURN(config.qkv_bias, fields.BoolOr("attention_bias", false));
    config.attention_out_bias = config.qkv_bias;
    ASSIGN_OR_RETURN(config.mlp_bias, fields.BoolOr("mlp_bias", false));
    return OkStatus();
  }
  // qwen2 has its biases by its type and ignores the key; mistral has none.
  config.qkv_bias = config.model_type == "qwen2";
  if (!config.qkv_bias) RETURN_IF_ERROR(fields.Only("attention_bias", false));
  return fields.Only("mlp_bias", false);
}

Status ReadLlama(const JsonFields& fields, ModelConfig& config) {
  config.architecture = Architecture::kLlama;
  config.activation = Activation::kSilu;
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
  if (!fields.Has("head_dim") && config.hidden_size % config.num_heads != 0) {
    return fields.Wrong("hidden_size", "a multiple of num_attention_heads where there is no head_dim");
  }
  ASSIGN_OR_RETURN(config.head_dim, fields.IntOr("head_dim", config.hidden_size / config.num_heads));
  ASSIGN_OR_RETURN(config.max_positions, fields.Int("max_position_embeddings"));
  ASSIGN_OR_RETURN(config.norm_eps, fields.Real("rms_norm_eps"));
  ASSIGN_OR_RETURN(config.tie_embeddings, fields.BoolOr("tie_word_embeddings", false));
  config.rotary_dim = config.head_dim;
  RETURN_IF_ERROR(ReadHfRope(fields, config));
  RETURN_IF_ERROR(ReadSlidingWindow(fields, config));
  if (!fields.Only("hidden_act", "swish").ok()) RETURN_IF_ERROR(fields.Only("hidden_act", "silu"));  // two names of one function
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
  config.activation = Activation::kGeluTanh;
  ASSIGN_OR_RETURN(const std::string activation, fields.StringOr("activation_function", "gelu_new"));
  // Three names of the same function; "gelu_fast" differs from them in rounding only.
  for (const char* name : {"gelu_new", "gelu_pytorch_tanh", "gelu_fast"}) {
    if (activation == name) return OkStatus();
  }
  return fields.Unsupported("activation_function", "only gelu_new and its equivalents are");
}

Status ReadGpt2(const JsonFields& fields, ModelConfig& config) {
  config.architecture = Architecture::kGpt2;
  config.qkv_bias = true;
  ASSIGN_OR_RETURN(config.tie_embeddings, fields.BoolOr("tie_word_embeddings", true));
  RETURN_IF_ERROR(fields.Only("scale_attn_weights", true));
  RETURN_IF_ERROR(fields.Only("scale_attn_by_inverse_layer_idx", false));
  return ReadGpt(fields, config);
}

Status ReadGptJ(const JsonFields& fields, ModelConfig& config) {
  config.architecture = Architecture::kGptJ;
  config.rope_interleaved = true;
  config.lm_head_bias = true;
  ASSIGN_OR_RETURN(config.rotary_dim, fields.Int("rotary_dim"));
  ASSIGN_OR_RETURN(config.tie_embeddings, fields.BoolOr("tie_word_embeddings", false));
  return ReadGpt(fields, config);
}

struct Family {
  const char* model_type;
  const char* hf_class;
  Status (*read)(const JsonFields&, ModelConfig&);
};
constexpr std::array kFamilies = {Family{"llama", "LlamaForCausalLM", ReadLlama},
                                  Family{"mistral", "MistralForCausalLM", ReadLlama},
                                  Family{"qwen2", "Qwen2ForCausalLM", ReadLlama}, Family{"gpt2", "GPT2LMHeadModel", ReadGpt2},
                                  Family{"gptj", "GPTJForCausalLM", ReadGptJ}};

const Family* FindFamily(std::string_view model_type) {
  for (const Family& family : kFamilies) {
    if (family.model_type == model_type) return &family;
  }
  return nullptr;
}

}  // namespace

StatusOr<ModelConfig> ModelConfigFromHfJson(std::string_view text, std::string_view where) {
  ASSIGN_OR_RETURN(const json parsed, ParseJson(text, where));
  ASSIGN_OR_RETURN(const JsonFields fields, JsonFields::Of(parsed, std::string(where)));
  ModelConfig config;
  ASSIGN_OR_RETURN(config.model_type, fields.String("model_type"));
  const Family* family = FindFamily(config.model_type);
  if (family == nullptr) {
    std::vector<std::string> known;
    for (const Family& f : kFamilies) known.emplace_back(f.model_type);
    return fields.Unsupported("model_type", "supported are " + Join(known, ", "));
  }
  RETURN_IF_ERROR(RefuseForeignKeys(fields));
  ASSIGN_OR_RETURN(config.vocab_size, fields.Int("vocab_size"));
  RETURN_IF_ERROR(ReadTokenId(fields, "bos_token_id", config.bos_id));
  RETURN_IF_ERROR(ReadTokenId(fields, "pad_token_id", config.pad_id));
  ASSIGN_OR_RETURN(config.eos_ids, ReadTokenIds(fields, "eos_token_id"));
  RETURN_IF_ERROR(family->read(fields, config));
  RETURN_IF_ERROR(Validate(config, where));
  return config;
}

const char* HfClassOf(std::string_view model_type) {
  const Family* family = FindFamily(model_type);
  return family == nullptr ? nullptr : family->hf_class;
}

}  // namespace gfn
