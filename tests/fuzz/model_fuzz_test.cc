// Model and adapter files, read to the last tensor.
#include <gtest/gtest.h>

#include <filesystem>

#include "gflownet/base/file_util.h"
#include "gflownet/base/test_folder.h"
#include "llm/format/peft_file.h"
#include "llm/format/weight_source.h"
#include "tests/fuzz/fuzz.h"

namespace gfn {
namespace {

const std::string kGolden = GFN_SOURCE_DIR "/tests/golden/";

// Opens the model and reads every tensor.
Status LoadModel(const std::string& path) {
  ASSIGN_OR_RETURN(const auto source, OpenModel(path));
  for (const std::string& name : source->names()) RETURN_IF_ERROR(source->Read(name, at::kFloat).status());
  return source->weight_hash().status();
}

class ModelFuzz : public testing::Test {
 protected:
  // Mutates one file of a copy of a golden file or folder.
  FuzzOutcome FuzzCopy(const std::string& name, const std::string& file, uint64_t seed,
                       const std::function<Status(const std::string&)>& read) {
    const std::string copy = folder_ / BaseName(name), path = file.empty() ? copy : JoinPath(copy, file);
    std::filesystem::copy(kGolden + name, copy, std::filesystem::copy_options::recursive);
    return Fuzz(path, ReadFile(path).value(), seed, [&] { return read(copy); });
  }
  const TestFolder folder_;
};

TEST_F(ModelFuzz, Gguf) {
  EXPECT_GT(FuzzCopy("format/tiny_qwen2.gguf", "", 1, LoadModel).num_read, 0) << "changed weights are weights";
}
TEST_F(ModelFuzz, GgufWithScaledRope) { FuzzCopy("format/tiny_llama3.gguf", "", 2, LoadModel); }
TEST_F(ModelFuzz, YarnConfig) { FuzzCopy("models/tiny_llama_yarn", "config.json", 10, LoadModel); }
TEST_F(ModelFuzz, Safetensors) { FuzzCopy("models/tiny_gpt2", "model.safetensors", 3, LoadModel); }
TEST_F(ModelFuzz, HuggingFaceConfig) { FuzzCopy("models/tiny_llama", "config.json", 4, LoadModel); }
TEST_F(ModelFuzz, GptjConfig) { FuzzCopy("models/tiny_gptj", "config.json", 5, LoadModel); }
TEST_F(ModelFuzz, ShardIndex) { FuzzCopy("models/tiny_llama_sharded", "model.safetensors.index.json", 6, LoadModel); }

TEST_F(ModelFuzz, Llama2c) {
  // Width 8, MLP 8, 2 layers, 2 heads, 1 key/value head, vocabulary 16, 4 positions.
  const int32_t header[] = {8, 8, 2, 2, 1, 16, 4};
  const int num_floats = 16 * 8 + 2 * (2 * 8 + 64 + 32 + 32 + 64 + 3 * 64) + 8 + 4 * 4;
  std::string bytes(reinterpret_cast<const char*>(header), sizeof(header));
  bytes.resize(bytes.size() + 4 * num_floats);
  const std::string path = folder_ / "m.bin";
  Fuzz(path, bytes, 7, [&] { return LoadModel(path); });
}

TEST_F(ModelFuzz, PeftConfig) {
  FuzzCopy("peft/tiny_llama_patterns", "adapter_config.json", 8,
           [](const std::string& folder) { return ReadPeft(folder).status(); });
}
TEST_F(ModelFuzz, PeftWeights) {
  FuzzCopy("peft/tiny_llama", "adapter_model.safetensors", 9,
           [](const std::string& folder) { return ReadPeft(folder).status(); });
}

}  // namespace
}  // namespace gfn
