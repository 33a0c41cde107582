// What every run has beside its task: seed, device, model, objective, optimiser, limits. Tasks are built from their own struct
// and these settings; tasks/run_config.h joins both to the whole file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/enum_table.h"
#include "gflownet/core/objective.h"
#include "gflownet/core/trainer.h"
#include "gflownet/train/drive.h"
#include "gflownet/train/optimizer.h"
#include "llm/lora/lora.h"
#include "llm/model/frozen_matrix.h"

namespace gfn {

GFN_ENUM_TABLE(ModelDtype, {ModelDtype::kFloat32, "fp32", "32-bit floats"},
               {ModelDtype::kBFloat16, "bf16", "bfloat16 weights, fp32 activations and adapter"},
               {ModelDtype::kFloat64, "fp64", "64-bit floats: for checks on tiny models"})

struct ModelSourceConfig {
  std::string path;
  std::string tokenizer;
  ModelDtype dtype = ModelDtype::kFloat32;
  std::string adapter = "";

  template <class V>
  void Visit(V& v) {
    v("path", path, "a .gguf file, a Hugging Face folder or a llama2.c .bin", Required{}, NonEmpty{});
    v("tokenizer", tokenizer, "a tokenizer file or folder; empty: the one in the model's file or folder");
    v("dtype", dtype, "type of the frozen weights");
    v("adapter", adapter,
      "a PEFT folder whose adapter is part of the frozen model: of the reward and of the base under the policy's own adapter; "
      "empty: "
      "the one that lies in the folder model.path, if any");
  }
};

struct TrainConfig {
  LimitsConfig limits;
  TrainerConfig trainer;
  double memory_limit = 0;
  double max_drift = 0;

  template <class V>
  void Visit(V& v) {
    limits.Visit(v);
    v("memory_limit", memory_limit,
      "GiB that this process may take: an allocation beyond ends the run with its phase and size; 0: what the "
      "machine and its cgroup allow",
      NonNegative(), MayChange());
    v("max_drift", max_drift,
      "largest |log q sampled - log q scored| / max(1, |log q|) of a trajectory that still counts as rounding; beyond it "
      "sampler and scorer are not the same and the run ends. 0: what rounding explains, 1e-4 on the CPU in fp32 and bf16",
      NonNegative());
    trainer.Visit(v);
  }
};

struct EvaluationConfig {
  int64_t samples = 16;
  int64_t max_conditions = 0;
  int64_t batch_rows = 64;

  template <class V>
  void Visit(V& v) {
    v("samples", samples, "samples of each condition in `gfn eval` and in validation", AtLeast(2));
    v("max_conditions", max_conditions, "evaluate only the first so many conditions while training; 0: all", NonNegative());
    v("batch_rows", batch_rows, "rollouts that are sampled at a time", AtLeast(1));
  }
};

struct RunSettings {
  std::string name = "run";
  int64_t seed = 1;
  std::string device = "cpu";
  int threads = 0;
  std::optional<ModelSourceConfig> model;  // of a task on a language model: given; of a world: absent, as lora is
  std::optional<LoraConfig> lora;
  ObjectiveConfig objective = ModifiedSubTbConfig{};
  std::variant<MaximumLikelihoodConfig> warm_start;
  TrainConfig train;
  OptimizerConfig optimizer;
  ValidationConfig validation;
  EvaluationConfig evaluation;
  CheckpointConfig checkpoint;
  bool tensorboard = false;
};

}  // namespace gfn
