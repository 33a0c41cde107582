#include <algorithm>
#include <cmath>
#include <string>

#include "llm/format/hf_config_parts.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using nlohmann::json;

// What the ratio of contexts and the factor are read from, in the order in which transformers looks.
struct RopeReader {
  const JsonFields& fields;  // the config
  const JsonFields& rope;    // its rope_parameters
  ModelConfig& config;

  StatusOr<int64_t> OriginalPositions() const {
    // A class that has the key itself reads it nowhere else.
    if (const int64_t absent = config.family().default_original_positions; absent > 0) {
      return fields.IntOr("original_max_position_embeddings", absent);
    }
    for (const JsonFields* place : {&fields, &rope}) {
      if (place->Has("original_max_position_embeddings")) return place->Int("original_max_position_embeddings");
    }
    return config.max_positions;
  }
  // Missing or null: the model's positions in units of the original ones.
  StatusOr<double> FactorOfPositions(int64_t original) const {
    return rope.RealOr("factor", static_cast<double>(config.max_positions) / static_cast<double>(std::max<int64_t>(1, original)));
  }

  Status Llama3() const {
    RopeScaling& s = config.rope_scaling;
    ASSIGN_OR_RETURN(s.factor, rope.Real("factor"));
    ASSIGN_OR_RETURN(s.low_freq_factor, rope.Real("low_freq_factor"));
    ASSIGN_OR_RETURN(s.high_freq_factor, rope.Real("high_freq_factor"));
    ASSIGN_OR_RETURN(s.original_positions, OriginalPositions());
    return OkStatus();
  }

  Status Yarn() const {
    RopeScaling& s = config.rope_scaling;
    ASSIGN_OR_RETURN(s.original_positions, OriginalPositions());
    ASSIGN_OR_RETURN(s.factor, FactorOfPositions(s.original_positions));
    ASSIGN_OR_RETURN(s.beta_fast, NonZeroOr("beta_fast", s.beta_fast));
    ASSIGN_OR_RETURN(s.beta_slow, NonZeroOr("beta_slow", s.beta_slow));
    ASSIGN_OR_RETURN(s.truncate, rope.BoolOr("truncate", true));
    ASSIGN_OR_RETURN(const double mscale, rope.RealOr("mscale", 0));
    ASSIGN_OR_RETURN(const double mscale_all_dim, rope.RealOr("mscale_all_dim", 0));
    const double magnitude = mscale != 0 && mscale_all_dim != 0
                                 ? YarnMagnitude(s.factor, mscale) / YarnMagnitude(s.factor, mscale_all_dim)
                                 : YarnMagnitude(s.factor);
    ASSIGN_OR_RETURN(s.attention_factor, rope.RealOr("attention_factor", magnitude));
    return OkStatus();
  }

  // transformers takes short_factor for texts of up to the original positions, long_factor beyond.
  Status LongRope() const {
    RopeScaling& s = config.rope_scaling;
    const json *short_list = rope.Find("short_factor"), *long_list = rope.Find("long_factor");
    if (short_list == nullptr || !short_list->is_array()) return rope.Wrong("short_factor", "a list of numbers");
    for (const json& value : *short_list) {
      if (!value.is_number()) return rope.Wrong("short_factor", "a list of numbers");
      s.divisors.push_back(value.get<double>());
    }
    ASSIGN_OR_RETURN(s.original_positions, OriginalPositions());
    ASSIGN_OR_RETURN(const double factor, FactorOfPositions(s.original_positions));
    const double original = static_cast<double>(s.original_positions);
    const double magnitude = factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(original));
    ASSIGN_OR_RETURN(s.attention_factor, rope.RealOr("attention_factor", magnitude));
    if (long_list == nullptr || *long_list != *short_list) {
      config.max_positions = std::min(config.max_positions, s.original_positions);
    }
    return OkStatus();
  }

  StatusOr<double> NonZeroOr(const char* key, double absent) const {
    ASSIGN_OR_RETURN(const double value, rope.RealOr(key, absent));
    return value == 0 ? absent : value;
  }
};

// What the rope's type says, of a config whose base is read.
Status ReadScaling(const JsonFields& fields, const JsonFields& rope, ModelConfig& config) {
  ASSIGN_OR_RETURN(const std::string old_name, rope.StringOr("type", "default"));
  ASSIGN_OR_RETURN(const std::string type, rope.StringOr("rope_type", old_name));
  RopeScaling& scaling = config.rope_scaling;
  const RopeReader reader{fields, rope, config};
  // Frequencies of "dynamic" depend on the length of the text only beyond the model's positions, where no context goes.
  if (type == "default" || type == "dynamic") return OkStatus();
  if (type == "linear") {
    scaling.kind = RopeScalingKind::kLinear;
    ASSIGN_OR_RETURN(scaling.factor, rope.Real("factor"));
    return OkStatus();
  }
  if (type == "llama3") {
    scaling.kind = RopeScalingKind::kLlama3;
    return reader.Llama3();
  }
  // Phi-3 once called longrope "su", and "yarn".
  if (type == "longrope" || type == "su" || (type == "yarn" && rope.Has("short_factor"))) {
    scaling.kind = RopeScalingKind::kPerFrequency;
    return reader.LongRope();
  }
  if (type == "yarn") {
    scaling.kind = RopeScalingKind::kYarn;
    return reader.Yarn();
  }
  return rope.Unsupported(rope.Has("rope_type") ? "rope_type" : "type",
                          "supported are default, linear, dynamic, llama3, yarn, longrope");
}

// How much of a head is rotated: rope's own key goes before the config's.
Status ReadRotaryDim(const JsonFields& fields, const JsonFields* rope, ModelConfig& config) {
  constexpr char kKey[] = "partial_rotary_factor";
  config.rotary_dim = config.head_dim;
  if (!config.family().partial_rotary) return rope == nullptr ? OkStatus() : rope->Only(kKey, 1.0);
  ASSIGN_OR_RETURN(double factor, fields.RealOr(kKey, 1.0));
  if (rope != nullptr) {
    ASSIGN_OR_RETURN(factor, rope->RealOr(kKey, factor));
  }
  if (!(factor > 0 && factor <= 1)) return fields.Wrong(kKey, "a number in (0, 1]");
  config.rotary_dim = static_cast<int64_t>(static_cast<double>(config.head_dim) * factor);
  return OkStatus();
}

// transformers 5 writes a rope for each kind of layer, {"full_attention": {...}, "sliding_attention": {...}}; before it was
// rope_theta and rope_local_base_freq, beside a rope_scaling of the layers without a window, which goes first.
Status ReadRopeOfKinds(const JsonFields& fields, ModelConfig& config) {
  config.rotary_dim = config.head_dim;
  ASSIGN_OR_RETURN(config.local_rope_theta, fields.RealOr("rope_local_base_freq", config.local_rope_theta));
  const json none = json::object();
  const json* value = fields.Find("rope_parameters");
  ASSIGN_OR_RETURN(const JsonFields ropes,
                   JsonFields::Of(value != nullptr ? *value : none, fields.where() + ": rope_parameters"));
  for (const char* kind : {"full_attention", "sliding_attention"}) {
    const json* value = ropes.Find(kind);
    if (value == nullptr) continue;
    ASSIGN_OR_RETURN(const JsonFields rope, JsonFields::Of(*value, ropes.where() + ": " + kind));
    const bool local = kind == std::string_view("sliding_attention");
    double& base = local ? config.local_rope_theta : config.rope_theta;
    ASSIGN_OR_RETURN(base, rope.RealOr("rope_theta", base));
    RETURN_IF_ERROR(rope.Only("partial_rotary_factor", 1.0));
    RETURN_IF_ERROR(local ? rope.Only("rope_type", "default") : ReadScaling(fields, rope, config));
  }
  for (const auto& [key, value] : ropes.object().items()) {
    if (!value.is_object()) return ropes.Wrong(key, "ropes of full_attention and sliding_attention alone");
  }
  const json* scaling = fields.Find("rope_scaling");
  if (scaling == nullptr || *scaling == none) return OkStatus();
  ASSIGN_OR_RETURN(const JsonFields rope, JsonFields::Of(*scaling, fields.where() + ": rope_scaling"));
  ASSIGN_OR_RETURN(config.rope_theta, rope.RealOr("rope_theta", config.rope_theta));
  config.rope_scaling = {};
  return ReadScaling(fields, rope, config);
}

}  // namespace

// transformers 5 writes rope_parameters {rope_type, rope_theta, ...}; before it was rope_theta beside rope_scaling {rope_type or
// type, ...}, which goes first where both are there.
Status ReadHfRope(const JsonFields& fields, ModelConfig& config) {
  const Family& family = config.family();
  ASSIGN_OR_RETURN(config.rope_theta, fields.RealOr("rope_theta", family.default_rope_theta));
  if (family.layer_ropes == LayerRopes::kLocal) return ReadRopeOfKinds(fields, config);
  const json* scaling_of_old = fields.Find("rope_scaling");
  const bool old_way = scaling_of_old != nullptr && *scaling_of_old != json::object();
  const char* key = old_way ? "rope_scaling" : "rope_parameters";
  const json* value = fields.Find(key);
  if (value == nullptr) return ReadRotaryDim(fields, nullptr, config);
  ASSIGN_OR_RETURN(const JsonFields rope, JsonFields::Of(*value, fields.where() + ": " + key));
  RETURN_IF_ERROR(ReadRotaryDim(fields, &rope, config));
  for (const json& part : *value) {
    if (part.is_object()) return fields.Unsupported(key, "rope of its own for some layers");
  }
  ASSIGN_OR_RETURN(config.rope_theta, rope.RealOr("rope_theta", config.rope_theta));
  return ReadScaling(fields, rope, config);
}

json HfRopeParameters(const ModelConfig& config) {
  const RopeScaling& s = config.rope_scaling;
  json out = {{"rope_theta", config.rope_theta}};
  if (config.rotary_dim != config.head_dim) {
    out["partial_rotary_factor"] = static_cast<double>(config.rotary_dim) / static_cast<double>(config.head_dim);
  }
  switch (s.kind) {
    case RopeScalingKind::kNone:
      out["rope_type"] = "default";
      break;
    case RopeScalingKind::kLinear:
      out.update({{"rope_type", "linear"}, {"factor", s.factor}});
      break;
    case RopeScalingKind::kLlama3:
      out.update({{"rope_type", "llama3"},
                  {"factor", s.factor},
                  {"low_freq_factor", s.low_freq_factor},
                  {"high_freq_factor", s.high_freq_factor},
                  {"original_max_position_embeddings", s.original_positions}});
      break;
    case RopeScalingKind::kYarn:
      out.update({{"rope_type", "yarn"},
                  {"factor", s.factor},
                  {"beta_fast", s.beta_fast},
                  {"beta_slow", s.beta_slow},
                  {"truncate", s.truncate},
                  {"attention_factor", s.attention_factor},
                  {"original_max_position_embeddings", s.original_positions}});
      break;
    case RopeScalingKind::kPerFrequency:
      out.update({{"rope_type", "longrope"},
                  {"short_factor", s.divisors},
                  {"long_factor", s.divisors},
                  {"attention_factor", s.attention_factor},
                  {"original_max_position_embeddings", config.max_positions}});
      break;
  }
  if (config.family().layer_ropes != LayerRopes::kLocal) return out;
  return {{"full_attention", out}, {"sliding_attention", {{"rope_theta", config.local_rope_theta}, {"rope_type", "default"}}}};
}

}  // namespace gfn
