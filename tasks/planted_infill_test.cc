// What `gfn doctor` finds on a language model: mistakes are made on purpose, one at a time, in the pieces of a small real
// sampler, and the checks of the command have to see each of them, in every type of arithmetic. The right sampler is green.
#include <gtest/gtest.h>

#include <iostream>
#include <set>

#include "gflownet/base/text_util.h"
#include "gflownet/core/gradient_checks.h"
#include "gflownet/core/rollout.h"
#include "gflownet/tensor/random.h"
#include "tasks/infill/infill_task.h"
#include "tasks/test_planted_text.h"

namespace gfn {
namespace {

const std::string kModel = std::string(GFN_SOURCE_DIR) + "/tests/golden/small/llama";

class PlantedInfillTest : public testing::TestWithParam<ModelDtype> {
 protected:
  // Two stories, a sampler with dropout and a reward temperature, short texts, tokens that may not stand last.
  static std::unique_ptr<TextParts> MakeParts(double dropout = 0.1) {
    RunSettings settings;
    settings.threads = 1;
    ModelSourceConfig& model = settings.model.emplace();
    model.path = kModel;
    model.dtype = GetParam();
    LoraConfig& lora = settings.lora.emplace();
    lora.rank = 4;
    lora.alpha = 8;
    lora.dropout = dropout;
    settings.train.trainer.reward_temperature = {.start = 0.8, .end = 0.8};
    InfillConfig task;
    task.support.min_len = 2;
    task.support.max_len = 5;
    task.support.forbidden_last = {" the", " was"};
    auto parts = BuildTextParts(MakeTextKind(task), settings, {});
    EXPECT_TRUE(parts.ok()) << parts.status();
    return std::move(*parts);
  }
  static std::vector<ConditionId> Conditions(TextParts& parts) {
    std::vector<ConditionId> conditions;
    const TextExample one{"1", "Lily saw a dog.", "She was happy.", "", "test:1"},
        two{"2", "Tim had a big red ball.", "Then he went home.", "", "test:2"};
    for (const TextExample& example : {one, two}) {
      auto id = AddCondition(parts, "{Y} {X}", example);
      EXPECT_TRUE(id.ok()) << id.status();
      conditions.push_back(*id);
    }
    return conditions;
  }

  // The checks of the command, with a mistake (or none) in the sampler.
  static std::vector<Check> Examine(const TextMistake* mistake, const ObjectiveConfig& config, double dropout = 0.1) {
    const auto parts = MakeParts(dropout);
    const std::vector<ConditionId> conditions = Conditions(*parts);
    const auto objective = MakeObjective(config).value();
    PlantedText planted{{}, SamplerOf(*parts, *objective)};
    if (mistake != nullptr) mistake->plant(*parts, planted);
    auto findings = CheckSampler(*parts, planted.sampler, conditions, 4);
    EXPECT_TRUE(findings.ok()) << findings.status();
    if (!findings.ok()) return {};
    EXPECT_EQ(findings->not_checked, "");
    return std::move(findings->checks);
  }

  static void ExpectAllFound(const std::vector<TextMistake>& mistakes, std::set<std::string>& finders) {
    for (const TextMistake& mistake : mistakes) {
      std::vector<std::string> found;
      for (const Check& check : Examine(&mistake, ModifiedSubTbConfig{})) {
        if (check.ok()) continue;
        found.push_back(check.name + " " + FormatShort(check.found));
        finders.insert(check.name);
      }
      EXPECT_FALSE(found.empty()) << "not found: " << mistake.name;
      std::cout << "  " << mistake.name << " -> " << (found.empty() ? "MISSED" : Join(found, "; ")) << "\n";
    }
  }
};

TEST_P(PlantedInfillTest, TheRightSamplerIsGreen) {
  for (const ObjectiveConfig& objective :
       {ObjectiveConfig(ModifiedSubTbConfig{}), ObjectiveConfig(VarGradConfig{}), ObjectiveConfig(TbConfig{}),
        ObjectiveConfig(ModifiedSubTbConfig{.lambda = 0.9, .root = true}), ObjectiveConfig(MaximumLikelihoodConfig{}),
        ObjectiveConfig(ReinforceConfig{})}) {
    for (const double dropout : {0.1, 0.0}) {
      for (const Check& check : Examine(nullptr, objective, dropout)) {
        EXPECT_TRUE(check.ok()) << check.name << ": found " << check.found << ", allowed " << check.allowed << " "
                                << check.detail;
      }
    }
  }
}

TEST_P(PlantedInfillTest, TheParametersAreAsBefore) {
  const auto parts = MakeParts();
  std::vector<at::Tensor> before;
  for (const Parameter& parameter : parts->parameters) before.push_back(parameter.value.detach().clone());
  const auto objective = MakeObjective(VarGradConfig{}).value();
  ASSERT_TRUE(CheckSampler(*parts, SamplerOf(*parts, *objective), Conditions(*parts), 4).ok());
  size_t i = 0;
  for (const Parameter& parameter : parts->parameters) {
    EXPECT_TRUE(parameter.value.equal(before[i++])) << parameter.name;
    EXPECT_FALSE(parameter.value.grad().defined()) << parameter.name;
  }
}

// A gradient that is missing in float64 too, so that there is nothing to compare it with: each tensor's, one at a time. Doctor
// takes differences in float64 alone.
using PlantedInfillFloat64Test = PlantedInfillTest;
TEST_P(PlantedInfillFloat64Test, FiniteDifferencesSeeEveryMissingGradient) {
  const auto parts = MakeParts(0);
  ParameterSet& parameters = parts->parameters;
  uint64_t stream = 0;
  for (const Parameter& parameter : parameters) {
    const at::NoGradGuard no_grad;
    at::Tensor(parameter.value)
        .add_(NormalTensor({1, RngPurpose::kTest, 0}, parameter.value.sizes(), at::kDouble, ++stream), 0.02);
  }
  parameters.RaiseVersion();
  const auto objective = MakeObjective(VarGradConfig{}).value();
  TrajectoryBatch batch =
      Rollout(*parts->environment, *parts->policy, RolloutRows(Conditions(*parts), 3), {1, RngPurpose::kTest, 0}).value();
  ASSERT_TRUE(EvaluateReward(*parts->reward, batch, true).ok());
  const LinearLoss loss(*objective, LossOfBatch(*parts->environment, *parts->policy, *objective, batch, {}));
  const auto error_of = [&](size_t missing) {
    const AdapterPolicy policy(*parts, {}, [=](Adapter& adapter) {
      ForEachFactor(adapter, [=](size_t i, at::Tensor& factor) { factor = i == missing ? factor.detach() : factor; });
    });
    return CompareWithDifferences(parameters, [&] { return loss.Value(policy, batch, {}); },
                                  {.step = 1e-4, .enough = 1e-4, .directions = 4})
        .value()
        .value;
  };
  EXPECT_LT(error_of(parameters.size()), 1e-4) << "none is missing";
  for (size_t i = 0; i < parameters.size(); ++i) EXPECT_GT(error_of(i), 1e-3) << parameters[i].name;
}

// The wrong rewards are one that computes the right one in another way, with a mistake in it: without one it has to be green.
TEST_P(PlantedInfillTest, TheRewardWithoutAMistakeIsGreen) {
  const TextMistake none{"none", [](TextParts& parts, PlantedText& planted) {
                           planted.sampler.reward = &planted.Make<PlainReward>(parts, PlainRewardMistakes{});
                         }};
  for (const Check& check : Examine(&none, ModifiedSubTbConfig{})) EXPECT_TRUE(check.ok()) << check.name << ": " << check.found;
}

TEST_P(PlantedInfillTest, EveryMistakeIsFoundAndEveryCheckFindsOne) {
  std::set<std::string> finders;
  ExpectAllFound(SamplerMistakes(), finders);
  ExpectAllFound(RewardMistakes(), finders);
  ExpectAllFound(TrainingMistakes(), finders);
  for (const Check& check : Examine(nullptr, ModifiedSubTbConfig{})) {
    // What only code that both sides share could move: FiniteDifferencesSeeEveryMissingGradient.
    EXPECT_TRUE(finders.contains(check.name) || check.name == text_check::kDifferences)
        << "finds none of the mistakes: " << check.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Doctor, PlantedInfillTest,
                         testing::Values(ModelDtype::kFloat32, ModelDtype::kBFloat16, ModelDtype::kFloat64),
                         [](const auto& info) { return std::string(EnumName(info.param)); });
INSTANTIATE_TEST_SUITE_P(Doctor, PlantedInfillFloat64Test, testing::Values(ModelDtype::kFloat64),
                         [](const auto& info) { return std::string(EnumName(info.param)); });

}  // namespace
}  // namespace gfn
