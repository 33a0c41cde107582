// A frozen transformer: const, shared by every user, its adapter an argument of the forward pass.
//
// Shapes: N positions of a forest, R rows that are wanted of them, C hidden width, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gflownet/base/rng.h"
#include "gflownet/base/status.h"
#include "llm/format/expected_tensors.h"
#include "llm/format/weight_source.h"
#include "llm/model/adapter.h"
#include "llm/model/forest.h"
#include "llm/model/frozen_matrix.h"
#include "llm/model/ops.h"

namespace gfn {

class KvCache;
class PackedAdapter;

struct ForwardContext {
  const Adapter* adapter = nullptr;  // nullptr: the base model
  bool with_grad = false;            // hidden states are differentiable in the adapter's tensors
  // Addresses the dropout draws of the adapter's inputs; unset: no dropout (sampling, evaluation, rewards).
  std::optional<RngKey> dropout_key;
};

class LanguageModel {
 public:
  struct Options {
    ModelDtype dtype = ModelDtype::kFloat32;
    at::Device device = at::kCPU;
  };
  // Reads one tensor after the other: the peak is the packed model and one tensor. The source's own adapter becomes part of the
  // frozen products.
  static StatusOr<std::unique_ptr<LanguageModel>> Load(const WeightSource& source, Options options);

  // Hidden states behind the final norm at `rows` (positions of the forest, host order), [R, C]. The forest must fit the
  // context (GFN_CHECK; callers check lengths with CheckContext first).
  at::Tensor Forward(const PackedForest& forest, const std::vector<int64_t>& rows, const ForwardContext& context) const;
  // The same for new tokens whose ancestors are in the cache; their keys and values are written to it. Never differentiable.
  // `packed`: PackedAdapter::Make of this adapter where the caller keeps it from step to step.
  // `tokens`: int64 [N] on any device in place of the forest's, whose tokens then only hold places.
  at::Tensor ForwardCached(const PackedForest& forest, const std::vector<int64_t>& rows, const Adapter* adapter, KvCache& cache,
                           const PackedAdapter* packed = nullptr, const at::Tensor& tokens_N = {}) const;

  // Logits of the whole vocabulary for a few rows (one decoding step), [R, V].
  at::Tensor Logits(const at::Tensor& hidden_RC) const;
  // The head's matrix; with a bias (GPT-J) its last input column is the bias and hidden states get a 1 appended: HeadInput.
  const FrozenMatrix& head() const { return tied_head_ ? embedding_ : head_; }
  at::Tensor HeadInput(const at::Tensor& hidden_RC) const;

  const ModelConfig& config() const { return config_; }
  at::Device device() const { return options_.device; }
  ModelDtype dtype() const { return options_.dtype; }
  at::ScalarType activation_type() const { return ActivationType(options_.dtype); }
  // Is the hidden state of a position the same bits whatever stands beside it in a forest, and whether what is before it lies in
  // the forest or in a cache? True of the CPU's kernels (fp32 and bf16, heads of whole vectors), which add up in one order;
  // elsewhere rows are gathered and padded, and the last bits differ.
  bool KeepsBits() const {
    return options_.device.is_cpu() && options_.dtype != ModelDtype::kFloat64 && config_.head_dim % 8 == 0;
  }
  // The modules of a product that an adapter can name, in the order of its outputs.
  std::vector<ModulePart> Parts(int64_t layer, Slot slot) const;
  const FrozenMatrix& Matrix(int64_t layer, Slot slot) const { return layers_[layer].matrices[static_cast<int>(slot)]; }
  int64_t bytes() const;

  // --- for the forward pass (transformer.cc) ---
  struct Layer {
    std::array<NormWeights, kNumNormPlaces> norms;  // undefined weights where the family has none
    std::array<FrozenMatrix, kNumSlots> matrices;

    const NormWeights& norm(NormPlace place) const { return norms[static_cast<size_t>(place)]; }
  };
  const Layer& layer(int64_t index) const { return layers_[index]; }
  const NormWeights& final_norm() const { return final_norm_; }
  // nullptr: the layer's q and k are not rotated.
  const Rotary* rotary(int64_t layer) const;
  AttentionDims attention_dims() const {
    return {config_.num_heads, config_.num_kv_heads, config_.head_dim,
            config_.query_scalar.value_or(static_cast<double>(config_.head_dim))};
  }
  // Token embedding, scaled, plus learned positions, where the model has them, [N, C]. tokens as in ForwardCached.
  at::Tensor Embed(const PackedForest& forest, const at::Tensor& tokens_N = {}) const;

 private:
  LanguageModel(ModelConfig config, Options options) : config_(std::move(config)), options_(options) {}
  Status LoadWeights(const WeightSource& source);
  void MakeRotaries();
  Status SetOwnAdapter(const PeftAdapter& adapter);

  ModelConfig config_;
  Options options_;
  FrozenMatrix embedding_;  // [V, C]
  FrozenMatrix head_;       // only where it is not the embedding
  bool tied_head_ = false;
  at::Tensor position_embedding_;  // GPT-2: [positions, C]
  std::vector<Layer> layers_;
  NormWeights final_norm_;
  Rotary rotary_, local_rotary_;
};

}  // namespace gfn
