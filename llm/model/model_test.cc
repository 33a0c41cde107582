// The engine against independent numbers, and every way of evaluating a sequence against the plain one.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "gflownet/base/json_util.h"
#include "llm/model/kv_cache.h"
#include "llm/model/test_models.h"

namespace gfn {
namespace {

using nlohmann::json;

// Reference numbers are those of a float32 program, written with 8 digits.
constexpr Tolerance kReferenceTolerance{5e-5};

// Two ways to the same numbers. The kernels (heads of whole vectors, fp32 and bf16) add up in one order whatever the forest or
// the cache: bit for bit the same. Float64 and other heads are gathered and padded.
void ExpectSame(const LanguageModel& model, ModelDtype dtype, const at::Tensor& found, const at::Tensor& expected,
                const std::string& what) {
  if (dtype == ModelDtype::kFloat64 || model.config().head_dim % 8 != 0) {
    ExpectAllClose(found, expected,
                   dtype == ModelDtype::kFloat64 ? kTinyModelTolerance
                                                 : ToleranceOf(dtype == ModelDtype::kBFloat16 ? at::kBFloat16 : at::kFloat),
                   what);
  } else {
    EXPECT_TRUE(at::equal(found, expected)) << what << ": off by " << (found - expected).abs().max().item<double>();
  }
}

class TinyModels : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Golden, TinyModels, testing::ValuesIn(kTinyModels), [](const auto& info) { return info.param; });

// The model at `path` gives the logits that transformers gave for the golden folder `name`.
void ExpectReferenceLogits(const std::string& path, const std::string& name) {
  const json reference = *ReadJsonFile(kGoldenModels + name + "/reference.json");
  const auto tokens = reference["token_ids"].get<std::vector<int32_t>>();
  std::vector<at::Tensor> rows;
  for (const json& row : reference["logits"]) rows.push_back(at::tensor(row.get<std::vector<double>>()));
  const at::Tensor expected = at::stack(rows);
  for (const ModelDtype dtype : {ModelDtype::kFloat32, ModelDtype::kFloat64}) {
    ExpectAllClose(PlainLogits(*LoadModel(path, dtype), tokens).to(at::kDouble), expected, kReferenceTolerance, name);
  }
}

TEST_P(TinyModels, LogitsEqualTransformers) { ExpectReferenceLogits(kGoldenModels + GetParam(), GetParam()); }

// llama.cpp's way to store them: permuted rows and biases, rope_freqs.weight for llama3, keys for yarn.
TEST(GgufModels, LogitsEqualTransformers) {
  for (const std::string name :
       {"tiny_llama_sharded", "tiny_qwen2", "tiny_gpt2", "tiny_llama_biases", "tiny_llama3", "tiny_qwen2_yarn"}) {
    ExpectReferenceLogits(std::string(GFN_SOURCE_DIR) + "/tests/golden/format/" + name + ".gguf", name);
  }
}

TEST_P(TinyModels, Bf16IsClose) {
  const std::vector<int32_t> tokens = RandomTokens(3, 0, 12, 64);
  const at::Tensor exact = PlainLogits(*LoadTiny(GetParam(), ModelDtype::kFloat64), tokens);
  const at::Tensor rounded = PlainLogits(*LoadTiny(GetParam(), ModelDtype::kBFloat16), tokens).to(at::kDouble);
  const double relative = ((rounded - exact).norm() / exact.norm()).item<double>();
  EXPECT_LT(relative, ToleranceOf(at::kBFloat16).value);
  EXPECT_GT(relative, 1e-5) << "nothing was rounded";
}

TEST_P(TinyModels, ForestIsOneSequenceAtATime) {
  for (const ModelDtype dtype : {ModelDtype::kFloat32, ModelDtype::kBFloat16, ModelDtype::kFloat64}) {
    const auto model = LoadTiny(GetParam(), dtype);
    const Adapter adapter = RandomAdapter(*model, 2, 7);
    for (uint64_t seed = 0; seed < 4; ++seed) {
      const Forest forest = RandomForest(seed, 64);
      const PackedForest packed = PackForest(forest);
      const ForwardContext context{.adapter = seed % 2 == 0 ? &adapter : nullptr, .with_grad = false, .dropout_key = {}};
      const at::Tensor logits = model->Logits(model->Forward(packed, AllRows(packed), context));
      for (size_t s = 0; s < forest.segments().size(); ++s) {
        const int64_t count = static_cast<int64_t>(forest.segments()[s].tokens.size());
        const at::Tensor alone = PlainLogits(*model, PathTokens(forest, static_cast<int32_t>(s)), context);
        ExpectSame(*model, dtype, logits.narrow(0, packed.starts[s], count), alone.narrow(0, alone.size(0) - count, count),
                   "forest " + std::to_string(seed) + " segment " + std::to_string(s));
      }
    }
  }
}

// A prompt, then its rollouts in steps of one and of several tokens, some of them dropping out, one off the prompt's middle.
TEST_P(TinyModels, CacheIsTheFullPass) {
  for (const ModelDtype dtype : {ModelDtype::kFloat32, ModelDtype::kBFloat16, ModelDtype::kFloat64}) {
    const auto model = LoadTiny(GetParam(), dtype);
    const Adapter adapter = RandomAdapter(*model, 2, 7);
    KvCache cache(*model);
    const std::vector<int32_t> prompt = RandomTokens(5, 0, 6, 64);
    const int32_t root = cache.AddSegment(-1, 0, 6);
    const std::vector<int32_t> offsets = {6, 6, 4};
    const std::vector<std::vector<int32_t>> chunk_lengths = {{1, 1, 3}, {2, 1}, {1, 1, 1}};
    std::vector<int32_t> segments;
    std::vector<std::vector<int32_t>> paths;
    const KvCache::Append first{root, prompt};
    PackedForest packed = cache.Plan({&first, 1});
    ExpectSame(*model, dtype, model->ForwardCached(packed, AllRows(packed), &adapter, cache),
               PlainHidden(*model, prompt, {.adapter = &adapter, .with_grad = false, .dropout_key = {}}), "prompt");
    for (const int32_t offset : offsets) {
      segments.push_back(cache.AddSegment(root, offset, 5));
      paths.emplace_back(prompt.begin(), prompt.begin() + offset);
    }
    for (size_t step = 0; step < 3; ++step) {
      std::vector<std::vector<int32_t>> chunks(3);
      std::vector<KvCache::Append> appends;
      std::vector<size_t> live;
      for (size_t r = 0; r < 3; ++r) {
        if (step >= chunk_lengths[r].size()) continue;
        chunks[r] = RandomTokens(6, 10 * r + step, chunk_lengths[r][step], 64);
        appends.push_back({segments[r], chunks[r]});
        live.push_back(r);
        paths[r].insert(paths[r].end(), chunks[r].begin(), chunks[r].end());
      }
      packed = cache.Plan(appends);
      const at::Tensor hidden = model->ForwardCached(packed, AllRows(packed), &adapter, cache);
      int64_t begin = 0;
      for (const size_t r : live) {
        const int64_t count = static_cast<int64_t>(chunks[r].size());
        const at::Tensor alone = PlainHidden(*model, paths[r], {.adapter = &adapter, .with_grad = false, .dropout_key = {}});
        ExpectSame(*model, dtype, hidden.narrow(0, begin, count), alone.narrow(0, alone.size(0) - count, count),
                   "step " + std::to_string(step) + " row " + std::to_string(r));
        begin += count;
      }
    }
  }
}

TEST(Forest, PathsShareWhatTheyHaveInCommon) {
  Forest forest;
  const int32_t root = forest.AddRoot(std::vector<int32_t>{9, 8});
  const auto first = forest.AddPath(root, 2, std::vector<int32_t>{1, 2, 3}, true);
  const auto second = forest.AddPath(root, 2, std::vector<int32_t>{1, 2, 4, 5}, true);
  EXPECT_EQ(forest.num_tokens(), 2 + 3 + 2);
  EXPECT_EQ(second[1].segment, first[1].segment);
  EXPECT_NE(second[2].segment, first[2].segment);
  EXPECT_EQ(PathTokens(forest, second[3].segment), (std::vector<int32_t>{9, 8, 1, 2, 4, 5}));
  const auto off_the_middle = forest.AddPath(root, 1, std::vector<int32_t>{1, 2}, true);
  EXPECT_NE(off_the_middle[0].segment, first[0].segment) << "paths behind different prefixes are different";
  EXPECT_EQ(forest.AddPath(root, 2, std::vector<int32_t>{1, 2, 4}, true).back().index, second[2].index);
  EXPECT_EQ(forest.num_tokens(), 2 + 3 + 2 + 2) << "a path that is there adds nothing";
  forest.AddPath(root, 2, std::vector<int32_t>{1, 2, 3}, false);
  EXPECT_EQ(forest.num_tokens(), 2 + 3 + 2 + 2 + 3);
}

// Numbers of transformers (tests/golden/small/make.py).
const json& SmallReference() {
  static const json* const reference = new json(*ReadJsonFile(kSmallModels + "reference.json"));
  return *reference;
}

// log p of each token behind the first, against a list.
void ExpectLogP(const at::Tensor& logits, const std::vector<int32_t>& tokens, const json& expected, Tolerance tolerance) {
  const at::Tensor log_p = logits.to(at::kDouble).log_softmax(-1);
  ASSERT_EQ(expected.size() + 1, tokens.size());
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    EXPECT_NEAR(log_p[static_cast<int64_t>(i)][tokens[i + 1]].item<double>(), expected[i].get<double>(), tolerance.value) << i;
  }
}

// A trained model, from both of its formats.
TEST(SmallLlama, LogitsEqualTransformers) {
  for (const std::string file : {"llama", "llama.gguf"}) {
    for (const ModelDtype dtype : {ModelDtype::kFloat32, ModelDtype::kFloat64}) {
      const auto model = LoadModel(kSmallModels + file, dtype);
      for (const json& scored : SmallReference()["scored"]) {
        const auto tokens = scored["ids"].get<std::vector<int32_t>>();
        ExpectLogP(PlainLogits(*model, tokens), tokens, scored["log_p"], kReferenceTolerance);
      }
      const at::Tensor last = PlainLogits(*model, SmallReference()["scored"][0]["ids"].get<std::vector<int32_t>>())[-1];
      ExpectAllClose(last.to(at::kDouble), at::tensor(SmallReference()["last_logits"].get<std::vector<double>>()),
                     kReferenceTolerance, file);
    }
  }
}

TEST(SmallLlama, LogitsOfLlama2cEqualTransformers) {
  const auto model = LoadModel(kSmallModels + "one_layer.bin", ModelDtype::kFloat32);
  const at::Tensor last = PlainLogits(*model, SmallReference()["scored"][0]["ids"].get<std::vector<int32_t>>())[-1];
  ExpectAllClose(last.to(at::kDouble), at::tensor(SmallReference()["last_logits_of_one_layer"].get<std::vector<double>>()),
                 kReferenceTolerance, "one layer");
}

TEST(SmolLm2, LogitsEqualTransformers) {
  const std::string model_path = std::string(GFN_SOURCE_DIR) + "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(model_path)) GTEST_SKIP() << "needs " << model_path << " (tools/setup fetches it)";
  const auto model = LoadModel(model_path, ModelDtype::kFloat32);
  const json reference = *ReadJsonFile(kGoldenModels + "smollm2.json");
  for (const json& scored : reference) {
    const auto tokens = scored["ids"].get<std::vector<int32_t>>();
    const at::Tensor logits = PlainLogits(*model, tokens);
    ExpectLogP(logits, tokens, scored["log_p"], {1e-3});
    for (size_t i = 0; i < scored["top_ids"].size(); ++i) {
      EXPECT_NEAR(logits[-1][scored["top_ids"][i].get<int64_t>()].item<float>(), scored["top_logits"][i].get<float>(), 2e-3);
    }
  }
}

}  // namespace
}  // namespace gfn
