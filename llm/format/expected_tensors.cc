#include "llm/format/expected_tensors.h"

#include "gflownet/base/check.h"

namespace gfn {
namespace {

using Tensors = std::vector<ExpectedTensor>;

// D hidden, F intermediate, Q = heads x head_dim, K = kv heads x head_dim, V vocabulary, P positions.
void AddLlama(const ModelConfig& c, Tensors& out) {
  const int64_t D = c.hidden_size, F = c.intermediate_size, V = c.vocab_size;
  const int64_t Q = c.num_heads * c.head_dim, K = c.num_kv_heads * c.head_dim;
  const auto add = [&](const std::string& name, int64_t rows, int64_t columns, bool bias) {
    out.push_back({name + ".weight", {rows, columns}});
    if (bias) out.push_back({name + ".bias", {rows}});
  };
  out.push_back({"model.embed_tokens.weight", {V, D}});
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    out.push_back({layer + "input_layernorm.weight", {D}});
    add(layer + "self_attn.q_proj", Q, D, c.qkv_bias);
    add(layer + "self_attn.k_proj", K, D, c.qkv_bias);
    add(layer + "self_attn.v_proj", K, D, c.qkv_bias);
    add(layer + "self_attn.o_proj", D, Q, c.attention_out_bias);
    out.push_back({layer + "post_attention_layernorm.weight", {D}});
    add(layer + "mlp.gate_proj", F, D, c.mlp_bias);
    add(layer + "mlp.up_proj", F, D, c.mlp_bias);
    add(layer + "mlp.down_proj", D, F, c.mlp_bias);
  }
  out.push_back({"model.norm.weight", {D}});
}

void AddNorm(const std::string& name, int64_t size, Tensors& out) {
  out.push_back({name + ".weight", {size}});
  out.push_back({name + ".bias", {size}});
}

void AddGpt2(const ModelConfig& c, Tensors& out) {
  const int64_t D = c.hidden_size, F = c.intermediate_size;
  const auto add_conv1d = [&](const std::string& name, int64_t in, int64_t out_size) {
    out.push_back({name + ".weight", {in, out_size}, /*conv1d=*/true});
    out.push_back({name + ".bias", {out_size}});
  };
  out.push_back({"transformer.wte.weight", {c.vocab_size, D}});
  out.push_back({"transformer.wpe.weight", {c.max_positions, D}});
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const std::string layer = "transformer.h." + std::to_string(i) + ".";
    AddNorm(layer + "ln_1", D, out);
    add_conv1d(layer + "attn.c_attn", D, 3 * D);
    add_conv1d(layer + "attn.c_proj", D, D);
    AddNorm(layer + "ln_2", D, out);
    add_conv1d(layer + "mlp.c_fc", D, F);
    add_conv1d(layer + "mlp.c_proj", F, D);
  }
  AddNorm("transformer.ln_f", D, out);
}

void AddGptJ(const ModelConfig& c, Tensors& out) {
  const int64_t D = c.hidden_size, F = c.intermediate_size;
  out.push_back({"transformer.wte.weight", {c.vocab_size, D}});
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const std::string layer = "transformer.h." + std::to_string(i) + ".";
    AddNorm(layer + "ln_1", D, out);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      out.push_back({layer + "attn." + name + ".weight", {D, D}});
    }
    out.push_back({layer + "mlp.fc_in.weight", {F, D}});
    out.push_back({layer + "mlp.fc_in.bias", {F}});
    out.push_back({layer + "mlp.fc_out.weight", {D, F}});
    out.push_back({layer + "mlp.fc_out.bias", {D}});
  }
  AddNorm("transformer.ln_f", D, out);
}

}  // namespace

std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config) {
  Tensors tensors;
  switch (config.architecture) {
    case Architecture::kLlama:
      AddLlama(config, tensors);
      break;
    case Architecture::kGpt2:
      AddGpt2(config, tensors);
      break;
    case Architecture::kGptJ:
      AddGptJ(config, tensors);
      break;
  }
  GFN_CHECK(!tensors.empty()) << "architecture " << static_cast<int>(config.architecture);
  if (!config.tie_embeddings) tensors.push_back({"lm_head.weight", {config.vocab_size, config.hidden_size}});
  if (config.lm_head_bias) tensors.push_back({"lm_head.bias", {config.vocab_size}});
  return tensors;
}

bool IsConv1D(const ModelConfig& config, std::string_view name) {
  if (config.architecture != Architecture::kGpt2) return false;
  for (const char* suffix : {".c_attn.weight", ".c_proj.weight", ".c_fc.weight"}) {
    if (name.ends_with(suffix)) return true;
  }
  return false;
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

}  // namespace gfn
