// LoRA adapters of a language model: making fresh ones, to and from PEFT folders, merged into the base weights.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/tensor/parameter_set.h"
#include "llm/format/peft_file.h"
#include "llm/format/weight_source.h"
#include "llm/model/adapter.h"
#include "llm/model/language_model.h"

namespace gfn {

struct LoraConfig {
  std::optional<int64_t> rank = std::nullopt;
  std::optional<double> alpha = std::nullopt;
  std::optional<bool> rslora = std::nullopt;
  double dropout = 0;
  std::vector<std::string> targets = {};
  std::string path = "";

  // With the defaults that stand where no folder decides.
  int64_t Rank() const { return rank.value_or(16); }
  double Alpha() const { return alpha.value_or(32); }
  bool RsLora() const { return rslora.value_or(false); }
  double Scale() const;
  // The defaults filled in; with a path as it is.
  LoraConfig Completed() const;
  // Whether the targets name the module of this path: by their absence, as "all-linear", or by its last part.
  bool IsTarget(std::string_view path) const;

  template <class V>
  void Visit(V& v) {
    v("path", path,
      "a PEFT folder: the adapter starts from the one in it instead of from zero, and rank, alpha, rslora and targets are its "
      "own "
      "(they may be left out, or must agree); empty: a fresh adapter");
    v("rank", rank, "rank of the factors; null: 16, or that of lora.path", AtLeast(1));
    v("alpha", alpha, "the adapter is scaled by alpha / rank; null: 32, or that of lora.path", Positive());
    v("rslora", rslora, "scale by alpha / sqrt(rank) instead (rank-stabilised LoRA); null: false, or as lora.path has it");
    v("dropout", dropout, "of the adapter's input, while training only", Range{.min = 0, .max = 1, .max_open = true});
    v("targets", targets,
      "adapted modules by the last part of their names (q_proj, c_attn, qkv_proj, ...); all-linear: every linear module of the "
      "layers; empty: the same, or those of lora.path",
      OneForList());
  }
};

// PEFT's name for every linear module of the layers.
inline constexpr char kAllLinear[] = "all-linear";

// Numbers of a fresh adapter of this configuration.
int64_t NumLoraParameters(const ModelConfig& model, const LoraConfig& lora);

// The group of the adapter's tensors in a ParameterSet.
inline constexpr char kAdapterGroup[] = "adapter";

// A fresh adapter: A uniform in +-1/sqrt(in) as PEFT starts it, B zero, so that it changes nothing yet. Registers its tensors
// (A of the modules of one product together; see llm/model/adapter.h). InvalidArgument for a target that no module has.
StatusOr<Adapter> CreateAdapter(const LanguageModel& model, const LoraConfig& config, uint64_t seed, ParameterSet& parameters);

// The adapter that a run starts with: a fresh one, or that of config.path.
struct StartedAdapter {
  Adapter adapter;
  PeftConfig config;  // what it goes out with
  // Of what lay in config.path: PeftDigest and PeftShapeDigest.
  std::optional<uint64_t> path_hash, path_shape_hash;
};
// InvalidArgument where a key of the configuration says something else than the folder.
StatusOr<StartedAdapter> StartAdapter(const LanguageModel& model, const LoraConfig& config, uint64_t seed,
                                      ParameterSet& parameters);
// Gives every module the scale that PEFT's settings say.
void SetScales(const PeftConfig& config, Adapter& adapter);
// The configuration with the folder's rank (the largest), alpha, rslora and targets in it: sizes for people and for estimates.
StatusOr<LoraConfig> ResolveLora(const LoraConfig& config);

// The adapter as PEFT's modules, and back. Modules must be of this model's layers and shapes. `config` must give the modules the
// ranks and scales that they have; target_modules become whole paths where last parts would name others too.
PeftAdapter ToPeft(const LanguageModel& model, const Adapter& adapter, const PeftConfig& config, const std::string& base_model);
StatusOr<Adapter> FromPeft(const LanguageModel& model, const PeftAdapter& peft, ParameterSet& parameters);

// Reads one tensor of the base model with the share of its own adapter, if it has one, and of `adapter` added, W + scale B A, in
// fp32: what WriteHfModel asks for.
std::function<StatusOr<at::Tensor>(const std::string& name)> MergedReader(const WeightSource& base, const PeftAdapter& adapter);

}  // namespace gfn
