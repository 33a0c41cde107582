#include <string>
#include <utility>

#include "llm/format/gguf_file.h"
#include "llm/format/model_config.h"

namespace gfn {
namespace {

// Metadata of one architecture: its keys begin with the architecture's name.
class Keys {
 public:
  Keys(const GgufFile& file, std::string architecture) : file_(file), prefix_(std::move(architecture) + ".") {}

  bool Has(const char* key) const { return file_.Has(prefix_ + key); }
  StatusOr<int64_t> Int(const char* key) const { return file_.Int(prefix_ + key); }
  StatusOr<int64_t> IntOr(const char* key, int64_t absent) const { return file_.IntOr(prefix_ + key, absent); }
  StatusOr<double> Float(const char* key) const { return file_.Float(prefix_ + key); }
  StatusOr<double> FloatOr(const char* key, double absent) const { return file_.FloatOr(prefix_ + key, absent); }
  StatusOr<std::string> StringOr(const char* key, std::string absent) const {
    return file_.StringOr(prefix_ + key, std::move(absent));
  }
  Status Unsupported(const char* key, const std::string& why) const {
    return Unimplemented(file_.name() + ": metadata key '" + prefix_ + key + "': " + why);
  }

 private:
  const GgufFile& file_;
  std::string prefix_;
};

// Anything that makes the computation another than the plain architecture's.
Status RefuseExtras(const GgufFile& file, const Keys& keys) {
  ASSIGN_OR_RETURN(const std::string scaling, keys.StringOr("rope.scaling.type", "none"));
  if (std::string_view(scaling) != "none")
    return keys.Unsupported("rope.scaling.type", "scaled rope ('" + scaling + "') is not supported");
  for (const char* key : {"rope.scale_linear", "rope.scaling.factor"}) {
    ASSIGN_OR_RETURN(const double factor, keys.FloatOr(key, 1.0));
    if (factor != 1.0) return keys.Unsupported(key, "scaled rope is not supported");
  }
  if (file.FindTensor("rope_freqs.weight") != nullptr) {
    return Unimplemented(file.name() + ": tensor 'rope_freqs.weight' (scaled rope) is not supported");
  }
  ASSIGN_OR_RETURN(const int64_t num_experts, keys.IntOr("expert_count", 0));
  if (num_experts != 0) return keys.Unsupported("expert_count", "mixtures of experts are not supported");
  for (const char* key : {"attention.clamp_kqv", "attention.max_alibi_bias", "attention.scale", "logit_scale", "embedding_scale",
                          "residual_scale", "attn_logit_softcapping", "final_logit_softcapping"}) {
    ASSIGN_OR_RETURN(const double value, keys.FloatOr(key, 0.0));
    if (value != 0.0) return keys.Unsupported(key, "not supported");
  }
  return OkStatus();
}

Status ReadLlama(const Keys& keys, ModelConfig& config) {
  ASSIGN_OR_RETURN(config.norm_eps, keys.Float("attention.layer_norm_rms_epsilon"));
  ASSIGN_OR_RETURN(config.rope_theta, keys.FloatOr("rope.freq_base", 10000.0));
  ASSIGN_OR_RETURN(config.num_kv_heads, keys.IntOr("attention.head_count_kv", config.num_heads));
  ASSIGN_OR_RETURN(config.head_dim, keys.IntOr("attention.key_length", config.head_dim));
  ASSIGN_OR_RETURN(const int64_t value_length, keys.IntOr("attention.value_length", config.head_dim));
  if (value_length != config.head_dim) return keys.Unsupported("attention.value_length", "heads of two sizes are not supported");
  ASSIGN_OR_RETURN(config.rotary_dim, keys.IntOr("rope.dimension_count", config.head_dim));
  if (config.rotary_dim != config.head_dim) {
    return keys.Unsupported("rope.dimension_count", "it is " + std::to_string(config.rotary_dim) +
                                                        ", supported is the head size " + std::to_string(config.head_dim));
  }
  if (keys.Has("attention.sliding_window")) {
    ASSIGN_OR_RETURN(config.sliding_window, keys.Int("attention.sliding_window"));
    // The key is how a Mistral model tells itself from other files that call themselves llama.
    if (config.model_type == "llama") config.model_type = "mistral";
  }
  return OkStatus();
}

Status ReadGpt2(const Keys& keys, ModelConfig& config) {
  config.architecture = Architecture::kGpt2;
  config.activation = Activation::kGeluTanh;
  ASSIGN_OR_RETURN(config.norm_eps, keys.Float("attention.layer_norm_epsilon"));
  return OkStatus();
}

// The vocabulary is as large as the embedding; metadata that says otherwise is damaged.
Status ReadVocabulary(const GgufFile& file, const Keys& keys, ModelConfig& config) {
  const GgufTensor* embedding = file.FindTensor("token_embd.weight");
  if (embedding == nullptr || embedding->dims.size() != 2) {
    return DataLoss(file.name() + ": tensor 'token_embd.weight' with 2 dimensions expected, " +
                    (embedding == nullptr ? "but it is missing" : std::to_string(embedding->dims.size()) + " found"));
  }
  config.vocab_size = embedding->dims[1];
  ASSIGN_OR_RETURN(const int64_t stated, keys.IntOr("vocab_size", config.vocab_size));
  if (stated != config.vocab_size) {
    return DataLoss(file.name() + ": the metadata states a vocabulary of " + std::to_string(stated) +
                    " tokens, the embedding has " + std::to_string(config.vocab_size) + " rows");
  }
  for (const auto& [key, id] :
       {std::pair{"tokenizer.ggml.bos_token_id", &config.bos_id}, std::pair{"tokenizer.ggml.eos_token_id", &config.eos_id}}) {
    if (!file.Has(key)) continue;
    ASSIGN_OR_RETURN(*id, file.Int(key));
  }
  return OkStatus();
}

}  // namespace

StatusOr<ModelConfig> ModelConfigFromGguf(const GgufFile& file) {
  ModelConfig config;
  ASSIGN_OR_RETURN(config.model_type, file.String("general.architecture"));
  const bool is_gpt2 = config.model_type == "gpt2";
  if (!is_gpt2 && config.model_type != "llama" && config.model_type != "qwen2") {
    return Unimplemented(file.name() + ": general.architecture is '" + config.model_type + "', supported are llama, qwen2, gpt2");
  }
  config.qkv_bias = config.model_type != "llama";
  const Keys keys(file, config.model_type);
  ASSIGN_OR_RETURN(config.num_layers, keys.Int("block_count"));
  ASSIGN_OR_RETURN(config.max_positions, keys.Int("context_length"));
  ASSIGN_OR_RETURN(config.hidden_size, keys.Int("embedding_length"));
  ASSIGN_OR_RETURN(config.intermediate_size, keys.Int("feed_forward_length"));
  ASSIGN_OR_RETURN(config.num_heads, keys.Int("attention.head_count"));
  if (config.num_heads < 1 || config.hidden_size % config.num_heads != 0) {
    return InvalidArgument(file.name() + ": attention.head_count is " + std::to_string(config.num_heads) +
                           ", expected a divisor of embedding_length " + std::to_string(config.hidden_size));
  }
  config.num_kv_heads = config.num_heads;
  config.head_dim = config.hidden_size / config.num_heads;
  RETURN_IF_ERROR(is_gpt2 ? ReadGpt2(keys, config) : ReadLlama(keys, config));
  RETURN_IF_ERROR(RefuseExtras(file, keys));
  RETURN_IF_ERROR(ReadVocabulary(file, keys, config));
  config.tie_embeddings = file.FindTensor("output.weight") == nullptr;
  RETURN_IF_ERROR(Validate(config, file.name()));
  return config;
}

}  // namespace gfn
