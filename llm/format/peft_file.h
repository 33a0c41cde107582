// LoRA adapters in the folder format of Hugging Face PEFT: adapter_config.json and adapter_model.safetensors.
//
// An adapter changes y = W x (+ b) of a module into y + scale * B A x. The tensors are the truth about which modules it has, so
// settings that chose them (a regular expression, "all-linear", exclude_modules, layers_to_transform) are of no account; a
// setting or tensor that would make another function of them (DoRA, biases, modules saved whole, trained embeddings, ...) is
// refused by name. Other files of the folder (gfn_sampler.json, tokenizer files) are left alone and belong to others.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gflownet/base/status.h"

namespace gfn {

struct PeftConfig {
  int64_t rank = 8;
  double alpha = 8;
  bool use_rslora = false;  // scale = alpha / sqrt(rank) instead of alpha / rank
  double dropout = 0;       // in training, on the input of A
  // Last parts of module paths ("q_proj"), or whole paths. Written as given; empty: WritePeft lists the modules' last parts.
  std::vector<std::string> target_modules;
  bool fan_in_fan_out = false;  // the base weight is stored [in, out] (gpt2's Conv1D); A and B have the same shapes all the same
  std::string base_model_name_or_path;
  // Other ranks and alphas by regular expressions that match the whole path or what follows a "." in it; the first of the file's
  // order that matches counts, as in PEFT.
  std::vector<std::pair<std::string, int64_t>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;

  // For one module path, with the patterns applied.
  int64_t RankOf(std::string_view module) const;
  double AlphaOf(std::string_view module) const;
  double ScaleOf(std::string_view module) const;
};

struct LoraTensors {
  at::Tensor a;  // [rank, in]
  at::Tensor b;  // [out, rank]
};

struct PeftAdapter {
  PeftConfig config;
  // By module path in the model: "model.layers.0.self_attn.q_proj", "transformer.h.0.attn.c_attn".
  std::map<std::string, LoraTensors> modules;
};

// Whether any of PEFT's files lies in the folder: then it is meant to be an adapter, whole or not.
bool HoldsPeftFiles(const std::string& folder);

// Tensors come as fp32 on the CPU whatever type they are stored in; ranks agree with the config and numbers are finite. Their
// names may lack "base_model.model." and may hold the adapter's name ("lora_A.default.weight"), as copies of a state dict do.
StatusOr<PeftAdapter> ReadPeft(const std::string& folder);

// "24 modules (q_proj, v_proj), rank 8, alpha 16": for people.
std::string DescribePeft(const PeftAdapter& adapter);

// Identifies the function that the adapter adds: a hash of every module's name, scale and numbers.
uint64_t PeftDigest(const PeftAdapter& adapter);
// The same without the numbers: of names, ranks and scales, which a sampler that was trained from it keeps.
uint64_t PeftShapeDigest(const PeftAdapter& adapter);

// Makes the folder if needed and replaces the two files. Tensors are written in their own dtype (fp32, bf16, fp16), from any
// device. InvalidArgument if a shape disagrees with the config.
Status WritePeft(const std::string& folder, const PeftAdapter& adapter);

}  // namespace gfn
