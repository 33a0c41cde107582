// LoRA adapters of a language model: making fresh ones, to and from PEFT folders, merged into the base weights.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
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
  int64_t rank = 16;
  double alpha = 32;
  bool rslora = false;
  double dropout = 0;
  std::vector<std::string> targets;

  double Scale() const;

  template <class V>
  void Visit(V& v) {
    v("rank", rank, "rank of the factors", AtLeast(1));
    v("alpha", alpha, "the adapter is scaled by alpha / rank", Positive());
    v("rslora", rslora, "scale by alpha / sqrt(rank) instead (rank-stabilised LoRA)");
    v("dropout", dropout, "of the adapter's input, while training only", Range{.min = 0, .max = 1, .max_open = true});
    v("targets", targets,
      "adapted modules by the last part of their names (q_proj, c_attn, ...); empty: every linear module of the layers");
  }
};

// The group of the adapter's tensors in a ParameterSet.
inline constexpr char kAdapterGroup[] = "adapter";

// A fresh adapter: A uniform in +-1/sqrt(in) as PEFT starts it, B zero, so that it changes nothing yet. Registers its tensors
// (A of the modules of one product together; see llm/model/adapter.h). InvalidArgument for a target that no module has.
StatusOr<Adapter> CreateAdapter(const LanguageModel& model, const LoraConfig& config, uint64_t seed, ParameterSet& parameters);

// The adapter as PEFT's modules, and back. A PEFT adapter must have one rank, one scale, and modules of this model's shapes.
PeftAdapter ToPeft(const LanguageModel& model, const Adapter& adapter, const LoraConfig& config, const std::string& base_model);
StatusOr<Adapter> FromPeft(const LanguageModel& model, const PeftAdapter& peft, ParameterSet& parameters);

// Reads one tensor of the base model with the adapter's share added, W + scale B A, in fp32: what WriteHfModel asks for.
std::function<StatusOr<at::Tensor>(const std::string& name)> MergedReader(const WeightSource& base, const PeftAdapter& adapter);

}  // namespace gfn
