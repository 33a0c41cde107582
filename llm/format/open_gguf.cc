#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "llm/format/open_model.h"
#include "llm/format/tensor_text.h"

namespace gfn {
StatusOr<std::unique_ptr<WeightSource>> OpenGgufModel(const std::string& path) {
  ASSIGN_OR_RETURN(GgufFile opened, GgufFile::Open(path));
  const auto file = std::make_shared<const GgufFile>(std::move(opened));
  ASSIGN_OR_RETURN(ModelConfig config, ModelConfigFromGguf(*file));
  std::vector<StoredTensor> tensors;
  std::vector<std::string> missing;
  std::set<std::string, std::less<>> used;
  const Family& family = config.family();
  if (family.rotates) used.insert({kGgufRopeDivisors, kGgufShortDivisors, kGgufLongDivisors});  // in the config
  for (ExpectedTensor& expected : ExpectedTensors(config)) {
    const std::string gguf_name = expected.gguf;
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
    if (family.gguf_interleaves) tensor.interleaved_heads = expected.heads;
    if (expected.norm) tensor.added = family.norm_offset;
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
