// For tests: the golden models, plain one-sequence evaluation, and adapters that do something.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gflownet/tensor/random.h"
#include "gflownet/tensor/tolerances.h"
#include "llm/format/weight_source.h"
#include "llm/model/language_model.h"

namespace gfn {

inline const std::string kGoldenModels = std::string(GFN_SOURCE_DIR) + "/tests/golden/models/";
inline const std::string kSmallModels = std::string(GFN_SOURCE_DIR) + "/tests/golden/small/";  // trained
inline const std::vector<std::string> kTinyModels = {
    "tiny_llama",  "tiny_qwen2",      "tiny_gpt2",         "tiny_gptj",    "tiny_llama_sharded", "tiny_llama_biases",
    "tiny_llama3", "tiny_llama_yarn", "tiny_qwen2_yarn",   "tiny_mistral", "tiny_qwen3",         "tiny_smollm3",
    "tiny_olmo2",  "tiny_gemma3",     "tiny_gemma3_sixth", "tiny_phi3"};

inline const std::string kGoldenPeft = std::string(GFN_SOURCE_DIR) + "/tests/golden/peft/";

inline std::unique_ptr<LanguageModel> LoadModel(const std::string& path, ModelDtype dtype) {
  const auto source = OpenModel(path);
  EXPECT_TRUE(source.ok()) << source.status();
  auto model = LanguageModel::Load(**source, {dtype, at::kCPU});
  EXPECT_TRUE(model.ok()) << model.status();
  return std::move(*model);
}
inline std::unique_ptr<LanguageModel> LoadTiny(const std::string& name, ModelDtype dtype) {
  return LoadModel(kGoldenModels + name, dtype);
}

inline std::vector<int64_t> AllRows(const PackedForest& packed) {
  std::vector<int64_t> rows(packed.num_tokens());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int64_t>(i);
  return rows;
}

// Hidden states of one sequence, alone. [tokens, C]
inline at::Tensor PlainHidden(const LanguageModel& model, std::span<const int32_t> tokens, const ForwardContext& context = {}) {
  Forest forest;
  forest.AddRoot(tokens);
  const PackedForest packed = PackForest(forest);
  return model.Forward(packed, AllRows(packed), context);
}
inline at::Tensor PlainLogits(const LanguageModel& model, std::span<const int32_t> tokens, const ForwardContext& context = {}) {
  return model.Logits(PlainHidden(model, tokens, context));
}

// Every module adapted with random factors, as leaves; the same values whatever the dtype.
inline Adapter RandomAdapter(const LanguageModel& model, int64_t rank, uint64_t seed) {
  Adapter adapter{.dropout = 0, .layers = {}};
  adapter.layers.resize(model.config().num_layers);
  uint64_t stream = 0;
  const auto random = [&](int64_t rows, int64_t columns) {
    const at::Tensor values = NormalTensor({seed, RngPurpose::kTest, 0}, {rows, columns}, at::kFloat, stream++);
    return values.mul(0.2).to(model.activation_type()).requires_grad_(true);
  };
  for (int64_t l = 0; l < model.config().num_layers; ++l) {
    for (int s = 0; s < kNumSlots; ++s) {
      const Slot slot = static_cast<Slot>(s);
      const std::vector<ModulePart> parts = model.Parts(l, slot);
      LoraGroup& group = adapter.layers[l][s];
      group.a = random(static_cast<int64_t>(parts.size()) * rank, model.Matrix(l, slot).num_inputs());
      for (const ModulePart& part : parts) {
        const int64_t a_begin = static_cast<int64_t>(group.parts.size()) * rank;
        group.parts.push_back({part, random(part.out_count, rank), a_begin, /*scale=*/0.7});
      }
    }
  }
  return adapter;
}

// Random token ids, addressed.
inline std::vector<int32_t> RandomTokens(uint64_t seed, uint64_t stream, int64_t count, int64_t vocab_size) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<int32_t>(UniformInt({seed, RngPurpose::kTest, 1}, stream, i, vocab_size)));
  return tokens;
}

// Root, branches off its end and its middle, branches off branches, twigs, a second tree: every shape of dependence.
inline Forest RandomForest(uint64_t seed, int64_t vocab_size) {
  Forest forest;
  forest.AddRoot(RandomTokens(seed, 0, 5, vocab_size));
  forest.AddRoot(RandomTokens(seed, 1, 3, vocab_size));
  for (uint64_t i = 2; i < 12; ++i) {
    const auto draw = [&](uint64_t place, uint64_t below) {
      return static_cast<int32_t>(UniformInt({seed, RngPurpose::kTest, 2}, i, place, below));
    };
    const int32_t parent = draw(0, forest.segments().size());
    const int32_t length = static_cast<int32_t>(forest.segments()[parent].tokens.size());
    forest.Add(parent, 1 + draw(1, length), RandomTokens(seed, i, 1 + draw(2, 4), vocab_size));
  }
  return forest;
}

// The whole sequence that segment `s` ends.
inline std::vector<int32_t> PathTokens(const Forest& forest, int32_t s) {
  const Segment& segment = forest.segments()[s];
  std::vector<int32_t> path;
  if (segment.parent >= 0) {
    path = PathTokens(forest, segment.parent);
    const size_t parent_length = forest.segments()[segment.parent].tokens.size();
    path.resize(path.size() - parent_length + segment.offset);
  }
  path.insert(path.end(), segment.tokens.begin(), segment.tokens.end());
  return path;
}

inline void ExpectAllClose(const at::Tensor& found, const at::Tensor& expected, Tolerance tolerance, const std::string& what) {
  const Closeness close = AllClose(found, expected, tolerance);
  EXPECT_TRUE(close.close) << what << ": " << close.worst;
}

}  // namespace gfn
