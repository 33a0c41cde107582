#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/safetensors_file.h"
#include "llm/format/json_fields.h"
#include "llm/format/model_path.h"
#include "llm/format/open_model.h"
#include "llm/format/tensor_text.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

constexpr char kHeadName[] = "lm_head.weight";

// Where each tensor of the folder is, by its name in ExpectedTensors.
struct HfTensors {
  std::map<std::string, TensorView> by_name;
  std::vector<std::shared_ptr<const void>> files;
};

std::string_view ModelPrefix(const ModelConfig& config) { return config.family().naming->root; }

bool HasPrefix(const ModelConfig& config, std::string_view name) {
  return name.starts_with(ModelPrefix(config)) || name.starts_with("lm_head.");
}

// Exports of the bare model (GPT2Model, LlamaModel) leave out the prefix of the model inside the causal LM.
std::string CanonicalName(const ModelConfig& config, const std::string& name) {
  return HasPrefix(config, name) ? name : std::string(ModelPrefix(config)) + name;
}

// Buffers that transformers makes itself.
bool IsIgnored(const ModelConfig& config, std::string_view name) {
  return std::ranges::any_of(config.family().naming->buffers, [&](std::string_view end) { return name.ends_with(end); });
}

Status AddTensor(const ModelConfig& config, const std::string& path, const TensorView& view, HfTensors& out) {
  const std::string name = CanonicalName(config, view.name);
  const auto [place, is_new] = out.by_name.emplace(name, view);
  if (is_new) return OkStatus();
  return DataLoss(path + ": tensor '" + view.name + "' is there twice" +
                  (place->second.name == view.name ? "" : ", the other time as '" + place->second.name + "'"));
}

Status AddFile(const ModelConfig& config, const std::string& path, HfTensors& out) {
  ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  for (const TensorView& view : file.tensors()) RETURN_IF_ERROR(AddTensor(config, path, view, out));
  out.files.push_back(file.mapping());
  return OkStatus();
}

// The index maps each tensor to the shard that holds it.
Status AddShards(const ModelConfig& config, const std::string& folder, const std::string& index_path, HfTensors& out) {
  ASSIGN_OR_RETURN(const nlohmann::json parsed, ReadJsonFile(index_path));
  ASSIGN_OR_RETURN(const JsonFields fields, JsonFields::Of(parsed, index_path));
  const nlohmann::json* weight_map = fields.Find("weight_map");
  if (weight_map == nullptr || !weight_map->is_object() || weight_map->empty()) {
    return fields.Wrong("weight_map", "an object that maps tensor names to files");
  }
  std::map<std::string, std::vector<std::string>> names_of_shard;
  for (const auto& [name, shard] : weight_map->items()) {
    const bool plain = shard.is_string() && shard.get<std::string>().ends_with(".safetensors") &&
                       shard.get<std::string>().find_first_of("/\\") == std::string::npos;
    if (!plain) return DataLoss(index_path + ": tensor '" + name + "' is not mapped to a .safetensors file of this folder");
    names_of_shard[shard.get<std::string>()].push_back(name);
  }
  for (const auto& [shard, names] : names_of_shard) {
    const std::string path = JoinPath(folder, shard);
    ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
    for (const std::string& name : names) {
      ASSIGN_OR_RETURN(const TensorView view, file.Get(name));
      RETURN_IF_ERROR(AddTensor(config, path, view, out));
    }
    out.files.push_back(file.mapping());
  }
  return OkStatus();
}

StatusOr<HfTensors> FindTensors(const ModelConfig& config, const std::string& folder) {
  HfTensors tensors;
  const std::string single = JoinPath(folder, "model.safetensors");
  const std::string index = JoinPath(folder, "model.safetensors.index.json");
  if (FileExists(single)) {
    RETURN_IF_ERROR(AddFile(config, single, tensors));
  } else if (FileExists(index)) {
    RETURN_IF_ERROR(AddShards(config, folder, index, tensors));
  } else {
    const bool has_pickle =
        FileExists(JoinPath(folder, "pytorch_model.bin")) || FileExists(JoinPath(folder, "pytorch_model.bin.index.json"));
    return NotFound(folder + ": neither model.safetensors nor model.safetensors.index.json" +
                    (has_pickle ? "; pytorch_model.bin is not read, save the model again with save_pretrained" : ""));
  }
  return tensors;
}

StatusOr<GgmlType> TypeOf(const std::string& folder, const TensorView& view) {
  switch (view.dtype) {
    case DType::kF32:
      return GgmlType::kF32;
    case DType::kF16:
      return GgmlType::kF16;
    case DType::kBF16:
      return GgmlType::kBF16;
    default:
      break;
  }
  return Unimplemented(folder + ": tensor '" + view.name + "' is stored as " + std::string(EnumName(view.dtype)) +
                       ", supported are F32, F16, BF16");
}

StatusOr<StoredTensor> Stored(const std::string& folder, const TensorView& view, ExpectedTensor expected) {
  RETURN_IF_ERROR(CheckShape(folder, view.name, view.shape, expected.shape));
  StoredTensor tensor;
  ASSIGN_OR_RETURN(tensor.type, TypeOf(folder, view));
  tensor.bytes = view.bytes;
  tensor.stored_name = view.name;
  tensor.expected = std::move(expected);
  return tensor;
}

StatusOr<at::Tensor> Numbers(const std::string& folder, const ModelConfig& config, const StoredTensor& tensor) {
  WeightSource source(config, "huggingface", folder, {tensor}, {});
  source.set_check_finite(false);  // whoever reads the model checks
  return source.Read(tensor.expected.name, at::kFloat);
}

// A file of a tied model may hold the head: as the only one of the two, as a copy, or as a head of its own, which then counts.
Status ResolveTiedHead(const std::string& folder, ModelConfig& config, HfTensors& found) {
  const auto head = found.by_name.find(kHeadName);
  if (!config.tie_embeddings || head == found.by_name.end()) return OkStatus();
  const ExpectedTensor expected = ExpectedTensors(config).front();  // the embedding
  const auto embedding = found.by_name.find(expected.name);
  if (embedding == found.by_name.end()) {
    found.by_name.emplace(expected.name, head->second);
    found.by_name.erase(head);
    return OkStatus();
  }
  ASSIGN_OR_RETURN(const StoredTensor first, Stored(folder, embedding->second, expected));
  ASSIGN_OR_RETURN(const StoredTensor second, Stored(folder, head->second, expected));
  bool equal = first.type == second.type && std::ranges::equal(first.bytes, second.bytes);
  if (first.type != second.type) {  // the same numbers may be stored in two types
    ASSIGN_OR_RETURN(const at::Tensor x, Numbers(folder, config, first));
    ASSIGN_OR_RETURN(const at::Tensor y, Numbers(folder, config, second));
    equal = at::equal(x, y);
  }
  if (equal) {
    found.by_name.erase(head);
  } else {
    config.tie_embeddings = false;
  }
  return OkStatus();
}

// A missing tensor by the name that this file would have for it.
std::string NameInFile(const ModelConfig& config, const HfTensors& found, const std::string& name) {
  const bool bare = !found.by_name.empty() && std::ranges::none_of(found.by_name, [&](const auto& entry) {
    return entry.second.name.starts_with(ModelPrefix(config));
  });
  return bare && name.starts_with(ModelPrefix(config)) ? name.substr(ModelPrefix(config).size()) : name;
}

}  // namespace

StatusOr<std::unique_ptr<WeightSource>> OpenHfModel(const std::string& folder) {
  ASSIGN_OR_RETURN(ModelConfig config, ReadHfConfig(folder));
  ASSIGN_OR_RETURN(HfTensors found, FindTensors(config, folder));
  RETURN_IF_ERROR(ResolveTiedHead(folder, config, found));
  std::vector<StoredTensor> tensors;
  std::vector<std::string> missing, unexpected;
  std::set<std::string> used;
  for (ExpectedTensor& expected : ExpectedTensors(config)) {
    const auto it = found.by_name.find(expected.name);
    if (it == found.by_name.end()) {
      missing.push_back(NameInFile(config, found, expected.name));
      continue;
    }
    used.insert(expected.name);
    ASSIGN_OR_RETURN(StoredTensor tensor, Stored(folder, it->second, std::move(expected)));
    tensors.push_back(std::move(tensor));
  }
  for (const auto& [name, view] : found.by_name) {
    if (!used.contains(name) && !IsIgnored(config, name)) unexpected.push_back(view.name);
  }
  RETURN_IF_ERROR(CheckNames(folder, missing, unexpected));
  return std::make_unique<WeightSource>(std::move(config), "huggingface", folder, std::move(tensors), std::move(found.files));
}

}  // namespace gfn
