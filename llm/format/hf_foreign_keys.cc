#include <algorithm>
#include <string>
#include <vector>

#include "llm/format/hf_config_parts.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;

// A part of a key's name, and the values (beside null and []) by which nothing changes.
struct ForeignKey {
  const char* part;
  std::vector<json> neutral;
};

const std::vector<ForeignKey>& ForeignKeys() {
  static const std::vector<ForeignKey> keys = {
      // scores, logits and sums that are scaled, capped or cut
      {"softcap", {0, false}},
      {"multiplier", {1}},
      {"logit_scale", {1}},
      {"logits_scal", {1}},
      {"embedding_scale", {1}},
      {"scale_emb", {1}},
      {"scale_embedding", {false}},
      {"scale_depth", {}},
      {"residual_scale", {1}},
      {"query_pre_attn_scalar", {}},
      {"attention_scale", {1}},
      {"clip_qkv", {0}},
      {"attn_temperature", {false}},
      // who sees whom, and where
      {"is_causal", {true}},
      {"bidirectional", {false}},
      {"is_encoder_decoder", {false}},
      {"add_cross_attention", {false}},
      {"attention_chunk_size", {0}},
      {"attention_sink", {false, 0}},
      {"alibi", {false, 0}},
      {"no_rope", {}},
      {"partial_rotary_factor", {1}},
      {"rotary_pct", {1}},
      {"rope_interleave", {false}},
      {"mrope", {false}},
      // other layers
      {"experts", {0}},
      {"qk_norm", {false}},
      {"qk_layernorm", {false}},
      {"parallel_residual", {false}},
      {"parallel_attn", {false}},
  };
  return keys;
}

bool IsNeutral(const ForeignKey& key, const json& value) {
  return value.is_null() || (value.is_structured() && value.empty()) ||
         std::ranges::find(key.neutral, value) != key.neutral.end();
}

}  // namespace

Status RefuseOtherForms(const JsonFields& fields) {
  for (const char* key : {"quantization_config", "compression_config"}) {
    if (fields.Has(key)) return fields.Unsupported(key, "give an unquantised Hugging Face folder, or a GGUF file");
  }
  for (const char* key : {"vision_config", "audio_config"}) {
    if (fields.Has(key)) {
      return Unimplemented(fields.where() + ": key '" + key +
                           "': models that also see or hear are not supported; give the folder of the text model alone");
    }
  }
  return OkStatus();
}

Status RefuseForeignKeys(const JsonFields& fields, const Family& family) {
  for (const auto& [name, value] : fields.object().items()) {
    if (std::ranges::find(family.own_keys, name) != family.own_keys.end()) continue;
    for (const ForeignKey& key : ForeignKeys()) {
      if (name.find(key.part) == std::string::npos || IsNeutral(key, value)) continue;
      return fields.Unsupported(name, "a model that computes this is another function than the model_type's");
    }
  }
  return OkStatus();
}

}  // namespace gfn
