#include "llm/format/hf_writer.h"

#include <set>
#include <utility>

#include "gflownet/base/check.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/safetensors_file.h"
#include "gflownet/tensor/exceptions.h"
#include "llm/format/expected_tensors.h"
#include "llm/format/tensor_text.h"

namespace gfn {
namespace {

DType StoredType(at::ScalarType dtype) {
  if (dtype == at::kFloat) return DType::kF32;
  if (dtype == at::kBFloat16) return DType::kBF16;
  GFN_CHECK(dtype == at::kHalf) << at::toString(dtype);
  return DType::kF16;
}

// transformers' name of the type, for config.json.
std::string_view TorchName(DType dtype) {
  if (dtype == DType::kF32) return "float32";
  return dtype == DType::kBF16 ? "bfloat16" : "float16";
}

// GGUF files may have biases that transformers' class of their type has no place for; the class of llama has one for those of all
// four attention projections together, and of all three of the MLP.
StatusOr<ModelConfig> HuggingFaceForm(ModelConfig config) {
  const Family& family = config.family();
  const BiasRule& rule = family.bias;
  const bool attention_fits =
      rule.attention_key || (config.qkv_bias == rule.qkv && config.attention_out_bias == rule.attention_out);
  if (!attention_fits || !(rule.mlp_key || config.mlp_bias == rule.mlp)) {
    const Family& llama = FamilyOf("llama");
    // The other families that compute what llama computes, but for windows and biases.
    const bool is_llama_with_a_window = family.naming == llama.naming && family.attention_norm.hf == llama.attention_norm.hf &&
                                        family.qk_norm == llama.qk_norm && family.layer_ropes == llama.layer_ropes &&
                                        family.mlp_post_norm.empty();
    if (config.sliding_window || !is_llama_with_a_window) {
      return Unimplemented("transformers has no class for a " + config.model_type + " model with these biases" +
                           (config.sliding_window ? " and a sliding window" : ""));
    }
    config.model_type = "llama";
  }
  if (config.family().bias.attention_key) {
    config.qkv_bias = config.attention_out_bias = config.qkv_bias || config.attention_out_bias;
  }
  return config;
}

}  // namespace

Status WriteHfModel(const std::string& folder, const ModelConfig& config, at::ScalarType dtype,
                    const std::function<StatusOr<at::Tensor>(const std::string& name)>& read, const std::string& base_config) {
  const DType stored = StoredType(dtype);
  ASSIGN_OR_RETURN(const ModelConfig form, HuggingFaceForm(config));
  std::string config_text = ModelConfigToHfJson(form, TorchName(stored));
  if (!base_config.empty()) {
    ASSIGN_OR_RETURN(const std::string base_text, ReadFile(base_config));
    ASSIGN_OR_RETURN(config_text, ModelConfigToHfJson(form, TorchName(stored), base_text, base_config));
  }
  std::set<std::string> present;
  for (const ExpectedTensor& tensor : ExpectedTensors(config)) present.insert(tensor.name);
  const std::vector<ExpectedTensor> expected = ExpectedTensors(form);
  std::vector<TensorSpec> specs;
  for (const ExpectedTensor& tensor : expected) specs.push_back({tensor.name, stored, tensor.shape});
  RETURN_IF_ERROR(MakeFolders(folder));
  const std::string path = JoinPath(folder, "model.safetensors");
  // transformers refuses a file that does not say which framework its layout is of.
  ASSIGN_OR_RETURN(SafetensorsWriter writer, SafetensorsWriter::Create(path, std::move(specs), {{"format", "pt"}}));
  RETURN_IF_ERROR(CatchExceptions("writing " + path, [&]() -> Status {
    for (const ExpectedTensor& tensor : expected) {
      at::Tensor value = at::zeros(tensor.shape);
      if (present.contains(tensor.name)) {
        ASSIGN_OR_RETURN(value, read(tensor.name));
      }
      RETURN_IF_ERROR(CheckShape("writing " + path, tensor.name, value.sizes().vec(), tensor.shape));
      const at::Tensor host = value.detach().to(at::kCPU, dtype).contiguous();
      if (!at::isfinite(host).all().item<bool>()) {
        return InvalidArgument("writing " + path + ": tensor '" + tensor.name + "' has numbers that are not finite in " +
                               at::toString(dtype));
      }
      RETURN_IF_ERROR(writer.Write(tensor.name, {static_cast<const std::byte*>(host.const_data_ptr()), host.nbytes()}));
    }
    return OkStatus();
  }));
  RETURN_IF_ERROR(WriteFileAtomic(JoinPath(folder, "config.json"), config_text));
  return writer.Finish();
}

}  // namespace gfn
