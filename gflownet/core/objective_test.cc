// The objectives against hand-worked numbers, slow twins that spell the equations out in loops, and finite differences.
#include "gflownet/core/objective.h"

#include <gtest/gtest.h>

#include "gflownet/core/objective_test_example.h"

namespace gfn {
namespace {

// a_k of one row, straight from its definition.
double PrefixEstimate(const Example& e, int64_t row, int64_t k, double temperature) {
  double value = At(e.batch.log_reward_along_BT, row, k) / temperature - At(e.scores.log_stop_BT, row, k);
  for (int64_t m = 0; m < k; ++m) value += e.LogPb(row, m) - At(e.scores.log_pf_BT, row, m);
  return value;
}

struct Node {
  double value, weight;
  int64_t position;
};

// Numerator and weight of one group by the O(N^2) definition.
std::pair<double, double> SlowModifiedSubTb(const Example& e, int64_t group, const ModifiedSubTbConfig& config,
                                            double temperature) {
  const bool within = config.paper_compat || config.lambda < 1;
  std::vector<std::vector<Node>> sets;  // nodes that are compared with each other
  std::vector<Node> condition;
  if (config.root) condition.push_back({At(e.scores.log_z_G, group), 1, 0});
  for (int64_t row = 0; row < kRows; ++row) {
    if (e.scores.group_B[row].item<int64_t>() != group) continue;
    std::vector<Node> nodes;
    if (config.root) nodes.push_back({At(e.scores.log_z_G, group), 1, 0});
    const int64_t length = e.batch.lengths_B[row].item<int64_t>();
    for (int64_t k = 0; k < length; ++k) {
      if (!e.batch.stop_legal_BT[row][k].item<bool>()) continue;
      nodes.push_back({PrefixEstimate(e, row, k, temperature), k == length - 1 ? 1 : config.prefix_weight, k});
      condition.push_back(nodes.back());
    }
    if (within) sets.push_back(nodes);
  }
  if (!within) sets.push_back(condition);
  double numerator = 0, weight = 0;
  for (const std::vector<Node>& nodes : sets) {
    for (size_t i = 0; i < nodes.size(); ++i) {
      for (size_t j = i + 1; j < nodes.size(); ++j) {
        const double distance = std::max<double>(nodes[j].position - nodes[i].position, 1);
        const double w = nodes[i].weight * nodes[j].weight * (within ? std::pow(config.lambda, distance - 1) : 1);
        numerator += w * Cost(nodes[i].value - nodes[j].value, config.residual);
        weight += w;
      }
    }
  }
  if (config.paper_compat) return {numerator, weight};
  return {numerator / weight, 1};
}

class ModifiedSubTbTwin : public testing::TestWithParam<ModifiedSubTbConfig> {};

TEST_P(ModifiedSubTbTwin, AgreesWithTheSlowTwin) {
  for (const int64_t min_length : {0, 1, 2}) {
    for (const bool dag : {false, true}) {
      const Example e(min_length, 7 + min_length, dag);
      const double temperature = 0.8;
      const GroupLoss loss = Make(GetParam())->Loss(e.scores, ApplyTemperature(e.batch, temperature));
      for (int64_t group = 0; group < kGroups; ++group) {
        const auto [numerator, weight] = SlowModifiedSubTb(e, group, GetParam(), temperature);
        EXPECT_NEAR(At(loss.numerator_G, group), numerator, 1e-10 * numerator);
        EXPECT_NEAR(At(loss.weight_G, group), weight, 1e-12 * weight);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Objective, ModifiedSubTbTwin,
    testing::Values(ModifiedSubTbConfig{}, ModifiedSubTbConfig{.root = true}, ModifiedSubTbConfig{.prefix_weight = 0.3},
                    ModifiedSubTbConfig{.root = true, .residual = HuberResidual{2}},
                    ModifiedSubTbConfig{.residual = HuberResidual{4}}, ModifiedSubTbConfig{.lambda = 0.7, .root = true},
                    ModifiedSubTbConfig{.lambda = 0.7, .root = true, .residual = HuberResidual{2}},
                    ModifiedSubTbConfig{.paper_compat = true}, ModifiedSubTbConfig{.lambda = 0.9, .paper_compat = true}));

TEST(ModifiedSubTb, HandWorked) {
  Example e(4, 3);
  // Only rows of length 5 can stop at step 4; give the others no legal stop: |S| is 1 for each condition, then weight 0.
  const GroupLoss alone = Make(ModifiedSubTbConfig{})->Loss(e.scores, ApplyTemperature(e.batch, 1));
  EXPECT_EQ(At(alone.weight_G, 0), 0);
  EXPECT_EQ(At(alone.numerator_G, 0), 0);

  // Two rollouts of one condition with a = 1 and a = 3: 2 / (2 - 1) * ((1 - 2)^2 + (3 - 2)^2) = 4.
  TrajectoryBatch batch;
  batch.condition_ids = Repeat(Unconditional(), 2);
  batch.lengths_B = at::full({2}, 1, at::kLong);
  batch.actions_BT = at::zeros({2, 1}, at::kLong);
  batch.stop_legal_BT = at::ones({2, 1}, at::kBool);
  batch.log_reward_along_BT = at::tensor(std::vector<double>{-1, 0}).view({2, 1});
  batch.log_reward_B = batch.log_reward_along_BT.squeeze(1);
  TrajectoryScores scores;
  SetGroups(batch, at::kCPU, scores);
  scores.log_stop_BT = at::tensor(std::vector<double>{-2, -3}).view({2, 1});
  scores.log_pf_BT = scores.log_stop_BT;
  scores.log_z_G = at::tensor(std::vector<double>{2});
  const Targets targets = ApplyTemperature(batch, 1);
  EXPECT_DOUBLE_EQ(StepLoss(Make(ModifiedSubTbConfig{})->Loss(scores, targets)).item<double>(), 4);
  EXPECT_DOUBLE_EQ(StepLoss(Make(VarGradConfig{})->Loss(scores, targets)).item<double>(), 2);
  EXPECT_DOUBLE_EQ(StepLoss(Make(TbConfig{})->Loss(scores, targets)).item<double>(), 1);
  // The root joins as a third node at 2: pairs 4, 1, 1, mean 2.
  EXPECT_DOUBLE_EQ(StepLoss(Make(ModifiedSubTbConfig{.root = true})->Loss(scores, targets)).item<double>(), 2);
  // Importance weights e / (e + e^3) and e^3 / (e + e^3) of -log q = 2 and 3.
  const double heavy = 1 / (1 + std::exp(-2.0));
  EXPECT_NEAR(StepLoss(Make(MaximumLikelihoodConfig{.importance = true})->Loss(scores, targets)).item<double>(),
              2 * (1 - heavy) + 3 * heavy, 1e-12);
  batch.weight_B = at::tensor(std::vector<double>{1, 3});
  EXPECT_DOUBLE_EQ(StepLoss(Make(MaximumLikelihoodConfig{})->Loss(scores, ApplyTemperature(batch, 1))).item<double>(), 11.0 / 4);
}

TEST(ModifiedSubTb, FirstTokensLearnWhenStoppingThereIsIllegal) {
  const Example e(2);
  StepLoss(Make(ModifiedSubTbConfig{})->Loss(e.scores, ApplyTemperature(e.batch, 1))).backward();
  const at::Tensor gradient = e.scores.log_pf_BT.grad();
  for (int64_t row = 0; row < kRows; ++row) EXPECT_GT(std::abs(At(gradient, row, 0)), 1e-6) << row;

  // Within one trajectory log q of the first min_len tokens cancels: the defect that this form exists to avoid.
  const Example paper(2);
  StepLoss(Make(ModifiedSubTbConfig{.paper_compat = true})->Loss(paper.scores, ApplyTemperature(paper.batch, 1))).backward();
  EXPECT_LT(paper.scores.log_pf_BT.grad().slice(1, 0, 2).abs().max().item<double>(), 1e-12);
  // A root brings them back, also for a single rollout.
  const Example root(2);
  StepLoss(Make(ModifiedSubTbConfig{.lambda = 0.9, .root = true})->Loss(root.scores, ApplyTemperature(root.batch, 1))).backward();
  EXPECT_GT(root.scores.log_pf_BT.grad().slice(1, 0, 1).abs().min().item<double>(), 1e-6);
}

TEST(ModifiedSubTb, IllegalEntriesNeverEnter) {
  Example e(2);
  const at::Tensor expected = StepLoss(Make(ModifiedSubTbConfig{})->Loss(e.scores, ApplyTemperature(e.batch, 1)));
  const at::Tensor illegal = e.batch.stop_legal_BT.logical_not();
  e.batch.log_reward_along_BT.masked_fill_(illegal, -1e30);
  e.scores.log_stop_BT = e.scores.log_stop_BT.detach().masked_fill(illegal, -INFINITY).requires_grad_();
  const at::Tensor loss = StepLoss(Make(ModifiedSubTbConfig{})->Loss(e.scores, ApplyTemperature(e.batch, 1)));
  EXPECT_EQ(loss.item<double>(), expected.item<double>());
  loss.backward();
  EXPECT_TRUE(e.scores.log_stop_BT.grad().isfinite().all().item<bool>());
  EXPECT_TRUE(e.scores.log_pf_BT.grad().isfinite().all().item<bool>());
}

// Large common offsets (log R of a long text) must not cost digits: fp32 inputs, exact centring.
TEST(ModifiedSubTb, OffsetsCancel) {
  Example e(1);
  const double small = StepLoss(Make(ModifiedSubTbConfig{})->Loss(e.scores, ApplyTemperature(e.batch, 1))).item<double>();
  e.batch.log_reward_along_BT -= 65536.0;
  const double large = StepLoss(Make(ModifiedSubTbConfig{})->Loss(e.scores, ApplyTemperature(e.batch, 1))).item<double>();
  EXPECT_NEAR(large, small, 1e-9 * small);
}

std::vector<ObjectiveConfig> AllObjectives() {
  return {ModifiedSubTbConfig{},
          ModifiedSubTbConfig{.root = true, .residual = HuberResidual{3}},
          ModifiedSubTbConfig{.lambda = 0.8, .root = true},
          ModifiedSubTbConfig{.paper_compat = true},
          TbConfig{},
          TbConfig{HuberResidual{1}},
          VarGradConfig{},
          DbConfig{},
          SubTbConfig{},
          MaximumLikelihoodConfig{},
          ModifiedDbConfig{},
          PathConsistencyConfig{}};
}

TEST(Objectives, GradientsAreFiniteDifferences) {
  for (const ObjectiveConfig& config : AllObjectives()) {
    const std::unique_ptr<Objective> objective = Make(config);
    SCOPED_TRACE(objective->Name());
    const Example e(1, 5, /*dag=*/true);
    const Targets targets = ApplyTemperature(e.batch, 0.9);
    StepLoss(objective->Loss(e.scores, targets)).backward();
    for (const at::Tensor& leaf : e.Leaves()) {
      const at::Tensor gradient = leaf.grad().defined() ? leaf.grad().flatten() : at::zeros({leaf.numel()}, at::kDouble);
      const at::NoGradGuard no_grad;
      double* values = leaf.data_ptr<double>();
      for (int64_t i = 0; i < leaf.numel(); ++i) {
        constexpr double kStep = 1e-5;
        const double kept = values[i];
        values[i] = kept + kStep;
        const double above = StepLoss(objective->Loss(e.scores, targets)).item<double>();
        values[i] = kept - kStep;
        const double below = StepLoss(objective->Loss(e.scores, targets)).item<double>();
        values[i] = kept;
        EXPECT_NEAR(gradient[i].item<double>(), (above - below) / (2 * kStep), 2e-6 * std::max(1.0, std::abs(above)));
      }
    }
  }
}

TEST(Objectives, MicroBatchesOfWholeGroupsChangeNothing) {
  for (const ObjectiveConfig& config : AllObjectives()) {
    const std::unique_ptr<Objective> objective = Make(config);
    SCOPED_TRACE(objective->Name());
    const Example e(1, 9);
    const GroupLoss whole = objective->Loss(e.scores, ApplyTemperature(e.batch, 1));
    at::Tensor numerator = at::zeros({}, at::kDouble), weight = at::zeros({}, at::kDouble);
    for (int64_t group = 0; group < kGroups; ++group) {
      const at::Tensor rows = e.scores.group_B.eq(group).nonzero().squeeze(1);
      const TrajectoryBatch part = e.batch.Gather(rows);
      TrajectoryScores scores;
      SetGroups(part, at::kCPU, scores);
      auto cut = [&](const at::Tensor& full) { return full.index_select(0, rows).slice(1, 0, part.num_steps()); };
      scores.log_pf_BT = cut(e.scores.log_pf_BT);
      scores.log_stop_BT = cut(e.scores.log_stop_BT);
      scores.log_flow_BT = cut(e.scores.log_flow_BT);
      scores.log_z_G = e.scores.log_z_G.slice(0, group, group + 1);
      const GroupLoss loss = objective->Loss(scores, ApplyTemperature(part, 1));
      numerator = numerator + loss.numerator_G.sum();
      weight = weight + loss.weight_G.sum();
    }
    EXPECT_NEAR((numerator / weight).item<double>(), StepLoss(whole).item<double>(), 1e-12 * StepLoss(whole).item<double>());
  }
}

TEST(Objectives, ZeroAtTheOptimum) {
  Example e(1, 13, /*dag=*/true);
  // Choose the rewards that make every estimate equal log Z, and the flows that balance every step.
  const at::NoGradGuard no_grad;
  const at::Tensor forward = e.scores.log_pf_BT - e.scores.log_pb_BT;
  const at::Tensor before = forward.cumsum(1) - forward;
  const at::Tensor log_z_B1 = e.scores.log_z_G.index_select(0, e.scores.group_B).unsqueeze(1);
  const at::Tensor last = (e.batch.lengths_B - 1).unsqueeze(1);
  e.scores.log_stop_BT = e.scores.log_stop_BT.scatter(1, last, e.scores.log_pf_BT.gather(1, last));
  e.scores.log_pb_BT = e.scores.log_pb_BT.scatter(1, last, 0.0);  // a stop has one way back
  e.batch.log_reward_along_BT = (log_z_B1 + before + e.scores.log_stop_BT) * e.batch.stop_legal_BT;
  e.batch.log_reward_B = e.batch.log_reward_along_BT.gather(1, last).squeeze(1);
  e.scores.log_flow_BT = log_z_B1 + before;
  const Targets targets = ApplyTemperature(e.batch, 1);
  for (const ObjectiveConfig& config : AllObjectives()) {
    if (std::holds_alternative<MaximumLikelihoodConfig>(config)) continue;  // its minimum is not 0
    const std::unique_ptr<Objective> objective = Make(config);
    EXPECT_LT(StepLoss(objective->Loss(e.scores, targets)).item<double>(), 1e-20) << objective->Name();
  }
}

TEST(Objectives, TemperatureDividesTheRewardOnce) {
  const Example e(1);
  const Targets targets = ApplyTemperature(e.batch, 0.5);
  EXPECT_TRUE(targets.log_reward_B.equal(e.batch.log_reward_B * 2));
  EXPECT_TRUE(targets.log_reward_along_BT.equal(e.batch.log_reward_along_BT * 2));
}

TEST(Objectives, ValuesOutOfRangeAreRefused) {
  EXPECT_FALSE(MakeObjective(ModifiedSubTbConfig{.lambda = 0}).ok());
  EXPECT_FALSE(MakeObjective(ModifiedSubTbConfig{.lambda = 1.5}).ok());
  EXPECT_FALSE(MakeObjective(SubTbConfig{.lambda = -1}).ok());
  EXPECT_FALSE(MakeObjective(TbConfig{HuberResidual{0}}).ok());
  EXPECT_FALSE(MakeObjective(TbConfig{ShiftedCoshResidual{0}}).ok());
  EXPECT_FALSE(MakeObjective(TbConfig{LinexResidual{.alpha = 0}}).ok());
  EXPECT_FALSE(MakeObjective(ModifiedSubTbConfig{.residual = LinexResidual{}}).ok());
  EXPECT_TRUE(MakeObjective(ModifiedSubTbConfig{.lambda = 0.9, .root = true, .residual = LinexResidual{}}).ok());
  EXPECT_FALSE(MakeObjective(FlowMatchingConfig{.epsilon = -1}).ok());
  EXPECT_FALSE(MakeObjective(PpoConfig{.clip = 0}).ok());
  EXPECT_FALSE(MakeObjective(PpoConfig{.gae_lambda = 2}).ok());
  EXPECT_FALSE(MakeObjective(PathConsistencyConfig{.steps = 0}).ok());
  EXPECT_FALSE(MakeObjective(ModifiedSubTbConfig{.root = true, .paper_compat = true}).ok());
  const auto rootless = MakeObjective(ModifiedSubTbConfig{.lambda = 0.9});
  ASSERT_FALSE(rootless.ok());
  EXPECT_NE(Message(rootless.status()).find("root"), std::string::npos) << Message(rootless.status());
}

}  // namespace
}  // namespace gfn
