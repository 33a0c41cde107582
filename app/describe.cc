// What would run, before it runs; the state of a run folder; what a model file is.
#include <iostream>

#include "app/app.h"
#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/memory.h"
#include "gflownet/base/text_util.h"
#include "gflownet/train/checkpoint.h"
#include "gflownet/train/metrics.h"
#include "llm/format/weight_source.h"

namespace gfn {
namespace {

void Line(const std::string& key, const std::string& value) {
  std::cout << "  " << key << std::string(key.size() < 24 ? 24 - key.size() : 1, ' ') << value << "\n";
}

void DescribeModelConfig(const ModelConfig& config) {
  Line("architecture", std::string(EnumName(config.architecture)) + " (" + config.model_type + ")");
  Line("parameters", std::to_string(NumParameters(config)));
  Line("layers x width", std::to_string(config.num_layers) + " x " + std::to_string(config.hidden_size) + ", MLP " + std::to_string(config.intermediate_size));
  Line("heads", std::to_string(config.num_heads) + " (" + std::to_string(config.num_kv_heads) + " key/value) of " + std::to_string(config.head_dim));
  Line("vocabulary", std::to_string(config.vocab_size));
  Line("context", std::to_string(config.max_positions));
}

Status DescribeModel(const std::string& path) {
  ASSIGN_OR_RETURN(const auto source, OpenModel(path));
  std::cout << "model " << path << " (" << source->format() << ", " << source->stored_type() << ")\n";
  DescribeModelConfig(source->config());
  ASSIGN_OR_RETURN(const uint64_t hash, source->weight_hash());
  Line("weight hash", DigestToHex(hash));
  return OkStatus();
}

// Bytes of a run, from shapes alone: weights, adapter with its optimiser, and the activations of one micro-batch.
struct MemoryEstimate {
  double weights = 0, adapter = 0, activations = 0, decoding = 0;
  double Total() const { return weights + adapter + activations + decoding; }
};

int64_t AdapterParameters(const ModelConfig& model, const LoraConfig& lora) {
  const auto wanted = [&](const char* name) {
    return lora.targets.empty() || std::find(lora.targets.begin(), lora.targets.end(), name) != lora.targets.end();
  };
  const int64_t d = model.hidden_size, q = model.num_heads * model.head_dim, kv = model.num_kv_heads * model.head_dim, f = model.intermediate_size;
  int64_t width = 0;  // in + out of each adapted module
  const auto add = [&](const char* name, int64_t in, int64_t out) { width += wanted(name) ? in + out : 0; };
  switch (model.architecture) {
    case Architecture::kLlama:
      add("q_proj", d, q), add("k_proj", d, kv), add("v_proj", d, kv), add("o_proj", q, d);
      add("gate_proj", d, f), add("up_proj", d, f), add("down_proj", f, d);
      break;
    case Architecture::kGpt2: add("c_attn", d, q + 2 * kv), add("c_proj", q, d), add("c_fc", d, f), add("c_proj", f, d); break;
    case Architecture::kGptJ:
      add("q_proj", d, q), add("k_proj", d, kv), add("v_proj", d, kv), add("out_proj", q, d), add("fc_in", d, f), add("fc_out", f, d);
      break;
  }
  return model.num_layers * lora.rank * width;
}

MemoryEstimate EstimateMemory(const RunConfig& config, const ModelConfig& model) {
  const TrainerConfig& trainer = config.train.trainer;
  const InfillSupport& support = std::get<InfillConfig>(config.task).support;
  const double conditions = static_cast<double>(trainer.micro_batch_conditions > 0 ? trainer.micro_batch_conditions : trainer.conditions_per_step);
  const double prompt = 80, suffix = 16;  // typical texts; the data are not read here
  const double per_layer = static_cast<double>(3 * model.hidden_size + 2 * model.num_heads * model.head_dim + 2 * model.num_kv_heads * model.head_dim +
                                               (model.architecture == Architecture::kLlama ? 2 : 1) * model.intermediate_size + 4 * config.lora.rank);
  const double scored = conditions * (prompt + static_cast<double>(trainer.rollouts * support.max_len));
  MemoryEstimate estimate;
  estimate.weights = static_cast<double>(NumParameters(model)) * (config.model.dtype == ModelDtype::kBFloat16 ? 2 : config.model.dtype == ModelDtype::kFloat64 ? 8 : 4);
  estimate.adapter = 16.0 * static_cast<double>(AdapterParameters(model, config.lora));  // value, gradient, two moments
  estimate.activations = 4.0 * scored * per_layer * static_cast<double>(model.num_layers) +
                         4.0 * (4096 + prompt + suffix) * static_cast<double>(2 * model.intermediate_size + 3 * model.hidden_size);
  estimate.decoding = 8.0 * conditions * (prompt + static_cast<double>(trainer.rollouts * support.max_len)) *
                          static_cast<double>(model.num_layers * model.num_kv_heads * model.head_dim) +
                      12.0 * conditions * static_cast<double>(trainer.rollouts * model.vocab_size);
  return estimate;
}

Status DescribeConfig(const DescribeCommand& command) {
  ASSIGN_OR_RETURN(const RunConfig config, ReadConfigFile<RunConfig>(command.target, command.overrides));
  std::cout << "configuration " << command.target << "\n";
  if (const auto model = ReadModelConfig(config.model.path); model.ok()) {
    std::cout << "model " << config.model.path << "\n";
    DescribeModelConfig(*model);
    std::cout << "training\n";
    Line("adapter parameters", std::to_string(AdapterParameters(*model, config.lora)) + " (rank " + std::to_string(config.lora.rank) + ")");
    Line("rollouts of a step", std::to_string(config.train.trainer.conditions_per_step) + " conditions x " + std::to_string(config.train.trainer.rollouts));
    const MemoryEstimate memory = EstimateMemory(config, *model);
    Line("memory, estimated", FormatBytes(static_cast<int64_t>(memory.Total())) + " (weights " + FormatBytes(static_cast<int64_t>(memory.weights)) +
                                  ", adapter and optimiser " + FormatBytes(static_cast<int64_t>(memory.adapter)) + ", activations " +
                                  FormatBytes(static_cast<int64_t>(memory.activations)) + ", decoding " + FormatBytes(static_cast<int64_t>(memory.decoding)) + ")");
    Line("memory here", FormatBytes(ReadMemoryLimits().Available()) + " available");
  } else {
    std::cout << "model " << config.model.path << ": " << Message(model.status()) << "\n";
  }
  std::cout << "every key\n" << WriteConfig(config);
  return OkStatus();
}

Status DescribeRun(const std::string& path) {
  const RunPaths paths{path};
  std::cout << "run " << path << "\n";
  ASSIGN_OR_RETURN(const std::vector<MetricsLine> lines, ReadMetrics(paths.metrics()));
  Line("steps", lines.empty() ? "0" : std::to_string(lines.back().step));
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (line->kind != "eval") continue;
    std::string text;
    for (const auto& [name, value] : line->metrics.values()) text += name + " " + FormatShort(value) + "  ";
    Line("last evaluation", "step " + std::to_string(line->step) + ": " + text);
    break;
  }
  ASSIGN_OR_RETURN(const std::vector<CheckpointHealth> checkpoints, ListCheckpoints(paths.checkpoints()));
  std::cout << "checkpoints\n";
  for (const CheckpointHealth& health : checkpoints) {
    Line("step " + std::to_string(health.step), FormatBytes(health.bytes) + (health.is_best ? ", best" : "") + ", " +
                                                     (health.status.ok() ? "healthy" : Message(health.status)));
  }
  std::cout << "adapter\n";
  Line("exported", FolderExists(paths.adapter()) ? paths.adapter() : "not yet");
  ASSIGN_OR_RETURN(const std::string config, ReadFile(paths.config()));
  std::cout << "every key\n" << config;
  return OkStatus();
}

}  // namespace

Status Describe(const DescribeCommand& command) {
  if (command.keys) {
    std::cout << ConfigReference();
    return OkStatus();
  }
  if (command.target.empty()) return InvalidArgument("describe what? Give a YAML file, a run folder or a model (or --keys)");
  if (IsRunFolder(command.target)) return DescribeRun(command.target);
  if (command.target.ends_with(".yaml") || command.target.ends_with(".yml")) return DescribeConfig(command);
  return DescribeModel(command.target);
}

}  // namespace gfn
