#include "llm/format/hf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "llm/format/test_folder.h"
#include "llm/format/weight_source.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(HfWriter, WritesWhatOpenModelReads) {
  for (const char* name : {"tiny_llama", "tiny_qwen2", "tiny_gpt2", "tiny_gptj", "tiny_llama_sharded", "tiny_llama_biases",
                           "tiny_llama3", "tiny_qwen2_yarn", "tiny_mistral", "tiny_qwen3", "tiny_smollm3", "tiny_olmo2",
                           "tiny_gemma3", "tiny_gemma3_sixth", "tiny_phi3"}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
      const auto source = OpenModel(kModels + name);
      ASSERT_TRUE(source.ok()) << Message(source.status());
      const std::string folder = TestFolder(name);
      const Status written = WriteHfModel(folder, (*source)->config(), dtype,
                                          [&](const std::string& tensor) { return (*source)->Read(tensor, at::kFloat); });
      ASSERT_TRUE(written.ok()) << Message(written);
      const auto copy = OpenModel(folder);
      ASSERT_TRUE(copy.ok()) << Message(copy.status());
      EXPECT_EQ((*copy)->names(), (*source)->names());
      EXPECT_EQ((*copy)->config().model_type, (*source)->config().model_type);
      for (const std::string& tensor : (*source)->names()) {
        EXPECT_TRUE(at::equal(*(*copy)->Read(tensor, dtype), *(*source)->Read(tensor, dtype))) << name << " " << tensor;
      }
    }
  }
}

TEST(HfWriter, KeepsTheConfigOfTheBase) {
  const auto source = OpenModel(kModels + "tiny_llama3");
  ASSERT_TRUE(source.ok()) << Message(source.status());
  const std::string folder = TestFolder("base"), base_config = kModels + "tiny_llama3/config.json";
  const Status written = WriteHfModel(
      folder, (*source)->config(), at::kFloat, [&](const std::string& tensor) { return (*source)->Read(tensor, at::kFloat); },
      base_config);
  ASSERT_TRUE(written.ok()) << Message(written);
  nlohmann::json expected = ReadJsonFile(base_config).value();
  expected["dtype"] = "float32";
  EXPECT_EQ(ReadJsonFile(folder + "/config.json").value(), expected);
}

// A GGUF file has biases of its own choice; transformers' classes have theirs.
TEST(HfWriter, FindsAClassForBiases) {
  const auto source = OpenModel(kModels + "tiny_llama_biases");
  ASSERT_TRUE(source.ok()) << Message(source.status());
  const auto write = [&](const ModelConfig& config, const std::string& folder) {
    return WriteHfModel(folder, config, at::kFloat, [&](const std::string& tensor) {
      EXPECT_THAT(tensor, Not(HasSubstr("o_proj.bias"))) << "the model has no such tensor";
      return (*source)->Read(tensor, at::kFloat);
    });
  };
  ModelConfig config = (*source)->config();
  config.attention_out_bias = false;
  for (const char* type : {"llama", "qwen2"}) {
    config.model_type = type;
    const std::string folder = TestFolder(type);
    const Status written = write(config, folder);
    ASSERT_TRUE(written.ok()) << Message(written);
    const auto copy = OpenModel(folder);
    ASSERT_TRUE(copy.ok()) << Message(copy.status());
    EXPECT_EQ((*copy)->config().model_type, "llama") << "qwen2 has no biases in its MLP";
    EXPECT_EQ((*copy)->Read("model.layers.1.self_attn.o_proj.bias", at::kFloat)->count_nonzero().item<int64_t>(), 0);
    EXPECT_TRUE(at::equal(*(*copy)->Read("model.layers.1.mlp.up_proj.bias", at::kFloat),
                          *(*source)->Read("model.layers.1.mlp.up_proj.bias", at::kFloat)));
  }
  config.sliding_window = 5;
  EXPECT_THAT(Message(write(config, TestFolder("window"))), HasSubstr("no class"));
}

TEST(HfWriter, RefusesWrongShapesAndNumbersAndLeavesNoWeights) {
  const auto source = OpenModel(kModels + "tiny_llama");
  ASSERT_TRUE(source.ok());
  const std::string folder = TestFolder("refused");
  const auto write = [&](const at::Tensor& norm) {
    return WriteHfModel(folder, (*source)->config(), at::kFloat, [&](const std::string& name) -> StatusOr<at::Tensor> {
      return name == "model.norm.weight" ? norm : (*source)->Read(name, at::kFloat);
    });
  };
  EXPECT_THAT(Message(write(at::ones({31}))), HasSubstr("'model.norm.weight' has shape [31], expected [32]"));
  EXPECT_THAT(Message(write(at::full({32}, std::numeric_limits<float>::infinity()))), HasSubstr("not finite"));
  EXPECT_FALSE(FileExists(folder + "/model.safetensors"));
  EXPECT_TRUE(write(at::ones({32})).ok());
  EXPECT_TRUE(FileExists(folder + "/model.safetensors"));
}

TEST(HfWriter, PassesOnTheReadersError) {
  const auto source = OpenModel(kModels + "tiny_llama");
  ASSERT_TRUE(source.ok());
  const Status status = WriteHfModel(TestFolder("error"), (*source)->config(), at::kFloat,
                                     [](const std::string&) -> StatusOr<at::Tensor> { return DataLoss("no such luck"); });
  EXPECT_THAT(Message(status), HasSubstr("no such luck"));
}

}  // namespace
}  // namespace gfn
