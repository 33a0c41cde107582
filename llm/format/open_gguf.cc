#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "gflownet/base/check.h"
#include "llm/format/open_model.h"
#include "llm/format/tensor_text.h"

namespace gfn {
namespace {

struct NamePair {
  std::string_view hf, gguf;
};

// Names without ".weight" and ".bias"; those of a layer without "model.layers.7." ("transformer.h.7.") and "blk.7.".
// The pairs are those of gguf-py's tensor_mapping.py.
constexpr std::array kLlamaNames = {NamePair{"model.embed_tokens", "token_embd"},
                                    NamePair{"model.norm", "output_norm"},
                                    NamePair{"lm_head", "output"},
                                    NamePair{"input_layernorm", "attn_norm"},
                                    NamePair{"self_attn.q_proj", "attn_q"},
                                    NamePair{"self_attn.k_proj", "attn_k"},
                                    NamePair{"self_attn.v_proj", "attn_v"},
                                    NamePair{"self_attn.o_proj", "attn_output"},
                                    NamePair{"post_attention_layernorm", "ffn_norm"},
                                    NamePair{"mlp.gate_proj", "ffn_gate"},
                                    NamePair{"mlp.up_proj", "ffn_up"},
                                    NamePair{"mlp.down_proj", "ffn_down"}};
constexpr std::array kGpt2Names = {NamePair{"transformer.wte", "token_embd"},
                                   NamePair{"transformer.wpe", "position_embd"},
                                   NamePair{"transformer.ln_f", "output_norm"},
                                   NamePair{"lm_head", "output"},
                                   NamePair{"ln_1", "attn_norm"},
                                   NamePair{"attn.c_attn", "attn_qkv"},
                                   NamePair{"attn.c_proj", "attn_output"},
                                   NamePair{"ln_2", "ffn_norm"},
                                   NamePair{"mlp.c_fc", "ffn_up"},
                                   NamePair{"mlp.c_proj", "ffn_down"}};

std::string GgufName(Architecture architecture, std::string_view hf_name) {
  const bool is_llama = architecture == Architecture::kLlama;
  const std::string_view layers = is_llama ? "model.layers." : "transformer.h.";
  std::string prefix;
  if (hf_name.starts_with(layers)) {
    hf_name.remove_prefix(layers.size());
    const size_t digits = hf_name.find('.');
    prefix = "blk." + std::string(hf_name.substr(0, digits)) + ".";
    hf_name.remove_prefix(digits + 1);
  }
  const size_t dot = hf_name.rfind('.');
  const std::string_view module = hf_name.substr(0, dot), kind = hf_name.substr(dot);
  const std::span<const NamePair> names =
      is_llama ? std::span<const NamePair>(kLlamaNames) : std::span<const NamePair>(kGpt2Names);
  const auto pair = std::ranges::find(names, module, &NamePair::hf);
  GFN_CHECK(pair != names.end()) << hf_name;
  return prefix + std::string(pair->gguf) + std::string(kind);
}

// The converter permutes q and k of architecture llama only: qwen2 keeps Hugging Face's order.
int64_t InterleavedHeads(const ModelConfig& config, std::string_view hf_name) {
  if (config.architecture != Architecture::kLlama || config.model_type == "qwen2") return 0;
  // Biases as well as weights.
  if (hf_name.find(".q_proj.") != std::string_view::npos) return config.num_heads;
  if (hf_name.find(".k_proj.") != std::string_view::npos) return config.num_kv_heads;
  return 0;
}

}  // namespace

StatusOr<std::unique_ptr<WeightSource>> OpenGgufModel(const std::string& path) {
  ASSIGN_OR_RETURN(GgufFile opened, GgufFile::Open(path));
  const auto file = std::make_shared<const GgufFile>(std::move(opened));
  ASSIGN_OR_RETURN(ModelConfig config, ModelConfigFromGguf(*file));
  std::vector<StoredTensor> tensors;
  std::vector<std::string> missing;
  std::set<std::string, std::less<>> used;
  if (config.architecture == Architecture::kLlama) used.insert(kGgufRopeDivisors);  // in the config
  for (ExpectedTensor& expected : ExpectedTensors(config)) {
    const std::string gguf_name = GgufName(config.architecture, expected.name);
    used.insert(gguf_name);
    const GgufTensor* found = file->FindTensor(gguf_name);
    if (found == nullptr) {
      missing.push_back(gguf_name);
      continue;
    }
    // As rows: GGUF lists the fastest dimension first, and a Conv1D is stored [out, in] like every other matrix.
    std::vector<int64_t> shape(found->dims.rbegin(), found->dims.rend());
    if (expected.conv1d) std::ranges::reverse(shape);
    RETURN_IF_ERROR(CheckShape(path, gguf_name, shape, expected.shape));
    StoredTensor tensor;
    tensor.stored_name = gguf_name;
    tensor.type = found->type;
    tensor.bytes = found->bytes;
    tensor.transposed = expected.conv1d;
    tensor.interleaved_heads = InterleavedHeads(config, expected.name);
    tensor.expected = std::move(expected);
    tensors.push_back(std::move(tensor));
  }
  std::vector<std::string> unexpected;
  for (const GgufTensor& tensor : file->tensors()) {
    if (used.find(tensor.name) == used.end()) unexpected.push_back(tensor.name);
  }
  RETURN_IF_ERROR(CheckNames(path, missing, unexpected));
  return std::make_unique<WeightSource>(std::move(config), "gguf", path, std::move(tensors),
                                        std::vector<std::shared_ptr<const void>>{file});
}

}  // namespace gfn
