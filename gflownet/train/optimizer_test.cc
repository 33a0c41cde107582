#include "gflownet/train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "gflownet/base/json_util.h"
#include "gflownet/tensor/random.h"
#include "gflownet/tensor/tolerances.h"

namespace gfn {
namespace {

using ::testing::HasSubstr;

// The formulas of tests/golden/train/make_adamw.py.
at::Tensor GoldenStart(int64_t n, at::ScalarType dtype) { return at::arange(n, at::kDouble).sin().to(dtype); }
at::Tensor GoldenGradient(int64_t n, int64_t t, at::ScalarType dtype) {
  return (at::arange(n, at::kDouble).mul(0.7).add(static_cast<double>(t)).cos() * static_cast<double>(1 + t)).to(dtype);
}

TEST(OptimizerTest, EqualsTorchsAdamW) {
  const auto golden = ReadJsonFile(GFN_SOURCE_DIR "/tests/golden/train/adamw.json");
  ASSERT_TRUE(golden.ok()) << golden.status();
  for (const auto& run : *golden) {
    const at::ScalarType dtype = run["dtype"] == "float64" ? at::kDouble : at::kFloat;
    ParameterSet set;
    set.Add("a", "adapter", GoldenStart(7, dtype));
    set.Add("z", "log_z", GoldenStart(3, dtype));
    OptimizerConfig config;
    config.learning_rate = 0.01;
    config.beta2 = 0.99;
    config.weight_decay = run["weight_decay"].get<double>();
    config.clip_norm = run["clip_norm"].get<double>();
    config.groups.push_back({.group = "log_z", .learning_rate_scale = 5, .weight_decay = 0.0});
    auto optimizer = Optimizer::Create(config, &set);
    ASSERT_TRUE(optimizer.ok()) << optimizer.status();
    for (int64_t t = 0; t < 5; ++t) {
      set.Get("a").mutable_grad() = GoldenGradient(7, t, dtype);
      set.Get("z").mutable_grad() = t == 2 ? at::Tensor() : GoldenGradient(3, t, dtype);
      const auto step = optimizer->Step();
      ASSERT_TRUE(step.ok()) << step.status();
      EXPECT_TRUE(AllClose(step->grad_norm, run["norms"][t].get<double>(), Tolerance{1e-6}));
    }
    for (size_t i = 0; i < 2; ++i) {
      const at::Tensor expected = at::tensor(run["values"][i].get<std::vector<double>>(), at::kDouble);
      // fp32: a few roundings a step.
      const Tolerance tolerance{dtype == at::kDouble ? 1e-12 : 1e-6};
      const Closeness close = AllClose(set[i].value, expected, tolerance);
      EXPECT_TRUE(close) << run["dtype"] << " " << set[i].name << " " << close.worst;
    }
  }
}

// The same formulas, one number at a time.
struct SlowAdamW {
  double p, m = 0, v = 0;
  int64_t t = 0;
  void Step(const OptimizerConfig& c, double rate, double g) {
    ++t;
    p *= 1 - rate * c.weight_decay;
    m = c.beta1 * m + (1 - c.beta1) * g;
    v = c.beta2 * v + (1 - c.beta2) * g * g;
    const double mean = m / (1 - std::pow(c.beta1, t)), square = v / (1 - std::pow(c.beta2, t));
    p -= rate * mean / (std::sqrt(square) + c.epsilon);
  }
};

TEST(OptimizerTest, FollowsASlowTwinInFloat64WithScheduleAndClipping) {
  constexpr int64_t kSize = 300;
  ParameterSet set;
  set.Add("w", "adapter", NormalTensor({1, RngPurpose::kTest, 0}, {kSize}, at::kDouble));
  OptimizerConfig config;
  config.learning_rate = 0.03;
  config.weight_decay = 0.02;
  config.clip_norm = 3;
  config.schedule = {.warmup_steps = 3, .decay = Decay::kCosine, .decay_steps = 10, .final_fraction = 0.1};
  auto optimizer = Optimizer::Create(config, &set).value();
  std::vector<SlowAdamW> slow(kSize);
  for (int64_t i = 0; i < kSize; ++i) slow[i].p = set[0].value[i].item<double>();
  for (int64_t t = 0; t < 15; ++t) {
    const at::Tensor g = NormalTensor({2, RngPurpose::kTest, static_cast<uint64_t>(t)}, {kSize}, at::kDouble);
    set[0].value.mutable_grad() = g;
    const OptimizerStep step = optimizer.Step().value();
    const double norm = g.norm().item<double>();
    EXPECT_NEAR(step.clip_scale, 3 / (norm + 1e-6), 1e-12);
    EXPECT_EQ(step.learning_rate, 0.03 * config.schedule.FactorAt(t));
    for (int64_t i = 0; i < kSize; ++i) slow[i].Step(config, step.learning_rate, g[i].item<double>() * step.clip_scale);
  }
  for (int64_t i = 0; i < kSize; ++i) EXPECT_NEAR(set[0].value[i].item<double>(), slow[i].p, 1e-12);
}

TEST(OptimizerTest, ANonFiniteGradientIsNamedAndNothingChanges) {
  ParameterSet set;
  set.Add("a", "adapter", at::ones({4}));
  set.Add("b", "adapter", at::ones({2}));
  auto optimizer = Optimizer::Create({}, &set).value();
  set.Get("a").mutable_grad() = at::ones({4});
  set.Get("b").mutable_grad() = at::full({2}, std::numeric_limits<float>::infinity());
  const uint64_t version = set.version();
  const auto step = optimizer.Step();
  EXPECT_THAT(Message(step.status()), HasSubstr("parameter 'b' (group 'adapter', shape [2]) is not finite: element 0 is inf"));
  EXPECT_TRUE(at::equal(set.Get("a").detach(), at::ones({4})));
  EXPECT_EQ(set.version(), version);
  EXPECT_EQ(optimizer.num_steps(), 0);
}

TEST(OptimizerTest, HalfPrecisionStepsThroughAnFp32Master) {
  ParameterSet half, full;
  half.Add("w", "g", at::ones({8}, at::kBFloat16));
  full.Add("w", "g", at::ones({8}));
  OptimizerConfig config;
  config.learning_rate = 1e-4;  // a single step is lost in bfloat16, a hundred are not
  auto half_optimizer = Optimizer::Create(config, &half).value();
  auto full_optimizer = Optimizer::Create(config, &full).value();
  for (int t = 0; t < 100; ++t) {
    half[0].value.mutable_grad() = at::ones({8}, at::kBFloat16);
    full[0].value.mutable_grad() = at::ones({8});
    ASSERT_TRUE(half_optimizer.Step().ok());
    ASSERT_TRUE(full_optimizer.Step().ok());
  }
  EXPECT_TRUE(at::equal(half[0].value, full[0].value.detach().to(at::kBFloat16)));
  EXPECT_LT(half[0].value[0].item<float>(), 0.995f);
}

TEST(OptimizerTest, UnknownAndRepeatedGroupsAreRefused) {
  ParameterSet set;
  set.Add("w", "adapter", at::ones({1}));
  OptimizerConfig config;
  config.groups.push_back({.group = "log_zz", .learning_rate_scale = 1, .weight_decay = {}});
  EXPECT_THAT(Message(Optimizer::Create(config, &set).status()), HasSubstr("unknown group 'log_zz'"));
  config.groups = {{.group = "adapter", .learning_rate_scale = 1, .weight_decay = {}},
                   {.group = "adapter", .learning_rate_scale = 2, .weight_decay = {}}};
  EXPECT_THAT(Message(Optimizer::Create(config, &set).status()), HasSubstr("'adapter' is given a second time"));
}

TEST(OptimizerTest, AParameterWithoutARoleIsRefusedWhereThereIsAParametrisation) {
  ParameterSet set(Parametrisation{ParametrisationTable::kMupTable8, {}});
  set.Add("w", "net", at::ones({2, 2}), set.TagOf(MatrixShape({2, 1}, {2, 1})));
  EXPECT_TRUE(Optimizer::Create({}, &set).ok());
  set.Add("stray", "head", at::ones({1}));
  EXPECT_THAT(Message(Optimizer::Create({}, &set).status()),
              HasSubstr("parameter 'stray' (group 'head') has no role (input, hidden, output, tied, vector, scalar), which "
                        "parametrisation mup_table8 needs"));
}

ParameterSet TwoParameters() {
  ParameterSet set;
  set.Add("a", "adapter", NormalTensor({1, RngPurpose::kTest, 0}, {50}));
  set.Add("b", "adapter", NormalTensor({1, RngPurpose::kTest, 1}, {3}, at::kBFloat16));
  return set;
}

void StepWithGradients(ParameterSet& set, Optimizer& optimizer, uint64_t t) {
  set.Get("a").mutable_grad() = NormalTensor({3, RngPurpose::kTest, t}, {50});
  set.Get("b").mutable_grad() = NormalTensor({4, RngPurpose::kTest, t}, {3}, at::kBFloat16);
  ASSERT_TRUE(optimizer.Step().ok());
}

TEST(OptimizerTest, AGroupThatMayBeAbsentHasNoEffect) {
  ParameterSet parameters;
  parameters.Add("w", "adapter", at::ones({3}));
  OptimizerConfig config;
  config.groups = {{.group = "log_z", .learning_rate_scale = 5, .weight_decay = {}}};
  const auto refused = Optimizer::Create(config, &parameters);
  EXPECT_NE(Message(refused.status()).find("optimizer.groups.0.group"), std::string::npos) << refused.status();
  EXPECT_TRUE(Optimizer::Create(config, &parameters, {"log_z"}).ok());
}

TEST(OptimizerTest, SavedAndLoadedItGoesOnBitForBit) {
  const std::string folder = testing::TempDir();
  ParameterSet straight = TwoParameters();
  auto straight_optimizer = Optimizer::Create({}, &straight).value();
  for (uint64_t t = 0; t < 3; ++t) StepWithGradients(straight, straight_optimizer, t);
  ASSERT_TRUE(straight.Save(folder + "/p.safetensors").ok());
  ASSERT_TRUE(straight_optimizer.Save(folder + "/o.safetensors").ok());
  for (uint64_t t = 3; t < 6; ++t) StepWithGradients(straight, straight_optimizer, t);

  ParameterSet resumed = TwoParameters();
  auto optimizer = Optimizer::Create({}, &resumed).value();
  ASSERT_TRUE(resumed.Load(folder + "/p.safetensors").ok());
  ASSERT_TRUE(optimizer.Load(folder + "/o.safetensors").ok());
  EXPECT_EQ(optimizer.num_steps(), 3);
  for (uint64_t t = 3; t < 6; ++t) StepWithGradients(resumed, optimizer, t);
  for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(at::equal(straight[i].value, resumed[i].value)) << straight[i].name;
}

TEST(OptimizerTest, TheStateOfAnotherOptimizerIsRefused) {
  const std::string path = testing::TempDir() + "/other.safetensors";
  ParameterSet other;
  other.Add("a", "adapter", at::zeros({49}));
  ASSERT_TRUE(Optimizer::Create({}, &other)->Save(path).ok());
  ParameterSet set = TwoParameters();
  auto optimizer = Optimizer::Create({}, &set).value();
  const std::string message = Message(optimizer.Load(path));
  EXPECT_THAT(message, HasSubstr("'a.mean' has another shape"));
  EXPECT_THAT(message, HasSubstr("b.mean"));
  EXPECT_EQ(optimizer.num_steps(), 0);
}

TEST(OptimizerTest, ThreadsChangeNothing) {
  const int threads = at::get_num_threads();
  const auto run = [](int num_threads) {
    at::set_num_threads(num_threads);
    ParameterSet set;
    set.Add("w", "g", NormalTensor({1, RngPurpose::kTest, 0}, {200000}));
    auto optimizer = Optimizer::Create({}, &set).value();
    for (uint64_t t = 0; t < 2; ++t) {
      set[0].value.mutable_grad() = NormalTensor({2, RngPurpose::kTest, t}, {200000});
      EXPECT_TRUE(optimizer.Step().ok());
    }
    return set[0].value.detach().clone();
  };
  const at::Tensor one = run(1), three = run(3);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one, three));
}

}  // namespace
}  // namespace gfn
