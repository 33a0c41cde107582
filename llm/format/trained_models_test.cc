// Files of trained models, as other programs wrote them.
#include <gtest/gtest.h>

#include <cstdlib>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "llm/format/gguf_dequantize.h"
#include "llm/format/test_weights.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

const std::string kSmolLm2 = GFN_SOURCE_DIR "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf";
const std::string kSharedModels = GFN_SHARED_DIR "/data/models/";

// Numbers of transformers' own reading of the same file (tests/golden/format/regenerate.py).
TEST(TrainedModels, SmolLM2EqualsTransformersBitForBit) {
  if (!FileExists(kSmolLm2)) GTEST_SKIP() << "no " << kSmolLm2 << " (tools/setup fetches it)";
  const auto source = Open(kSmolLm2);
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->stored_type(), "Q4_1");
  EXPECT_EQ(NumParameters(source->config()), 134515008);
  const auto golden = ReadJsonFile(GFN_SOURCE_DIR "/tests/golden/format/smollm2_tensors.json");
  ASSERT_TRUE(golden.ok());
  EXPECT_EQ(golden->size(), source->names().size());
  for (const std::string& name : source->names()) {
    ASSERT_TRUE(golden->contains(name)) << name;
    const at::Tensor tensor = Read(*source, name);
    ASSERT_TRUE(tensor.defined());
    EXPECT_EQ(tensor.sizes().vec(), (*golden)[name][0].get<std::vector<int64_t>>()) << name;
    const auto* bits = static_cast<const uint32_t*>(tensor.const_data_ptr());
    uint64_t sum = 0;
    for (int64_t i = 0; i < tensor.numel(); ++i) sum += bits[i] * static_cast<uint64_t>(i + 1);
    EXPECT_EQ(sum, std::strtoull((*golden)[name][1].get<std::string>().c_str(), nullptr, 16)) << name;
  }
}

TEST(TrainedModels, BlocksAreTheRowsThatReadAnswersWith) {
  if (!FileExists(kSmolLm2)) GTEST_SKIP() << "no " << kSmolLm2 << " (tools/setup fetches it)";
  const auto source = Open(kSmolLm2);
  ASSERT_NE(source, nullptr);
  // q_proj's rows are reordered for rotate-half rope; k_proj has fewer heads; the embedding is stored in another type.
  for (const std::string name : {"model.layers.3.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight",
                                 "model.layers.29.mlp.down_proj.weight"}) {
    const auto blocks = source->ReadBlocks(name);
    ASSERT_TRUE(blocks.ok() && blocks->has_value()) << name;
    const at::Tensor read = Read(*source, name);
    ASSERT_EQ(static_cast<int64_t>((*blocks)->rows.size()), read.size(0));
    ASSERT_EQ((*blocks)->columns, read.size(1));
    const GgmlBlock block = BlockOf((*blocks)->type);
    at::Tensor row = at::empty({read.size(1)}, at::kFloat);
    for (int64_t i = 0; i < read.size(0); ++i) {
      Dequantize((*blocks)->type,
                 {reinterpret_cast<const std::byte*>((*blocks)->rows[i]),
                  static_cast<size_t>(read.size(1) / block.elements * block.bytes)},
                 {row.mutable_data_ptr<float>(), static_cast<size_t>(row.numel())});
      ASSERT_TRUE(at::equal(row, read[i])) << name << " row " << i;
    }
  }
  const auto embedding = source->ReadBlocks("model.embed_tokens.weight");
  ASSERT_TRUE(embedding.ok() && embedding->has_value());
  EXPECT_EQ((*embedding)->type, GgmlType::kQ8_0);
  const auto norm = source->ReadBlocks("model.norm.weight");
  ASSERT_TRUE(norm.ok());
  EXPECT_FALSE(norm->has_value()) << "stored as plain numbers";
}

// Written by other programs than this one: a Hugging Face folder, GGUF and llama2.c's layout hold the same trained weights.
TEST(TrainedModels, FormatsOfOneModelHoldTheSameWeights) {
  const std::string small = GFN_SOURCE_DIR "/tests/golden/small/";
  const auto folder = Open(small + "llama"), gguf = Open(small + "llama.gguf"), llama2c = Open(small + "one_layer.bin");
  ASSERT_TRUE(folder != nullptr && gguf != nullptr && llama2c != nullptr);
  EXPECT_EQ(folder->format(), "huggingface");
  EXPECT_EQ(gguf->format(), "gguf");
  EXPECT_EQ(llama2c->format(), "llama2c");
  // By hand: 512 x 64 + 5 x (2 x 64 + 2 x 64 x 64 + 2 x 32 x 64 + 3 x 64 x 172) + 64; the last with one layer.
  EXPECT_EQ(NumParameters(folder->config()), 260032);
  EXPECT_EQ(NumParameters(gguf->config()), 260032);
  EXPECT_EQ(NumParameters(llama2c->config()), 78272);
  EXPECT_EQ(gguf->names(), folder->names());
  for (const std::string& name : folder->names()) EXPECT_TRUE(at::equal(Read(*gguf, name), Read(*folder, name))) << name;
  for (const std::string& name : llama2c->names()) EXPECT_TRUE(at::equal(Read(*llama2c, name), Read(*folder, name))) << name;
}

// Files of others' programs and of other shapes.
TEST(TrainedModels, OpensTheSmallModelsBesideTheProject) {
  if (!FolderExists(kSharedModels)) GTEST_SKIP() << "no " << kSharedModels;
  struct Model {
    const char *path, *format;
    int64_t num_parameters;  // by hand, e.g. 105 x 128 + 5 x (2 x 128 + 2 x 128 x 128 + 2 x 64 x 128 + 3 x 128 x 352) + 128
  };
  for (const auto& [path, format, num_parameters] :
       {Model{"stories260K/stories260K.bin", "llama2c", 260032}, Model{"babyllama_tok105/model5000.bin", "llama2c", 936448},
        Model{"babyllama_tok361/model5000.bin", "llama2c", 969216}, Model{"verl_random_llama", "huggingface", 795776}}) {
    const auto source = Open(kSharedModels + path);
    ASSERT_NE(source, nullptr);
    EXPECT_EQ(source->format(), format);
    EXPECT_EQ(NumParameters(source->config()), num_parameters) << path;
    for (const std::string& name : source->names()) EXPECT_TRUE(Read(*source, name).defined()) << name;
  }
}

}  // namespace
}  // namespace gfn
