#include "llm/format/expected_tensors.h"

#include <algorithm>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

int64_t WidthOf(const ModelConfig& c, Piece piece) {
  switch (piece) {
    case Piece::kQuery:
      return c.q_width();
    case Piece::kKey:
    case Piece::kValue:
      return c.kv_width();
    case Piece::kHidden:
      return c.hidden_size;
    case Piece::kGate:
    case Piece::kUp:
      return c.intermediate_size;
  }
  GFN_CHECK(false) << "piece " << static_cast<int>(piece);
  return 0;
}

int64_t InputsOf(const ModelConfig& c, Slot slot) {
  if (slot == Slot::kAttentionOut) return c.q_width();
  return slot == Slot::kDown ? c.intermediate_size : c.hidden_size;
}

bool HasBias(const ModelConfig& c, Slot slot) {
  if (slot == Slot::kQkv) return c.qkv_bias;
  return slot == Slot::kAttentionOut ? c.attention_out_bias : c.mlp_bias;
}

// The list as it grows: weights and biases under both names.
class TensorList {
 public:
  explicit TensorList(const ModelConfig& config) : config_(config) {}

  void AddOuter(const NameInFiles& name, std::vector<int64_t> shape) {
    Add(std::string(name.hf), std::string(name.gguf), ".weight", std::move(shape));
  }
  void AddOuterNorm(const NameInFiles& name, int64_t width) { AddNorm(std::string(name.hf), std::string(name.gguf), width); }
  void AddNormOfLayer(int64_t layer, NormPlace place) {
    const LayerNorm norm = NormOf(config_, place);
    if (!norm.name.empty()) AddNorm(NameInLayer(config_, layer, norm.name.hf), InBlock(layer, norm.name.gguf), norm.width);
  }
  void AddProduct(int64_t layer, Slot slot) {
    const Product product = ProductOf(config_, slot);
    const bool conv1d = config_.family().naming->conv1d;
    for (const LinearModule& module : product.modules) {
      const std::string name = NameInLayer(config_, layer, module.name), gguf = InBlock(layer, module.gguf);
      std::vector<int64_t> shape = {module.outputs, product.inputs};
      if (conv1d) std::ranges::reverse(shape);
      ExpectedTensor& weight = Add(name, gguf, ".weight", std::move(shape));
      weight.conv1d = conv1d;
      weight.heads = module.heads;
      if (product.bias) Add(name, gguf, ".bias", {module.outputs}).heads = module.heads;
    }
  }
  std::vector<ExpectedTensor> Take() && { return std::move(tensors_); }

 private:
  static std::string InBlock(int64_t layer, std::string_view name) {
    return "blk." + std::to_string(layer) + "." + std::string(name);
  }
  ExpectedTensor& Add(const std::string& name, const std::string& gguf, const char* kind, std::vector<int64_t> shape) {
    return tensors_.emplace_back(ExpectedTensor{.name = name + kind, .shape = std::move(shape), .gguf = gguf + kind});
  }
  void AddNorm(const std::string& name, const std::string& gguf, int64_t width) {
    Add(name, gguf, ".weight", {width}).norm = true;
    if (config_.family().norm == NormKind::kLayer) Add(name, gguf, ".bias", {width});
  }

  const ModelConfig& config_;
  std::vector<ExpectedTensor> tensors_;
};

}  // namespace

int64_t Product::outputs() const {
  int64_t sum = 0;
  for (const LinearModule& module : modules) sum += module.outputs;
  return sum;
}

Product ProductOf(const ModelConfig& config, Slot slot) {
  Product product{.inputs = InputsOf(config, slot), .bias = HasBias(config, slot), .modules = {}};
  for (const ModuleRow& row : config.family().naming->products[static_cast<size_t>(slot)]) {
    LinearModule module{.name = std::string(row.name.hf), .gguf = std::string(row.name.gguf)};
    for (const Piece piece : row.outputs) module.outputs += WidthOf(config, piece);
    if (row.outputs.size() == 1 && row.outputs[0] == Piece::kQuery) module.heads = config.num_heads;
    if (row.outputs.size() == 1 && row.outputs[0] == Piece::kKey) module.heads = config.num_kv_heads;
    product.modules.push_back(std::move(module));
  }
  return product;
}

std::string NameInLayer(const ModelConfig& config, int64_t layer, std::string_view name) {
  return std::string(config.family().naming->layers) + std::to_string(layer) + "." + std::string(name);
}

LayerNorm NormOf(const ModelConfig& config, NormPlace place) {
  const Family& family = config.family();
  const bool of_heads = family.qk_norm == QkNorm::kHead;
  switch (place) {
    case NormPlace::kAttention:
      return {family.attention_norm, config.hidden_size};
    case NormPlace::kQuery:
      if (family.qk_norm == QkNorm::kNone) return {};
      return {{"self_attn.q_norm", "attn_q_norm"}, of_heads ? config.head_dim : config.q_width()};
    case NormPlace::kKey:
      if (family.qk_norm == QkNorm::kNone) return {};
      return {{"self_attn.k_norm", "attn_k_norm"}, of_heads ? config.head_dim : config.kv_width()};
    case NormPlace::kAttentionPost:
      return {family.attention_post_norm, config.hidden_size};
    case NormPlace::kMlp:
      return {family.mlp_norm, config.hidden_size};
    case NormPlace::kMlpPost:
      return {family.mlp_post_norm, config.hidden_size};
  }
  GFN_CHECK(false) << "norm " << static_cast<int>(place);
  return {};
}

std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config) {
  const Family& family = config.family();
  const Naming& naming = *family.naming;
  TensorList list(config);
  list.AddOuter(naming.embedding, {config.vocab_size, config.hidden_size});
  if (!naming.positions.empty()) list.AddOuter(naming.positions, {config.max_positions, config.hidden_size});
  for (int64_t i = 0; i < config.num_layers; ++i) {
    list.AddNormOfLayer(i, NormPlace::kAttention);
    list.AddProduct(i, Slot::kQkv);
    list.AddNormOfLayer(i, NormPlace::kQuery);
    list.AddNormOfLayer(i, NormPlace::kKey);
    list.AddProduct(i, Slot::kAttentionOut);
    list.AddNormOfLayer(i, NormPlace::kAttentionPost);
    list.AddNormOfLayer(i, NormPlace::kMlp);
    list.AddProduct(i, Slot::kUp);
    list.AddProduct(i, Slot::kDown);
    list.AddNormOfLayer(i, NormPlace::kMlpPost);
  }
  list.AddOuterNorm(naming.final_norm, config.hidden_size);
  std::vector<ExpectedTensor> tensors = std::move(list).Take();
  if (!config.tie_embeddings) {
    tensors.push_back({.name = "lm_head.weight", .shape = {config.vocab_size, config.hidden_size}, .gguf = "output.weight"});
  }
  if (family.lm_head_bias) tensors.push_back({.name = "lm_head.bias", .shape = {config.vocab_size}, .gguf = "output.bias"});
  return tensors;
}

bool IsConv1D(const ModelConfig& config, std::string_view name) {
  const Naming& naming = *config.family().naming;
  constexpr std::string_view kWeight = ".weight";
  if (!naming.conv1d || !name.starts_with(naming.layers) || !name.ends_with(kWeight)) return false;
  name.remove_suffix(kWeight.size());
  return std::ranges::any_of(naming.products, [&](const std::vector<ModuleRow>& modules) {
    return std::ranges::any_of(modules, [&](const ModuleRow& module) { return name.ends_with(module.name.hf); });
  });
}

int64_t NumParameters(const ModelConfig& config) {
  int64_t total = 0;
  for (const ExpectedTensor& tensor : ExpectedTensors(config)) {
    int64_t size = 1;
    for (const int64_t n : tensor.shape) size *= n;
    total += size;
  }
  return total;
}

int64_t NumTapeNumbers(const ModelConfig& config) {
  const auto has = [&](NormPlace place) { return NormOf(config, place).name.empty() ? 0 : 1; };
  const int64_t attention = config.q_width() + config.num_heads;  // its output and normaliser
  int64_t numbers =
      2 * config.hidden_size + ProductOf(config, Slot::kQkv).outputs() + attention + ProductOf(config, Slot::kUp).outputs();
  numbers += (has(NormPlace::kAttentionPost) + has(NormPlace::kMlpPost)) * config.hidden_size;
  numbers += has(NormPlace::kQuery) * (config.q_width() + config.kv_width());
  return numbers;
}

}  // namespace gfn
