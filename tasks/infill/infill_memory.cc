#include <algorithm>

#include "llm/format/expected_tensors.h"
#include "tasks/infill/infill_task.h"

namespace gfn {

int64_t AdapterParameters(const ModelConfig& model, const LoraConfig& lora) {
  const auto wanted = [&](const char* name) {
    return lora.targets.empty() || std::find(lora.targets.begin(), lora.targets.end(), name) != lora.targets.end();
  };
  const int64_t d = model.hidden_size, q = model.num_heads * model.head_dim, kv = model.num_kv_heads * model.head_dim,
                f = model.intermediate_size;
  int64_t width = 0;  // in + out of each adapted module
  const auto add = [&](const char* name, int64_t in, int64_t out) { width += wanted(name) ? in + out : 0; };
  switch (model.architecture) {
    case Architecture::kLlama:
      add("q_proj", d, q), add("k_proj", d, kv), add("v_proj", d, kv), add("o_proj", q, d);
      add("gate_proj", d, f), add("up_proj", d, f), add("down_proj", f, d);
      break;
    case Architecture::kGpt2:
      add("c_attn", d, q + 2 * kv), add("c_proj", q, d), add("c_fc", d, f), add("c_proj", f, d);
      break;
    case Architecture::kGptJ:
      add("q_proj", d, q), add("k_proj", d, kv), add("v_proj", d, kv), add("out_proj", q, d), add("fc_in", d, f),
          add("fc_out", f, d);
      break;
  }
  return model.num_layers * lora.Rank() * width;
}

MemoryParts EstimateInfillMemory(const InfillConfig& task, const RunSettings& settings, const ModelConfig& model) {
  const TrainerConfig& trainer = settings.train.trainer;
  const InfillSupport& support = task.support;
  const LoraConfig lora = settings.lora.value_or(LoraConfig{});
  const ModelDtype dtype = settings.model ? settings.model->dtype : ModelDtype::kFloat32;
  const double conditions =
      static_cast<double>(trainer.micro_batch_conditions > 0 ? trainer.micro_batch_conditions : trainer.conditions_per_step);
  const double prompt = 80, suffix = 16;  // typical texts; the data are not read here
  const double per_layer =
      static_cast<double>(3 * model.hidden_size + 2 * model.num_heads * model.head_dim + 2 * model.num_kv_heads * model.head_dim +
                          (model.architecture == Architecture::kLlama ? 2 : 1) * model.intermediate_size + 4 * lora.Rank());
  const double scored = conditions * (prompt + static_cast<double>(trainer.rollouts * support.max_len));
  const double weights = static_cast<double>(NumParameters(model)) * (dtype == ModelDtype::kBFloat16  ? 2
                                                                      : dtype == ModelDtype::kFloat64 ? 8
                                                                                                      : 4);
  const double adapter = 16.0 * static_cast<double>(AdapterParameters(model, lora));  // value, gradient, two moments
  const double activations =
      4.0 * scored * per_layer * static_cast<double>(model.num_layers) +
      4.0 * (4096 + prompt + suffix) * static_cast<double>(2 * model.intermediate_size + 3 * model.hidden_size);
  const double decoding = 8.0 * conditions * (prompt + static_cast<double>(trainer.rollouts * support.max_len)) *
                              static_cast<double>(model.num_layers * model.num_kv_heads * model.head_dim) +
                          12.0 * conditions * static_cast<double>(trainer.rollouts * model.vocab_size);
  return {{"weights", weights}, {"adapter and optimiser", adapter}, {"activations", activations}, {"decoding", decoding}};
}

}  // namespace gfn
