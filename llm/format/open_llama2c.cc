#include <map>
#include <string>
#include <utility>

#include "gflownet/base/check.h"
#include "llm/format/model_path.h"
#include "llm/format/open_model.h"

namespace gfn {
namespace {

int64_t NumElementsOf(const ExpectedTensor& tensor) {
  int64_t size = 1;
  for (const int64_t n : tensor.shape) size *= n;
  return size;
}

// Hugging Face names in the order of the file: each kind of weight of all layers together (llama2.c, run.c memory_map_weights).
std::vector<std::string> NamesBeforeRope(const ModelConfig& config) {
  std::vector<std::string> names = {"model.embed_tokens.weight"};
  for (const char* kind : {"input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                           "post_attention_layernorm", "mlp.gate_proj", "mlp.down_proj", "mlp.up_proj"}) {
    for (int64_t i = 0; i < config.num_layers; ++i) {
      names.push_back("model.layers." + std::to_string(i) + "." + kind + ".weight");
    }
  }
  names.emplace_back("model.norm.weight");
  return names;
}

}  // namespace

StatusOr<std::unique_ptr<WeightSource>> OpenLlama2cModel(const std::string& path) {
  ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
  const auto file = std::make_shared<const MappedFile>(std::move(mapped));
  ASSIGN_OR_RETURN(ModelConfig config, ReadLlama2cConfig(*file));

  std::map<std::string, int64_t> num_elements;
  for (const ExpectedTensor& expected : ExpectedTensors(config)) num_elements[expected.name] = NumElementsOf(expected);
  std::map<std::string, int64_t> offset_of;  // in bytes
  int64_t offset = kLlama2cHeaderBytes;
  for (const std::string& name : NamesBeforeRope(config)) {
    offset_of[name] = offset;
    offset += 4 * num_elements.at(name);
  }
  offset += 4 * config.max_positions * config.head_dim;  // cosines and sines
  if (!config.tie_embeddings) {
    offset_of["lm_head.weight"] = offset;
    offset += 4 * num_elements.at("lm_head.weight");
  }
  GFN_CHECK_EQ(offset, file->size());  // the header's check allows no other size

  std::vector<StoredTensor> tensors;
  for (ExpectedTensor& expected : ExpectedTensors(config)) {
    StoredTensor tensor;
    const int64_t num_bytes = 4 * num_elements.at(expected.name);
    tensor.bytes = file->bytes().subspan(static_cast<size_t>(offset_of.at(expected.name)), static_cast<size_t>(num_bytes));
    tensor.interleaved_heads = expected.heads;
    tensor.expected = std::move(expected);
    tensors.push_back(std::move(tensor));
  }
  return std::make_unique<WeightSource>(std::move(config), "llama2c", path, std::move(tensors),
                                        std::vector<std::shared_ptr<const void>>{file});
}

}  // namespace gfn
