#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gflownet/base/text_util.h"
#include "llm/format/gguf_dequantize.h"
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
  StatusOr<bool> BoolOr(const char* key, bool absent) const { return file_.BoolOr(prefix_ + key, absent); }
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

// The numbers by which llama.cpp divides rope's frequencies, where the file has them; [rotary_dim / 2].
StatusOr<std::vector<double>> ReadDivisors(const GgufFile& file, const char* name, int64_t rotary_dim) {
  std::vector<double> divisors;
  const GgufTensor* tensor = file.FindTensor(name);
  if (tensor == nullptr) return divisors;
  if (tensor->num_elements != rotary_dim / 2) {
    return DataLoss(file.name() + ": tensor '" + tensor->name + "' has " + std::to_string(tensor->num_elements) +
                    " numbers, expected " + std::to_string(rotary_dim / 2));
  }
  std::vector<float> values(static_cast<size_t>(tensor->num_elements));
  Dequantize(tensor->type, tensor->bytes, values);
  divisors.assign(values.begin(), values.end());
  return divisors;
}

// Longrope: numbers for texts of up to the original context, and other ones beyond, where no context goes then.
StatusOr<std::vector<double>> ReadLongRope(const GgufFile& file, const Keys& keys, ModelConfig& config) {
  ASSIGN_OR_RETURN(std::vector<double> short_list, ReadDivisors(file, kGgufShortDivisors, config.rotary_dim));
  ASSIGN_OR_RETURN(const std::vector<double> long_list, ReadDivisors(file, kGgufLongDivisors, config.rotary_dim));
  if (short_list != long_list) {
    ASSIGN_OR_RETURN(const int64_t original, keys.IntOr("rope.scaling.original_context_length", config.max_positions));
    config.max_positions = std::min(config.max_positions, original);
  }
  return short_list;
}

// As llama.cpp reads it (llama-model.cpp, llama-context.cpp): a type that is not stated is linear, a factor of 0 is none.
Status ReadRopeScaling(const GgufFile& file, const Keys& keys, ModelConfig& config) {
  RopeScaling& s = config.rope_scaling;
  ASSIGN_OR_RETURN(const double old_factor, keys.FloatOr("rope.scale_linear", 0));
  ASSIGN_OR_RETURN(const double factor, keys.FloatOr("rope.scaling.factor", old_factor));
  ASSIGN_OR_RETURN(const std::string type, keys.StringOr("rope.scaling.type", "linear"));
  ASSIGN_OR_RETURN(s.attention_factor, keys.FloatOr("rope.scaling.attn_factor", 1));
  ASSIGN_OR_RETURN(std::vector<double> divisors, ReadDivisors(file, kGgufRopeDivisors, config.rotary_dim));
  if (divisors.empty()) {
    ASSIGN_OR_RETURN(divisors, ReadLongRope(file, keys, config));
  }
  const bool is_longrope = type == "longrope" && !divisors.empty();
  const bool scales = factor != 0 && factor != 1 && type != "none";
  if (type == "yarn") {
    if (!divisors.empty()) return keys.Unsupported("rope.scaling.type", "yarn beside a tensor 'rope_freqs.weight'");
    s.kind = RopeScalingKind::kYarn;
    s.factor = factor == 0 ? 1 : factor;
    ASSIGN_OR_RETURN(s.original_positions, keys.IntOr("rope.scaling.original_context_length", config.max_positions));
    ASSIGN_OR_RETURN(s.beta_fast, keys.FloatOr("rope.scaling.yarn_beta_fast", s.beta_fast));
    ASSIGN_OR_RETURN(s.beta_slow, keys.FloatOr("rope.scaling.yarn_beta_slow", s.beta_slow));
    ASSIGN_OR_RETURN(const double mscale_all_dim, keys.FloatOr("rope.scaling.yarn_log_multiplier", 0));
    ASSIGN_OR_RETURN(const double stated,
                     keys.FloatOr("rope.scaling.yarn_attn_factor",
                                  mscale_all_dim == 0 ? YarnMagnitude(s.factor)
                                                      : YarnMagnitude(s.factor) / YarnMagnitude(s.factor, mscale_all_dim)));
    s.attention_factor *= stated;
    ASSIGN_OR_RETURN(const double extrapolation, keys.FloatOr("rope.scaling.yarn_ext_factor", 1));
    if (extrapolation != 1 && extrapolation != -1) {  // -1: not set
      return keys.Unsupported("rope.scaling.yarn_ext_factor", "it is " + FormatReal(extrapolation) + ", supported is 1");
    }
    return OkStatus();
  }
  if (type != "linear" && type != "none" && !is_longrope) {
    return keys.Unsupported("rope.scaling.type", "it is '" + type + "', supported are none, linear, yarn");
  }
  if (divisors.empty() && s.attention_factor == 1) {
    if (scales) s.kind = RopeScalingKind::kLinear;
    if (scales) s.factor = factor;
    return OkStatus();
  }
  const double attention_factor = s.attention_factor;
  if (divisors.empty()) divisors.assign(static_cast<size_t>(config.rotary_dim / 2), 1.0);
  if (scales) {
    for (double& divisor : divisors) divisor *= factor;
  }
  s = attention_factor == 1 ? ScalingOfDivisors(config.rope_theta, config.rotary_dim, std::move(divisors))
                            : RopeScaling{.kind = RopeScalingKind::kPerFrequency, .divisors = std::move(divisors)};
  s.attention_factor = attention_factor;
  return OkStatus();
}

// Anything that makes the computation another than the plain architecture's.
Status RefuseExtras(const Keys& keys) {
  ASSIGN_OR_RETURN(const int64_t num_experts, keys.IntOr("expert_count", 0));
  if (num_experts != 0) return keys.Unsupported("expert_count", "mixtures of experts are not supported");
  for (const char* key : {"attention.clamp_kqv", "attention.max_alibi_bias", "attention.scale", "logit_scale", "embedding_scale",
                          "residual_scale", "attn_logit_softcapping", "final_logit_softcapping"}) {
    ASSIGN_OR_RETURN(const double value, keys.FloatOr(key, 0.0));
    if (value != 0.0) return keys.Unsupported(key, "not supported");
  }
  ASSIGN_OR_RETURN(const bool causal, keys.BoolOr("attention.causal", true));
  if (!causal) return keys.Unsupported("attention.causal", "only attention to positions before is supported");
  return OkStatus();
}

// llama.cpp takes the biases that are there.
void FindBiases(const GgufFile& file, ModelConfig& config) {
  const auto has = [&](Slot slot) {
    const auto& modules = config.family().naming->products[static_cast<size_t>(slot)];
    return std::ranges::any_of(modules, [&](const ModuleRow& module) {
      return file.FindTensor("blk.0." + std::string(module.name.gguf) + ".bias") != nullptr;
    });
  };
  config.qkv_bias = has(Slot::kQkv);
  config.attention_out_bias = has(Slot::kAttentionOut);
  config.mlp_bias = has(Slot::kUp) || has(Slot::kDown);
}

Status ReadHeads(const GgufFile& file, const Keys& keys, ModelConfig& config) {
  ASSIGN_OR_RETURN(config.num_heads, keys.Int("attention.head_count"));
  const bool divides = config.num_heads >= 1 && config.hidden_size % config.num_heads == 0;
  if (config.num_heads < 1 || (!divides && !keys.Has("attention.key_length"))) {
    return InvalidArgument(file.name() + ": attention.head_count is " + std::to_string(config.num_heads) +
                           ", expected a divisor of embedding_length " + std::to_string(config.hidden_size));
  }
  ASSIGN_OR_RETURN(config.num_kv_heads, keys.IntOr("attention.head_count_kv", config.num_heads));
  ASSIGN_OR_RETURN(config.head_dim, keys.IntOr("attention.key_length", config.hidden_size / config.num_heads));
  ASSIGN_OR_RETURN(const int64_t value_length, keys.IntOr("attention.value_length", config.head_dim));
  if (value_length != config.head_dim) return keys.Unsupported("attention.value_length", "heads of two sizes are not supported");
  return OkStatus();
}

// What llama.cpp has built in for a family whose layers differ.
Status ReadLayerRopes(const Keys& keys, ModelConfig& config) {
  const LayerRopes kind = config.family().layer_ropes;
  if (config.num_layers < 1 || config.num_layers > kMaxLayers) return OkStatus();  // Validate names it
  if (kind == LayerRopes::kSomeNone) {
    constexpr int64_t kStep = 4;
    for (int64_t l = 1; l <= config.num_layers; ++l) {
      config.layer_ropes.push_back(l % kStep == 0 ? LayerRope::kNone : LayerRope::kGlobal);
    }
  }
  if (config.family().default_query_scalar > 0) {
    constexpr int64_t kLayersOfGemma27b = 62;  // the one size whose scale is not that of its heads
    config.query_scalar =
        static_cast<double>(config.num_layers == kLayersOfGemma27b ? config.hidden_size / config.num_heads : config.head_dim);
  }
  if (kind == LayerRopes::kLocal && config.sliding_window) {
    ASSIGN_OR_RETURN(config.local_rope_theta, keys.FloatOr("rope.freq_base_swa", 10000.0));
    ASSIGN_OR_RETURN(const int64_t pattern, keys.IntOr("attention.sliding_window_pattern", 6));
    if (pattern < 1) return keys.Unsupported("attention.sliding_window_pattern", "expected a positive number");
    for (int64_t l = 1; l <= config.num_layers; ++l) {
      config.layer_ropes.push_back(l % pattern == 0 ? LayerRope::kGlobal : LayerRope::kLocal);
    }
  }
  return OkStatus();
}

Status ReadRope(const GgufFile& file, const Keys& keys, ModelConfig& config) {
  const Family& family = config.family();
  ASSIGN_OR_RETURN(config.rope_theta, keys.FloatOr("rope.freq_base", 10000.0));
  ASSIGN_OR_RETURN(config.rotary_dim, keys.IntOr("rope.dimension_count", config.head_dim));
  constexpr int64_t kMostDims = int64_t{1} << 20;
  const bool fits = family.partial_rotary ? config.rotary_dim <= config.head_dim : config.rotary_dim == config.head_dim;
  if (!fits || config.rotary_dim < 2 || config.rotary_dim > kMostDims) {
    return keys.Unsupported("rope.dimension_count", "it is " + std::to_string(config.rotary_dim) +
                                                        ", supported is the head size " + std::to_string(config.head_dim));
  }
  RETURN_IF_ERROR(ReadRopeScaling(file, keys, config));
  return ReadLayerRopes(keys, config);
}

Status ReadSlidingWindow(const Keys& keys, ModelConfig& config) {
  if (!keys.Has("attention.sliding_window")) return OkStatus();
  ASSIGN_OR_RETURN(const int64_t window, keys.Int("attention.sliding_window"));
  if (window == 0) return OkStatus();
  // The key is how a Mistral model tells itself from other files that call themselves llama.
  if (config.model_type == "llama") config.model_type = "mistral";
  const WindowRule rule = config.family().window;
  if (rule == WindowRule::kNone || rule == WindowRule::kUseNope) {
    return keys.Unsupported("attention.sliding_window", "a " + config.model_type + " model with windows is another function");
  }
  config.sliding_window = window;
  return OkStatus();
}

// Ids that no token has stand in some files for "none".
Status ReadTokenIds(const GgufFile& file, ModelConfig& config) {
  const auto read = [&](const char* key) -> StatusOr<std::optional<int64_t>> {
    if (!file.Has(key)) return std::optional<int64_t>();
    ASSIGN_OR_RETURN(const int64_t id, file.Int(key));
    return id >= 0 && id < config.vocab_size ? std::optional(id) : std::nullopt;
  };
  ASSIGN_OR_RETURN(config.bos_id, read("tokenizer.ggml.bos_token_id"));
  ASSIGN_OR_RETURN(config.pad_id, read("tokenizer.ggml.padding_token_id"));
  // All of them end a generation of llama.cpp's: the end of a text, of a turn, of a message.
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    ASSIGN_OR_RETURN(const std::optional<int64_t> id, read(key));
    if (id && std::ranges::find(config.eos_ids, *id) == config.eos_ids.end()) config.eos_ids.push_back(*id);
  }
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
  return ReadTokenIds(file, config);
}

}  // namespace

StatusOr<ModelConfig> ModelConfigFromGguf(const GgufFile& file) {
  ModelConfig config;
  ASSIGN_OR_RETURN(const std::string architecture, file.String("general.architecture"));
  const Family* family = FindGgufFamily(architecture);
  if (family == nullptr) {
    std::vector<std::string> known;
    for (const Family& f : Families()) {
      if (!f.gguf.empty() && std::ranges::find(known, f.gguf) == known.end()) known.emplace_back(f.gguf);
    }
    return Unimplemented(file.name() + ": general.architecture is '" + architecture + "', supported are " + Join(known, ", "));
  }
  config.model_type = family->model_type;
  const Keys keys(file, architecture);
  ASSIGN_OR_RETURN(config.num_layers, keys.Int("block_count"));
  ASSIGN_OR_RETURN(config.max_positions, keys.Int("context_length"));
  ASSIGN_OR_RETURN(config.hidden_size, keys.Int("embedding_length"));
  ASSIGN_OR_RETURN(config.intermediate_size, keys.Int("feed_forward_length"));
  RETURN_IF_ERROR(ReadHeads(file, keys, config));
  RETURN_IF_ERROR(RefuseExtras(keys));
  const bool is_rms = family->norm == NormKind::kRms;
  ASSIGN_OR_RETURN(config.norm_eps, keys.Float(is_rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"));
  RETURN_IF_ERROR(ReadSlidingWindow(keys, config));
  if (family->rotates) RETURN_IF_ERROR(ReadRope(file, keys, config));
  FindBiases(file, config);
  RETURN_IF_ERROR(ReadVocabulary(file, keys, config));
  config.tie_embeddings = file.FindTensor("output.weight") == nullptr;
  RETURN_IF_ERROR(Validate(config, file.name()));
  return config;
}

}  // namespace gfn
