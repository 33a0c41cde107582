// Adapters in every family: gradients against those of PEFT, and which modules there are to adapt.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "gflownet/base/json_util.h"
#include "llm/lora/lora.h"
#include "llm/model/lm_head.h"
#include "llm/model/test_models.h"

namespace gfn {
namespace {

constexpr Tolerance kPeftGradientTolerance{5e-5};

class PeftGradients : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Golden, PeftGradients,
                         testing::Values("tiny_llama", "tiny_gpt2", "tiny_llama_patterns", "tiny_llama_regex",
                                         "tiny_llama_all_linear", "tiny_gptj_layers", "tiny_qwen3", "tiny_smollm3", "tiny_olmo2",
                                         "tiny_gemma3", "tiny_phi3"),
                         [](const auto& info) { return info.param; });

// The way back through the frozen layers against autograd of transformers and PEFT.
TEST_P(PeftGradients, EqualThoseOfPeft) {
  const std::string& name = GetParam();
  const PeftAdapter peft = ReadPeft(kGoldenPeft + name).value();
  const nlohmann::json expected = *ReadJsonFile(kGoldenPeft + name + "/gradients.json");
  const auto tokens = (*ReadJsonFile(kGoldenPeft + name + "/reference.json"))["token_ids"].get<std::vector<int32_t>>();
  for (const ModelDtype dtype : {ModelDtype::kFloat32, ModelDtype::kFloat64}) {
    const auto model = LoadTiny(peft.config.base_model_name_or_path, dtype);
    ParameterSet parameters;
    const Adapter adapter = FromPeft(*model, peft, parameters).value();
    const at::Tensor hidden = PlainHidden(*model, tokens, {.adapter = &adapter, .with_grad = true, .dropout_key = {}});
    HeadQuery query;
    for (size_t i = 0; i < tokens.size(); ++i) query.targets.push_back(i + 1 < tokens.size() ? tokens[i + 1] : -1);
    const HeadScores scores = ScoreHead(*model, hidden, query);
    const int64_t last = hidden.size(0) - 1;
    (scores.log_norm_R - scores.logit_target_R).narrow(0, 0, last).sum().backward();
    size_t compared = 0;
    for (const auto& layer : adapter.layers) {
      for (const LoraGroup& group : layer) {
        for (const LoraPart& part : group.parts) {
          const auto check = [&](const char* factor, const at::Tensor& gradient) {
            const auto numbers = expected[part.module.path][factor].get<std::vector<double>>();
            const at::Tensor of_peft = at::tensor(numbers, at::kDouble).view(gradient.sizes());
            const double scale = std::max(1.0, of_peft.abs().max().item<double>());
            ExpectAllClose(gradient.to(at::kDouble) / scale, of_peft / scale, kPeftGradientTolerance, part.module.path + factor);
            ++compared;
          };
          check("A", group.a.grad().narrow(0, part.a_begin, part.rank()));
          check("B", part.b.grad());
        }
      }
    }
    EXPECT_EQ(compared, 2 * expected.size());
  }
}

// PEFT's word for every linear module of the layers; fused modules are one each.
TEST(Lora, AllLinearIsEveryModule) {
  for (const std::string& name : kTinyModels) {
    const auto model = LoadTiny(name, ModelDtype::kFloat32);
    ParameterSet parameters, plain;
    const LoraConfig config{.rank = 2, .targets = {"all-linear"}};
    const StartedAdapter started = StartAdapter(*model, config, 1, parameters).value();
    const Adapter all = CreateAdapter(*model, {.rank = 2, .targets = {}}, 1, plain).value();
    int64_t numbers = 0;
    ASSERT_EQ(parameters.size(), plain.size()) << name;
    for (const at::Tensor& tensor : started.adapter.Tensors()) numbers += tensor.numel();
    EXPECT_EQ(numbers, NumLoraParameters(model->config(), config)) << name;
    EXPECT_TRUE(started.config.target_modules.empty()) << "the folder lists the modules by name";
  }
  const auto phi3 = LoadTiny("tiny_phi3", ModelDtype::kFloat32);
  EXPECT_EQ(phi3->Parts(1, Slot::kQkv).size(), 1u);
  EXPECT_EQ(phi3->Parts(1, Slot::kUp)[0].path, "model.layers.1.mlp.gate_up_proj");
}

TEST(Lora, AllLinearMustAgreeWithTheFolder) {
  const auto start = [](const std::string& name) {
    const auto model = LoadTiny(ReadPeft(kGoldenPeft + name).value().config.base_model_name_or_path, ModelDtype::kFloat32);
    ParameterSet parameters;
    const LoraConfig config{.targets = {kAllLinear}, .path = kGoldenPeft + name};
    return StartAdapter(*model, config, 1, parameters).status();
  };
  EXPECT_TRUE(start("tiny_qwen3").ok()) << start("tiny_qwen3");
  EXPECT_NE(Message(start("tiny_llama")).find("lora.targets is all-linear"), std::string::npos) << start("tiny_llama");
}

}  // namespace
}  // namespace gfn
