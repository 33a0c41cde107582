#include <array>
#include <string>
#include <utility>

#include "gflownet/base/check.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/text_util.h"
#include "llm/format/json_fields.h"
#include "llm/format/model_config.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;

// An id, null, or a list of ids of which the first counts.
Status ReadTokenId(const JsonFields& fields, std::string_view key, std::optional<int64_t>& id) {
  const json* value = fields.Find(key);
  if (value == nullptr) return OkStatus();
  if (value->is_array()) {
    if (value->empty()) return OkStatus();
    value = &value->front();
  }
  if (!value->is_number_integer()) return fields.Wrong(key, "a token id or a list of them");
  id = value->get<int64_t>();
  return OkStatus();
}

// transformers 5 writes rope_parameters {rope_type, rope_theta}; before it was rope_theta beside rope_scaling {rope_type or
// type}.
Status ReadRope(const JsonFields& fields, ModelConfig& config) {
  ASSIGN_OR_RETURN(config.rope_theta, fields.RealOr("rope_theta", 10000.0));
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const json* value = fields.Find(key);
    if (value == nullptr) continue;
    ASSIGN_OR_RETURN(const JsonFields rope, JsonFields::Of(*value, fields.where() + ": " + key));
    for (const char* type : {"rope_type", "type"}) {
      if (!rope.Only(type, "default").ok()) return fields.Unsupported(key, "scaled rope (only rope_type 'default' is)");
    }
    RETURN_IF_ERROR(rope.Only("partial_rotary_factor", 1.0));
    ASSIGN_OR_RETURN(config.rope_theta, rope.RealOr("rope_theta", config.rope_theta));
  }
  return fields.Only("partial_rotary_factor", 1.0);
}

Status ReadSlidingWindow(const JsonFields& fields, ModelConfig& config) {
  if (config.model_type == "mistral") {
    // transformers' default where the key is missing altogether; null means none.
    constexpr int64_t kMistralWindow = 4096;
    if (!fields.object().contains("sliding_window")) config.sliding_window = kMistralWindow;
  } else if (config.model_type == "qwen2") {
    ASSIGN_OR_RETURN(const bool used, fields.BoolOr("use_sliding_window", false));
    if (!used) return OkStatus();
  } else {
    return OkStatus();  // llama ignores the key
  }
  if (fields.Has("sliding_window")) {
    ASSIGN_OR_RETURN(config.sliding_window, fields.Int("sliding_window"));
  }
  return OkStatus();
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
  config.qkv_bias = config.model_type == "qwen2";
  config.rotary_dim = config.head_dim;
  RETURN_IF_ERROR(ReadRope(fields, config));
  RETURN_IF_ERROR(ReadSlidingWindow(fields, config));
  RETURN_IF_ERROR(fields.Only("hidden_act", "silu"));
  // qwen2 has its biases by its type and ignores the key.
  if (!config.qkv_bias) RETURN_IF_ERROR(fields.Only("attention_bias", false));
  return fields.Only("mlp_bias", false);
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
  RETURN_IF_ERROR(fields.Only("add_cross_attention", false));
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

json IdOrNull(const std::optional<int64_t>& id) { return id ? json(*id) : json(nullptr); }

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
  // Both the old key and the new one, for transformers before and since 5.
  out["rope_theta"] = c.rope_theta;
  out["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", c.rope_theta}};
  if (c.model_type == "llama") {
    out["attention_bias"] = false;
    out["mlp_bias"] = false;
    return;
  }
  out["sliding_window"] = IdOrNull(c.sliding_window);
  if (c.model_type == "qwen2") out["use_sliding_window"] = c.sliding_window.has_value();
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
  if (fields.Has("quantization_config")) {
    return fields.Unsupported("quantization_config", "give an unquantised Hugging Face folder, or a GGUF file");
  }
  ASSIGN_OR_RETURN(config.vocab_size, fields.Int("vocab_size"));
  RETURN_IF_ERROR(ReadTokenId(fields, "bos_token_id", config.bos_id));
  RETURN_IF_ERROR(ReadTokenId(fields, "eos_token_id", config.eos_id));
  RETURN_IF_ERROR(family->read(fields, config));
  RETURN_IF_ERROR(Validate(config, where));
  return config;
}

std::string ModelConfigToHfJson(const ModelConfig& config, std::string_view torch_dtype) {
  const Family* family = FindFamily(config.model_type);
  GFN_CHECK(family != nullptr) << config.model_type;
  json out;
  out["architectures"] = json::array({family->hf_class});
  out["model_type"] = config.model_type;
  out["vocab_size"] = config.vocab_size;
  out["bos_token_id"] = IdOrNull(config.bos_id);
  out["eos_token_id"] = IdOrNull(config.eos_id);
  out["tie_word_embeddings"] = config.tie_embeddings;
  out["torch_dtype"] = torch_dtype;
  if (config.architecture == Architecture::kLlama) {
    WriteLlama(config, out);
  } else {
    WriteGpt(config, out);
  }
  return out.dump(2) + "\n";
}

}  // namespace gfn
