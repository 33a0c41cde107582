// An energy model learned together with its sampler finds the couplings that made the data.
#include "gflownet/estimate/energy_training.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "gflownet/env/ising.h"
#include "gflownet/env/training_fixture.h"

namespace gfn {
namespace {

// Neighbours on a torus of side 3: 18 bonds.
std::vector<std::pair<int64_t, int64_t>> Bonds(int64_t side) {
  std::vector<std::pair<int64_t, int64_t>> bonds;
  for (int64_t row = 0; row < side; ++row) {
    for (int64_t column = 0; column < side; ++column) {
      const int64_t site = row * side + column;
      bonds.push_back({site, row * side + (column + 1) % side});
      bonds.push_back({site, (row + 1) % side * side + column});
    }
  }
  return bonds;
}

double RootMeanSquare(const at::Tensor& difference) { return difference.square().mean().sqrt().item<double>(); }

class OnSpins : public testing::Test {
 protected:
  Ising world_{{.side = 3, .order = AssignmentOrder::kLeftToRight}};
  ParameterSet parameters_;
  FactorGraph graph_;
  at::Tensor spins_XV_ = Ising::Spins(world_.ObjectsAt(at::arange(512, at::kLong), Unconditional()));
  at::Tensor truth_M_ = at::empty({18}, at::kDouble);

  void SetUp() override {
    graph_.Add(std::make_unique<PairModule>("bonds", Bonds(3), parameters_));
    graph_.Add(std::make_unique<FieldModule>("field", 9, parameters_));
    for (int64_t m = 0; m < 18; ++m)
      truth_M_.data_ptr<double>()[m] = 0.35 * Normal({11, RngPurpose::kTest, 0}, 0, static_cast<uint64_t>(m));
  }
  const at::Tensor& Learned() const { return parameters_.Get("bonds"); }
  void Assign(const at::Tensor& bonds_M) {
    const at::NoGradGuard no_grad;
    parameters_.Get("bonds").copy_(bonds_M);
    parameters_.Get("field").zero_();
  }
  // Exact samples of the model with the true bonds.
  at::Tensor Data(int64_t num) {
    const at::NoGradGuard no_grad;
    Assign(truth_M_);
    const at::Tensor cumulative_X = graph_.LogScore(spins_XV_).softmax(0).cumsum(0).contiguous();
    const double* begin = cumulative_X.const_data_ptr<double>();
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < num; ++i) {
      const double u = Uniform({12, RngPurpose::kTest, 0}, 0, static_cast<uint64_t>(i));
      rows.push_back(std::min<int64_t>(std::upper_bound(begin, begin + 512, u) - begin, 511));
    }
    Assign(at::zeros_like(truth_M_));
    return spins_XV_.index_select(0, at::tensor(rows, at::kLong));
  }
  // The most likely bonds of the data, by gradient ascent with the exact expectation over all 512 objects.
  at::Tensor MostLikely(const at::Tensor& data_NV) {
    Assign(at::zeros_like(truth_M_));
    for (int step = 0; step < 400; ++step) {
      parameters_.ZeroGrad();
      (graph_.LogScore(spins_XV_).logsumexp(0) - graph_.LogScore(data_NV).mean()).backward();
      const at::NoGradGuard no_grad;
      for (const Parameter& parameter : parameters_) parameter.value.sub_(parameter.value.grad(), 0.2);
    }
    const at::Tensor best = Learned().detach().clone();
    Assign(at::zeros_like(truth_M_));
    return best;
  }
};

TEST_F(OnSpins, ModulesAreTermsOfTheReward) {
  const FactorGraphReward reward(world_, graph_, &Ising::Spins);
  Assign(truth_M_);
  const State objects = world_.ObjectsAt(at::arange(512, at::kLong), Unconditional());
  at::Tensor couplings = at::zeros({9, 9}, at::kDouble);
  const auto bonds = Bonds(3);
  for (size_t m = 0; m < bonds.size(); ++m) {
    couplings[bonds[m].first][bonds[m].second] += truth_M_[static_cast<int64_t>(m)];
    couplings[bonds[m].second][bonds[m].first] += truth_M_[static_cast<int64_t>(m)];
  }
  const IsingReward direct(world_, 1, couplings, at::zeros({9}, at::kDouble));
  EXPECT_TRUE(reward.LogRewardOf(objects).allclose(direct.LogRewardOf(objects), 1e-10, 1e-10));
  FactorGraph more;
  more.Add(
      std::make_unique<FunctionModule>("last spins", std::vector<int64_t>{7, 8}, [](const at::Tensor& x) { return x.sum(1); }));
  EXPECT_NEAR(more.LogScore(spins_XV_)[511].item<double>(), 2, 1e-12);
}

TEST_F(OnSpins, JointTrainingRecoversTheCouplings) {
  const at::Tensor data_NV = Data(4000), most_likely_M = MostLikely(data_NV);
  const double initial = RootMeanSquare(truth_M_);
  ASSERT_LT(RootMeanSquare(most_likely_M - truth_M_), initial / 4);  // the data say what they should

  const FactorGraphReward reward(world_, graph_, &Ising::Spins);
  TrainingSetup setup{.environment = &world_, .reward = &reward, .objective = VarGradConfig{}};
  setup.trainer.rollouts = 64;
  TrainingRun sampler(setup);
  ASSERT_TRUE(sampler.status().ok()) << Message(sampler.status());
  OptimizerConfig config;
  config.learning_rate = 0.02;
  config.clip_norm = 0;
  Optimizer optimizer = Optimizer::Create(config, &parameters_).value();
  EnergyTraining training({.sampler_steps = 1, .negatives = 128},
                          {.sampler_trainer = &sampler.trainer(),
                           .sampler = {.environment = &world_, .policy = &sampler.table(), .reward = &reward},
                           .reward = &reward,
                           .energy_parameters = &parameters_,
                           .energy_optimizer = &optimizer,
                           .data_NV = data_NV,
                           .seed = 1});
  // Steps of Adam wander around the optimum by their size: the mean of the last of them is what was learned.
  at::Tensor mean_M = at::zeros({18}, at::kDouble);
  double ess = 0;
  for (int step = 0; step < 260; ++step) {
    const auto result = training.Step();
    ASSERT_TRUE(result.ok()) << Message(result.status());
    if (step < 160) continue;
    mean_M += Learned().detach() / 100;
    ess += *result->Find("negative_ess") / 100;
  }
  EXPECT_GT(ess, 40);  // the sampler keeps up with the energy
  EXPECT_LT(RootMeanSquare(mean_M - most_likely_M), 0.08);
  EXPECT_LT(RootMeanSquare(mean_M - truth_M_), initial / 2);
}

}  // namespace
}  // namespace gfn
