#include "llm/format/model_path.h"

#include <algorithm>
#include <string_view>

#include "gflownet/base/file_util.h"
#include "llm/format/gguf_file.h"

namespace gfn {

StatusOr<ModelFormat> DetectModelFormat(const std::string& path) {
  if (FolderExists(path)) {
    if (FileExists(JoinPath(path, "config.json"))) return ModelFormat::kHuggingFace;
    if (FileExists(JoinPath(path, "adapter_config.json"))) {
      return InvalidArgument(path +
                             ": this is a PEFT adapter, not a model; give the folder or file of its base model as the model, and "
                             "this folder as lora.path "
                             "(to train it further), model.adapter (as part of the frozen model), or to gfn sample --adapter");
    }
    return InvalidArgument(path + ": a folder without config.json, expected a Hugging Face model folder");
  }
  ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  if (GgufFile::HasMagic(file.bytes())) return ModelFormat::kGguf;
  if (file.text().starts_with("PK")) {
    return InvalidArgument(path +
                           ": a PyTorch or ZIP archive; expected a GGUF file, a Hugging Face folder with safetensors, or a "
                           "llama2.c .bin");
  }
  // A safetensors file begins with the 8-byte length of a JSON object.
  if (file.text().substr(std::min<size_t>(8, file.text().size())).starts_with("{\"")) {
    return InvalidArgument(path + ": a safetensors file; give the folder that holds it and its config.json");
  }
  return ModelFormat::kLlama2c;
}

StatusOr<ModelConfig> ReadHfConfig(const std::string& folder) {
  const std::string path = JoinPath(folder, "config.json");
  constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  return ModelConfigFromHfJson(text, path);
}

StatusOr<ModelConfig> ReadLlama2cConfig(const MappedFile& file) {
  const size_t header_bytes = std::min<size_t>(file.bytes().size(), kLlama2cHeaderBytes);
  return ModelConfigFromLlama2cHeader(file.bytes().first(header_bytes), file.size(), file.path());
}

StatusOr<ModelConfig> ReadModelConfig(const std::string& path) {
  ASSIGN_OR_RETURN(const ModelFormat format, DetectModelFormat(path));
  switch (format) {
    case ModelFormat::kGguf: {
      ASSIGN_OR_RETURN(const GgufFile file, GgufFile::Open(path));
      return ModelConfigFromGguf(file);
    }
    case ModelFormat::kHuggingFace:
      return ReadHfConfig(path);
    case ModelFormat::kLlama2c: {
      ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
      return ReadLlama2cConfig(file);
    }
  }
  return Internal(path + ": unknown model format");
}

}  // namespace gfn
