// The training guard on a real language model: a decoder that is given no adapter is found in the first step in which an adapter
// makes a difference, in every dtype of the recipes; the right program passes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/core/checked_policy.h"
#include "gflownet/core/trainer.h"
#include "gflownet/tensor/device.h"
#include "gflownet/tensor/tolerances.h"
#include "llm/gfn/test_world.h"

namespace gfn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string kTiny = std::string(GFN_SOURCE_DIR) + "/tests/golden/models/tiny_llama";

// A policy that samples by one policy and scores by another; without fingerprints log q is all there is to compare.
class TwoPolicies : public Policy {
 public:
  TwoPolicies(const Policy& sampler, const Policy& scorer, bool has_fingerprints)
      : sampler_(sampler), scorer_(scorer), has_fingerprints_(has_fingerprints) {}
  Needs Provides() const override {
    return has_fingerprints_ ? scorer_.Provides() : scorer_.Provides().Without(Need::kFingerprint);
  }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& ids) const override {
    return sampler_.StartRollout(ids);
  }
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
    return scorer_.Score(batch, options);
  }

 private:
  const Policy& sampler_;
  const Policy& scorer_;
  bool has_fingerprints_;
};

struct Setting {
  std::string name;
  ModelDtype dtype;
  bool has_fingerprints = true;
  double dropout = 0;
  double learning_rate = 1e-3;
  int64_t micro_batch_conditions = 0;
};
void PrintTo(const Setting& setting, std::ostream* out) { *out << setting.name; }

class Guard : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override { SetNumThreads(1); }
  // Trains with the guard; the status of the first bad step. `mutant`: the decoder gets no adapter.
  Status Run(bool mutant, int64_t num_steps) {
    const Setting& setting = GetParam();
    const SequencePolicy base(*world_.model, nullptr, nullptr, *world_.environment);
    TestSampler sampler(world_, {.rank = 3, .alpha = 6, .dropout = setting.dropout, .targets = {}}, 1);
    const Policy& right = *sampler.policy;
    const TwoPolicies pair(mutant ? base : right, right, setting.has_fingerprints);
    const CheckedPolicy checked(pair, *world_.environment, {.has_dropout = setting.dropout > 0});
    const std::unique_ptr<Objective> objective = MakeObjective(ModifiedSubTbConfig{}).value();
    OptimizerConfig optimizer_config;
    optimizer_config.learning_rate = setting.learning_rate;
    Optimizer optimizer = Optimizer::Create(optimizer_config, &sampler.parameters).value();
    TrainerConfig config;
    config.conditions_per_step = 2;
    config.rollouts = 6;
    config.micro_batch_conditions = setting.micro_batch_conditions;
    config.behaviour = {.on_policy = 0.6,
                        .tempered = 0.4,
                        .per_rollout = true,
                        .exploration = {.epsilon = 0.1, .temperature_min = 0.8, .temperature_max = 2}};
    TrainerParts parts;
    parts.environment = world_.environment.get();
    parts.policy = &checked;
    parts.reward = world_.reward.get();
    parts.objective = objective.get();
    parts.parameters = &sampler.parameters;
    parts.optimizer = &optimizer;
    parts.conditions = world_.conditions;
    parts.seed = 5;
    const std::unique_ptr<Trainer> trainer = Trainer::Create(config, parts).value();
    const double rounding = SamplerTolerance(ScalarTypeOf(setting.dtype), world_.model->KeepsBits()).value;
    CheckedLoop loop(*trainer, checked, rounding);
    for (int64_t step = 0; step < num_steps; ++step) {
      ASSIGN_OR_RETURN(const StepMetrics metrics, loop.Step());
      const double* drift = metrics.Find("sampler_drift");
      if (drift == nullptr) return Internal("nothing was compared");
      largest_drift_ = std::max(largest_drift_, *drift);
    }
    return OkStatus();
  }

  const TestWorld world_{
      kTiny,
      GetParam().dtype,
      {{.prompt = {4, 30, 47}, .x = {30, 47, 2}, .y = {11, 12, 13}}, {.prompt = {4, 30, 48, 7}, .x = {8}, .y = {14}}},
      {5, 6, 9, 20, 33},
      {10},
      1,
      5};
  double largest_drift_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Settings, Guard,
                         testing::Values(Setting{"fp32", ModelDtype::kFloat32}, Setting{"bf16", ModelDtype::kBFloat16},
                                         Setting{"fp32_by_log_q", ModelDtype::kFloat32, false},
                                         Setting{"bf16_by_log_q", ModelDtype::kBFloat16, false},
                                         Setting{"fp64_by_log_q", ModelDtype::kFloat64, false},
                                         Setting{"fp32_dropout", ModelDtype::kFloat32, true, 0.1},
                                         Setting{"bf16_dropout", ModelDtype::kBFloat16, true, 0.1},
                                         Setting{"bf16_dropout_by_log_q", ModelDtype::kBFloat16, false, 0.1},
                                         Setting{"bf16_low_learning_rate", ModelDtype::kBFloat16, true, 0, 1e-7},
                                         Setting{"bf16_micro_batches", ModelDtype::kBFloat16, true, 0, 1e-3, 1}),
                         [](const auto& info) { return info.param.name; });

TEST_P(Guard, TheRightProgramPasses) {
  const Status status = Run(/*mutant=*/false, 12);
  EXPECT_TRUE(status.ok()) << Message(status);
  EXPECT_LT(largest_drift_, 2e-5) << "far from the limit";
}

TEST_P(Guard, ADecoderWithoutAnAdapterIsStopped) {
  const Status status = Run(/*mutant=*/true, 12);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("the sampler and the scorer disagree"), HasSubstr("step 2:")))
      << "a fresh adapter is the base model, a trained one is not";
  if (GetParam().has_fingerprints) {
    EXPECT_THAT(Message(status), HasSubstr("other hidden states"));
  }
}

}  // namespace
}  // namespace gfn
