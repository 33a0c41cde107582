#include "llm/format/model_config.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

// Generous limits that keep every product of sizes far from overflow and every table that is made from them small.
constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxPositions = int64_t{1} << 30;

Status ValidateRopeScaling(const ModelConfig& c, std::string_view where) {
  const RopeScaling& s = c.rope_scaling;
  const auto wrong = [&](std::string_view field, const std::string& found, std::string_view expected) {
    return InvalidArgument(std::string(where) + ": rope scaling '" + std::string(EnumName(s.kind)) + "': " + std::string(field) +
                           " is " + found + ", expected " + std::string(expected));
  };
  const auto positive = [](double value) { return value > 0 && std::isfinite(value); };
  for (const auto& [field, value] : {std::pair{"factor", s.factor},
                                     {"the attention factor", s.attention_factor},
                                     {"low_freq_factor", s.low_freq_factor},
                                     {"high_freq_factor", s.high_freq_factor},
                                     {"beta_fast", s.beta_fast},
                                     {"beta_slow", s.beta_slow}}) {
    if (!positive(value)) return wrong(field, FormatReal(value), "a positive number");
  }
  const bool has_original = s.kind == RopeScalingKind::kLlama3 || s.kind == RopeScalingKind::kYarn;
  if (has_original && (s.original_positions < 1 || s.original_positions > kMaxPositions)) {
    return wrong("the number of original positions", std::to_string(s.original_positions),
                 "1 to " + std::to_string(kMaxPositions));
  }
  if (s.kind == RopeScalingKind::kLlama3 && s.low_freq_factor >= s.high_freq_factor) {
    return wrong("low_freq_factor", FormatReal(s.low_freq_factor),
                 "less than high_freq_factor, " + FormatReal(s.high_freq_factor));
  }
  if (s.kind == RopeScalingKind::kPerFrequency) {
    if (static_cast<int64_t>(s.divisors.size()) != c.rotary_dim / 2) {
      return wrong("the number of divisors", std::to_string(s.divisors.size()), std::to_string(c.rotary_dim / 2));
    }
    for (const double divisor : s.divisors) {
      if (!positive(divisor)) return wrong("a divisor", FormatReal(divisor), "a positive number");
    }
  }
  for (const double frequency : RopeFrequencies(c.rope_theta, c.rotary_dim, s)) {
    if (!std::isfinite(frequency)) return wrong("a frequency", FormatReal(frequency), "a finite number");
  }
  return OkStatus();
}

}  // namespace

Status Validate(const ModelConfig& c, std::string_view where) {
  const auto wrong = [&](std::string_view field, const std::string& found, const std::string& expected) {
    return InvalidArgument(std::string(where) + ": " + std::string(field) + " is " + found + ", expected " + expected);
  };
  struct Range {
    const char* field;
    int64_t value, max;
  };
  for (const auto& [field, value, max] :
       {Range{"the vocabulary size", c.vocab_size, kMaxVocab}, Range{"the hidden size", c.hidden_size, kMaxWidth},
        Range{"the intermediate size", c.intermediate_size, kMaxWidth}, Range{"the number of layers", c.num_layers, kMaxLayers},
        Range{"the number of heads", c.num_heads, kMaxWidth}, Range{"the number of key/value heads", c.num_kv_heads, c.num_heads},
        Range{"the head size", c.head_dim, kMaxWidth}, Range{"the number of positions", c.max_positions, kMaxPositions}}) {
    if (value < 1 || value > max) return wrong(field, std::to_string(value), "1 to " + std::to_string(max));
  }
  if (c.num_heads * c.head_dim > kMaxWidth) {
    return wrong("the size of all heads", std::to_string(c.num_heads * c.head_dim), "at most " + std::to_string(kMaxWidth));
  }
  if (c.num_heads % c.num_kv_heads != 0) {
    return wrong("the number of key/value heads", std::to_string(c.num_kv_heads), "a divisor of " + std::to_string(c.num_heads));
  }
  const Family& family = c.family();
  if (family.naming->root == "transformer." && c.q_width() != c.hidden_size) {
    return wrong("the hidden size", std::to_string(c.hidden_size), "a multiple of " + std::to_string(c.num_heads) + " heads");
  }
  if (c.rotary_dim < 0 || c.rotary_dim > c.head_dim || c.rotary_dim % 2 != 0) {
    return wrong("the rotary size", std::to_string(c.rotary_dim),
                 "an even number up to the head size " + std::to_string(c.head_dim));
  }
  if ((c.rotary_dim == 0) == family.rotates) {
    return wrong("the rotary size", std::to_string(c.rotary_dim),
                 family.rotates ? "a positive number" : "0: positions are learned");
  }
  if (!c.layer_ropes.empty() && static_cast<int64_t>(c.layer_ropes.size()) != c.num_layers) {
    return wrong("the number of layers that are or are not rotated", std::to_string(c.layer_ropes.size()),
                 std::to_string(c.num_layers));
  }
  if (!(c.norm_eps > 0 && c.norm_eps < 1)) return wrong("the epsilon of norms", FormatReal(c.norm_eps), "a number in (0, 1)");
  for (const double base : {c.rope_theta, c.local_rope_theta}) {
    if (!(base > 0 && std::isfinite(base))) return wrong("the base of rope", FormatReal(base), "a positive number");
  }
  if (c.query_scalar && !(*c.query_scalar > 0 && std::isfinite(*c.query_scalar))) {
    return wrong("the scale of attention", FormatReal(*c.query_scalar), "a positive number");
  }
  RETURN_IF_ERROR(ValidateRopeScaling(c, where));
  if (c.sliding_window && *c.sliding_window < 1) {
    return wrong("the sliding window", std::to_string(*c.sliding_window), "a positive number");
  }
  return OkStatus();
}

int64_t MaxContext(const ModelConfig& config) {
  return config.sliding_window ? std::min(config.max_positions, *config.sliding_window) : config.max_positions;
}

Status CheckContext(const ModelConfig& config, int64_t num_positions) {
  const std::string asked = "a context of " + std::to_string(num_positions) + " tokens is longer than ";
  if (num_positions > config.max_positions) {
    return InvalidArgument(asked + "the model's " + std::to_string(config.max_positions) + " positions");
  }
  if (config.sliding_window && num_positions > *config.sliding_window) {
    return Unimplemented(asked + "the model's sliding window of " + std::to_string(*config.sliding_window) +
                         "; attention within a window is not supported");
  }
  return OkStatus();
}

}  // namespace gfn
