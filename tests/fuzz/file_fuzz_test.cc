// What is read without LibTorch: configurations, and the structure of model files.
#include <gtest/gtest.h>

#include <filesystem>

#include "gflownet/base/config_test_structs.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/safetensors_file.h"
#include "gflownet/base/test_folder.h"
#include "llm/format/gguf_dequantize.h"
#include "llm/format/gguf_file.h"
#include "llm/format/model_config.h"
#include "tests/fuzz/fuzz.h"

namespace gfn {
namespace {

const std::string kGolden = GFN_SOURCE_DIR "/tests/golden/";

// Every number of every tensor.
Status ReadGguf(const std::string& path) {
  ASSIGN_OR_RETURN(const GgufFile file, GgufFile::Open(path));
  for (const GgufTensor& tensor : file.tensors()) {
    std::vector<float> values(static_cast<size_t>(tensor.num_elements));
    Dequantize(tensor.type, tensor.bytes, values);
  }
  return OkStatus();
}

// Every byte of every tensor.
Status ReadSafetensors(const std::string& path) {
  ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  int64_t sum = 0;
  for (const TensorView& view : file.tensors()) {
    for (const std::byte byte : view.bytes) sum += std::to_integer<int>(byte);
  }
  return sum >= 0 ? OkStatus() : Internal("impossible");
}

class FileFuzz : public testing::Test {
 protected:
  void FuzzGolden(const std::string& name, uint64_t seed, const std::function<Status(const std::string&)>& read) {
    const std::string path = folder_ / BaseName(name);
    Fuzz(path, ReadFile(kGolden + name).value(), seed, [&] { return read(path); });
  }
  const TestFolder folder_;
};

TEST_F(FileFuzz, Gguf) { FuzzGolden("format/blocks.gguf", 41, ReadGguf); }
TEST_F(FileFuzz, GgufConfig) {
  FuzzGolden("format/tiny_qwen2.gguf", 42, [](const std::string& path) { return ReadModelConfig(path).status(); });
}
TEST_F(FileFuzz, GgufConfigWithLongrope) {
  FuzzGolden("format/tiny_phi3.gguf", 45, [](const std::string& path) { return ReadModelConfig(path).status(); });
}
TEST_F(FileFuzz, Safetensors) { FuzzGolden("base/every_type.safetensors", 43, ReadSafetensors); }

TEST_F(FileFuzz, HuggingFaceConfig) {
  for (const char* name : {"tiny_llama", "tiny_gpt2", "tiny_gptj", "tiny_qwen2", "tiny_smollm3", "tiny_gemma3", "tiny_phi3"}) {
    FuzzGolden(std::string("models/") + name + "/config.json", 44,
               [&](const std::string& path) { return ReadModelConfig(ParentFolder(path)).status(); });
  }
}

TEST_F(FileFuzz, Yaml) {
  config_test::Recipe config;
  config.data = "stories.jsonl";
  config.stages = {{.name = "first", .steps = 3}};
  config.eval_lengths = config_test::Lengths{};
  const std::string path = folder_ / "run.yaml";
  Fuzz(path, WriteConfig(config), 45, [&] { return ReadConfigFile<config_test::Recipe>(path).status(); });
}

}  // namespace
}  // namespace gfn
