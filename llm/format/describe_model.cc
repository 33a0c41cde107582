#include "llm/format/describe_model.h"

#include "llm/format/expected_tensors.h"

namespace gfn {

std::vector<std::pair<std::string, std::string>> DescribeModelConfig(const ModelConfig& config) {
  return {{"architecture", std::string(EnumName(config.architecture)) + " (" + config.model_type + ")"},
          {"parameters", std::to_string(NumParameters(config))},
          {"layers x width", std::to_string(config.num_layers) + " x " + std::to_string(config.hidden_size) + ", MLP " +
                                 std::to_string(config.intermediate_size)},
          {"heads", std::to_string(config.num_heads) + " (" + std::to_string(config.num_kv_heads) + " key/value) of " +
                        std::to_string(config.head_dim)},
          {"vocabulary", std::to_string(config.vocab_size)},
          {"context", std::to_string(config.max_positions)}};
}

}  // namespace gfn
