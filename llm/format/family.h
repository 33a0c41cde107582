// The table of model families: what the layers of each compute and what its tensors are called, a row a family.
//
// Everything that depends on the family is derived from its row: which keys of a config count, which tensors are expected under
// which names, the products of a layer and the modules that an adapter can name in them, memory, the forward pass and the way
// back. A layer is
//
//   m = x + post(attention(pre(x))),   y = m + post(mlp(pre(m)))       (parallel: y = x + attention(pre(x)) + mlp(pre(x)))
//
// where each norm may be missing, attention is softmax(q k^T / sqrt(s)) v behind norms of q and k (none, of each head, of the
// whole width) and a rotation, and the MLP is down(act(gate) * up) or down(act(up)). No torch.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "gflownet/base/enum_table.h"

namespace gfn {

// The frozen products of a layer, in the order of the forward pass.
enum class Slot { kQkv, kAttentionOut, kUp, kDown };
inline constexpr int kNumSlots = 4;

// The outputs of a product, in the order in which the pass reads them: q, k, v; gate, up.
enum class Piece { kQuery, kKey, kValue, kHidden, kGate, kUp };

enum class NormKind { kRms, kLayer };        // LayerNorm has a bias
enum class QkNorm { kNone, kHead, kWidth };  // what q and k are normalised over, before the rotation
enum class Activation { kSilu, kGeluTanh };
GFN_ENUM_TABLE(Activation, {Activation::kSilu, "silu"}, {Activation::kGeluTanh, "gelu_tanh"})

// Which layers attend within a window, as the family's config says it (where it has the keys at all).
enum class WindowRule {
  kNone,
  kAll,      // sliding_window, all layers
  kUse,      // only with use_sliding_window, layers from max_window_layers on, or by layer_types
  kUseNope,  // only with use_sliding_window, layers without rotation, or by layer_types
  kTypes,    // sliding_window, by layer_types or every layer but each sixth
};
// How the rotation differs between layers.
enum class LayerRopes {
  kSame,
  kSomeNone,  // no_rope_layers: some are not rotated
  kLocal,     // layers with a window have a base of their own, unscaled
};
// Which biases the linear modules have, as the family's config says it.
struct BiasRule {
  bool attention_key = false;  // attention_bias: q, k, v and the output
  bool mlp_key = false;        // mlp_bias: all of the MLP
  // whatever the keys say
  bool qkv = false, attention_out = false, mlp = false;
};

// A tensor's name in Hugging Face's files and in GGUF; those of a layer without "model.layers.7." and "blk.7.".
struct NameInFiles {
  std::string_view hf = {}, gguf = {};
  bool empty() const { return hf.empty(); }
};
// One linear module of a product.
struct ModuleRow {
  NameInFiles name = {};
  std::vector<Piece> outputs = {};
};

// Names and stored forms that families share.
struct Naming {
  std::string_view name = {};    // "llama"
  std::string_view root = {};    // "model.": absent in exports of the bare model
  std::string_view layers = {};  // "model.layers."
  NameInFiles embedding = {}, positions = {}, final_norm = {};
  std::array<std::vector<ModuleRow>, kNumSlots> products = {};
  bool conv1d = false;  // linear modules are stored [in, out]
  // Buffers that transformers makes itself, by the ends of their names.
  std::vector<std::string_view> buffers = {};
};

struct Family {
  std::string_view model_type = {};  // "qwen3"
  std::string_view hf_class = {};    // "Qwen3ForCausalLM"
  std::string_view gguf = {};        // general.architecture; "": llama.cpp has none
  const Naming* naming = nullptr;

  NormKind norm = NormKind::kRms;
  double norm_offset = 0;  // norms multiply by this plus the stored weight; GGUF stores the sum
  NameInFiles attention_norm = {}, attention_post_norm = {}, mlp_norm = {}, mlp_post_norm = {};  // empty: none
  bool parallel = false;  // attention and MLP read the attention norm
  QkNorm qk_norm = QkNorm::kNone;
  Activation activation = Activation::kSilu;
  bool gated = true;
  bool scaled_embedding = false;  // by the root of the hidden size
  bool lm_head_bias = false;

  bool rotates = true;            // false: learned positions
  bool rope_interleaved = false;  // pairs (2i, 2i + 1) of a head, not (i, i + rotary_dim / 2)
  bool partial_rotary = false;    // may rotate the first numbers of a head alone
  LayerRopes layer_ropes = LayerRopes::kSame;
  double default_rope_theta = 10000.0;
  bool gguf_interleaves = false;  // GGUF stores rows of q and k in the order of interleaved rope

  // What transformers takes where a config.json lacks the key.
  int64_t default_head_dim = 0;            // 0: the hidden size over the number of heads
  double default_query_scalar = 0;         // 0: no such key, the head size
  int64_t default_window = 0;              // 0: none
  int64_t default_original_positions = 0;  // of longrope; 0: the model's positions
  bool ties_by_default = false;
  std::string_view activation_key = "hidden_act";
  BiasRule bias = {};
  WindowRule window = WindowRule::kNone;
  std::vector<std::string_view> own_keys = {};  // keys that are foreign to the others (hf_foreign_keys.cc)
};

std::span<const Family> Families();
// By Hugging Face's model_type, nullptr if there is none.
const Family* FindFamily(std::string_view model_type);
// The same where it is known to be there.
const Family& FamilyOf(std::string_view model_type);
// The first of this general.architecture, nullptr if there is none.
const Family* FindGgufFamily(std::string_view architecture);

}  // namespace gfn
