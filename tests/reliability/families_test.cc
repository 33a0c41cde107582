// Every family of models through the whole program: trained, checked, sampled from, merged. The weights are those of
// tests/golden/models, but for embeddings of a real tokenizer's vocabulary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/safetensors_file.h"
#include "gflownet/tensor/random.h"
#include "gflownet/tensor/safetensors_tensors.h"
#include "tests/reliability/gfn_process.h"
#include "tests/reliability/tiny_run.h"

namespace gfn {
namespace {

using testing::HasSubstr;

constexpr int64_t kVocabulary = 512;  // of the tokenizer of a TinyRun

// Copies a golden model with a vocabulary of its own.
void WriteModel(const std::string& name, const std::string& folder) {
  const std::string golden = std::string(GFN_SOURCE_DIR) + "/tests/golden/models/" + name;
  ASSERT_TRUE(MakeFolders(folder).ok());
  nlohmann::json config = ReadJsonFile(golden + "/config.json").value();
  config["vocab_size"] = kVocabulary;
  ASSERT_TRUE(WriteFileAtomic(folder + "/config.json", config.dump()).ok());
  const SafetensorsFile file = SafetensorsFile::Open(golden + "/model.safetensors").value();
  std::vector<NamedTensor> tensors;
  for (const TensorView& view : file.tensors()) {
    at::Tensor tensor = ReadTensor(file, view.name, at::kFloat).value();
    const bool of_tokens = view.name.find("embed_tokens") != std::string::npos || view.name.find("wte") != std::string::npos ||
                           view.name.starts_with("lm_head");
    std::vector<int64_t> sizes = tensor.sizes().vec();
    sizes[0] = kVocabulary;
    if (of_tokens) tensor = NormalTensor({1, RngPurpose::kTest, 0}, sizes, at::kFloat, tensors.size()).mul(0.2);
    tensors.push_back({view.name, tensor});
  }
  ASSERT_TRUE(WriteTensors(folder + "/model.safetensors", tensors, {{"format", "pt"}}).ok());
}

class Families : public testing::TestWithParam<std::string> {};

TEST_P(Families, TrainCheckSampleMerge) {
  const TinyRun tiny;
  WriteModel(GetParam(), tiny / "model");
  // Short enough for the models with 32 positions.
  tiny.Write("stories.jsonl", R"({"id": "dog", "x": "A dog.", "z": "It ran.", "y": "It sat."}
{"id": "cat", "x": "A cat.", "z": "It sat.", "y": "It ran."}
)");
  const auto run = [&](const std::vector<std::string>& arguments) {
    const GfnResult result = RunGfn(tiny.folder(), arguments);
    EXPECT_EQ(result.exit_code, 0) << arguments[0] << "\n" << result.out << result.err;
    return result.out;
  };
  run(TinyRun::Train("run", {"model.path=model", "train.warm_start_steps=0", "task.simulation.attempts=0",
                             "task.support.max_len=4", "train.max_steps=3", "lora.targets=all-linear"}));
  run({"doctor", "run"});
  EXPECT_THAT(run({"sample", "run", "--input", "stories.jsonl", "--num", "2"}), HasSubstr("log_pf"));
  run({"merge", "run", "--out", "merged"});
  // Another way to the same function: what the run samples from, as a model without an adapter.
  const nlohmann::json config = ReadJsonFile(tiny / "merged/config.json").value();
  EXPECT_EQ(config["model_type"], ReadJsonFile(tiny / "model/config.json").value()["model_type"]);
  run({"describe", "merged"});
}

INSTANTIATE_TEST_SUITE_P(Golden, Families,
                         testing::Values("tiny_qwen3", "tiny_smollm3", "tiny_olmo2", "tiny_gemma3", "tiny_phi3", "tiny_gptj"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace gfn
