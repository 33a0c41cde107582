// The engine against independent numbers: logits of SmolLM2 and stories260K, tiny models of every architecture.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "gflownet/base/json_util.h"
#include "gflownet/tensor/tolerances.h"
#include "llm/format/weight_source.h"
#include "llm/model/kv_cache.h"
#include "llm/model/language_model.h"
#include "llm/model/lm_head.h"

namespace gfn {
namespace {

using nlohmann::json;

const std::string kSmolLm2 = std::string(GFN_SOURCE_DIR) + "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf";
const std::string kSharedData = std::string(GFN_SHARED_DIR) + "/data";

std::unique_ptr<LanguageModel> LoadModel(const std::string& path, ModelDtype dtype) {
  auto source = OpenModel(path);
  EXPECT_TRUE(source.ok()) << source.status();
  auto model = LanguageModel::Load(**source, {dtype, at::kCPU});
  EXPECT_TRUE(model.ok()) << model.status();
  return std::move(*model);
}

std::vector<int64_t> AllRows(const PackedForest& packed) {
  std::vector<int64_t> rows(packed.num_tokens());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int64_t>(i);
  return rows;
}

at::Tensor PlainLogits(const LanguageModel& model, const std::vector<int32_t>& tokens) {
  Forest forest;
  forest.AddRoot(tokens);
  const PackedForest packed = PackForest(forest);
  return model.Logits(model.Forward(packed, AllRows(packed), {}));
}

TEST(SmolLm2, LogitsEqualTransformers) {
  const std::string reference_path = kSharedData + "/reference/smollm2_logits.json";
  if (!std::filesystem::exists(kSmolLm2) || !std::filesystem::exists(reference_path)) GTEST_SKIP() << "needs " << kSmolLm2 << " and " << reference_path;
  const json reference = *ReadJsonFile(reference_path);
  const auto model = LoadModel(kSmolLm2, ModelDtype::kFloat32);
  const auto tokens = reference["token_ids"].get<std::vector<int32_t>>();
  const at::Tensor logits = PlainLogits(*model, tokens);
  const at::Tensor last = logits[-1];
  const auto& top = reference["last_position"];
  for (size_t i = 0; i < top["top20_token_ids"].size(); ++i) {
    EXPECT_NEAR(last[top["top20_token_ids"][i].get<int64_t>()].item<float>(), top["top20_logits"][i].get<float>(), 2e-3);
  }
  const at::Tensor log_p = logits.log_softmax(-1);
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    EXPECT_NEAR(-log_p[static_cast<int64_t>(i)][tokens[i + 1]].item<float>(), reference["prompt_token_nll"][i].get<float>(), 1e-3) << i;
  }
}

}  // namespace
}  // namespace gfn
