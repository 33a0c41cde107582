#include "llm/format/describe_model.h"

#include "llm/format/expected_tensors.h"

namespace gfn {

namespace {

std::string ContextText(const ModelConfig& config) {
  if (MaxContext(config) == config.max_positions) return std::to_string(config.max_positions);
  return std::to_string(MaxContext(config)) + " (the sliding window: longer contexts are refused; the model has " +
         std::to_string(config.max_positions) + " positions)";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> DescribeModelConfig(const ModelConfig& config) {
  std::vector<std::pair<std::string, std::string>> lines = {
      {"architecture", std::string(config.family().naming->name) + " (" + config.model_type + ")"},
      {"parameters", std::to_string(NumParameters(config))},
      {"layers x width", std::to_string(config.num_layers) + " x " + std::to_string(config.hidden_size) + ", MLP " +
                             std::to_string(config.intermediate_size)},
      {"heads", std::to_string(config.num_heads) + " (" + std::to_string(config.num_kv_heads) + " key/value) of " +
                    std::to_string(config.head_dim)},
      {"vocabulary", std::to_string(config.vocab_size)},
      {"context", ContextText(config)}};
  if (const std::string scaling = RopeScalingText(config.rope_scaling); !scaling.empty()) {
    lines.emplace_back("rope scaling", scaling);
  }
  return lines;
}

}  // namespace gfn
