#include "tests/support/world_conformance.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "gflownet/base/file_util.h"
#include "gflownet/base/text_util.h"
#include "gflownet/core/rollout.h"
#include "gflownet/env/conformance.h"
#include "gflownet/env/continuous_policy.h"
#include "gflownet/env/exact.h"
#include "gflownet/tensor/random.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

const std::vector<ConditionId> kNone = {Unconditional()};
constexpr int64_t kMaxTrajectories = 1 << 16;

std::string Actions(const Support& support) {
  if (support.low_BD.defined()) return "any point of the box";
  const at::Tensor legal = support.Dense()[0].nonzero().squeeze(1);
  std::vector<std::string> names;
  for (int64_t i = 0; i < std::min<int64_t>(legal.numel(), 12); ++i) names.push_back(std::to_string(legal[i].item<int64_t>()));
  std::string text = Join(names, " ");
  return legal.numel() > 12 ? text + " .. (" + std::to_string(legal.numel()) + ")" : text;
}

std::string Number(const at::Tensor& action) {
  if (action.dim() == 0) return std::to_string(action.item<int64_t>());
  std::vector<std::string> parts;
  for (int64_t i = 0; i < action.numel(); ++i) parts.push_back(FormatShort(action[i].item<double>()));
  std::string text = "(";
  return text += Join(parts, ", ") + ")";
}

std::string Playthrough(const Environment& environment, const Reward& reward) {
  const EnvironmentSpec& spec = environment.Spec();
  std::string text = spec.name + ": " + std::to_string(spec.num_actions) + " actions, " +
                     std::to_string(spec.num_backward_actions) + " backward, at most " + std::to_string(spec.max_steps) +
                     " steps\n" + environment.SupportDigest() + "\n" + reward.Digest() + "\n";
  TrajectoryBatch batch = RandomTrajectories(environment, kNone, {.rollouts = 2, .seed = 3});
  const Status status = EvaluateReward(reward, batch);
  EXPECT_TRUE(status.ok()) << Message(status);
  for (int64_t row = 0; row < batch.size() && status.ok(); ++row) {
    const TrajectoryBatch one = batch.Gather(std::vector<int64_t>{row});
    const std::vector<State> states = Unroll(environment, one);
    text.append("\n").append(environment.Format(states[0], 0)).append("\n");
    for (int64_t step = 0; step < one.num_steps(); ++step) {
      text += "  legal " + Actions(environment.ForwardSupport(states[step])) + "\n  action " + Number(one.actions_BT[0][step]);
      if (one.outcomes_BT.defined()) text += " outcome " + Number(one.outcomes_BT[0][step]);
      if (one.backward_actions_BT.defined()) text += " back " + Number(one.backward_actions_BT[0][step]);
      text.append("\n").append(environment.Format(states[step + 1], 0)).append("\n");
    }
    text += "log R " + FormatShort(one.log_reward_B[0].item<double>()) + "\n";
  }
  return text;
}

}  // namespace

void FillParameters(ParameterSet& parameters, uint64_t seed) {
  const at::NoGradGuard no_grad;
  uint64_t stream = 0;
  for (const Parameter& parameter : parameters) {
    parameter.value.copy_(NormalTensor({seed, RngPurpose::kTest, 0}, parameter.value.sizes(), at::kDouble, stream++));
  }
}

void CheckNumbering(const EnumerableEnvironment& environment, ConditionId condition) {
  Findings findings;
  FindBrokenNumbering(environment, condition, findings);
  for (const std::string& line : findings.lines()) ADD_FAILURE() << line;
}

void CheckExact(const EnumerableEnvironment& environment, const StatePolicy& policy, ConditionId condition) {
  const at::Tensor log_q_X = ExactLogTerminating(environment, policy, condition);
  EXPECT_NEAR(log_q_X.exp().sum().item<double>(), 1, 1e-12);
  const auto all = EnumerateTrajectories(environment, condition, kMaxTrajectories);
  ASSERT_TRUE(all.ok()) << Message(all.status()) << ": give the suite a smaller world";
  const at::Tensor q_B = (LogProbOfTrajectories(policy, *all) + LogOutcomesOfTrajectories(environment, *all)).exp();
  const at::Tensor object_B = environment.ObjectIndex(FinalStates(environment, *all));
  const at::Tensor q_X = at::zeros({environment.NumObjects()}, at::kDouble).index_add(0, object_B, q_B);
  ExpectClose(q_X, log_q_X.exp(), {1e-11}, "sum over trajectories against dynamic programming");
}

void CheckPlaythrough(const Environment& environment, const Reward& reward, const std::string& golden_name) {
  const std::string path = GFN_SOURCE_DIR "/tests/golden/worlds/" + golden_name + ".txt";
  const std::string text = Playthrough(environment, reward);
  const char* update = std::getenv("GFN_UPDATE_GOLDEN");
  if (update != nullptr && std::string(update) == "1") {
    const Status status = WriteFileAtomic(path, text);
    ASSERT_TRUE(status.ok()) << Message(status);
  }
  const auto golden = ReadFile(path);
  ASSERT_TRUE(golden.ok()) << Message(golden.status()) << "; GFN_UPDATE_GOLDEN=1 writes it";
  EXPECT_EQ(text, *golden) << path << ": GFN_UPDATE_GOLDEN=1 writes it again; read the difference";
}

void CheckWorld(const RewardedWorld& world, const std::string& golden_name) {
  const Environment& environment = *world.environment;
  SCOPED_TRACE("world " + environment.Spec().name);
  const Status status = CheckWorld(world);
  ASSERT_TRUE(status.ok()) << Message(status);
  CheckPlaythrough(environment, *world.reward, golden_name);
  const EnumerableEnvironment* enumerable = world.enumerable();
  if (testing::Test::HasFailure()) return;
  const StatePolicyOptions options{.learned_backward = true, .flow = true, .dtype = at::kDouble};
  ParameterSet mlp_parameters;
  const auto mlp = MakePolicy(world, mlp_parameters, {.heads = options, .width = 8}, {1, RngPurpose::kInit, 0});
  CheckPolicy(environment, *mlp, kNone, {.tolerance = kTinyModelTolerance});
  if (enumerable == nullptr) return;

  ParameterSet parameters, others;
  const TabularPolicy table(*enumerable, kNone, parameters, options), other(*enumerable, kNone, others, options);
  FillParameters(parameters, 1);
  CheckPolicy(environment, table, kNone, {.tolerance = kTinyModelTolerance});
  CheckPolicyParameters(environment, {table, parameters}, {other, others}, kNone);
  CheckExact(*enumerable, table);

  // Rewards of objects and rewards of trajectories that lead to them.
  const auto graph = StateGraph::Build(*enumerable, Unconditional());
  ASSERT_TRUE(graph.ok()) << Message(graph.status());
  auto batch = graph->OneTrajectoryEach(*enumerable);
  ASSERT_TRUE(batch.ok()) << Message(batch.status());
  EXPECT_TRUE(enumerable->ObjectIndex(FinalStates(environment, *batch)).equal(at::arange(graph->num_objects(), at::kLong)));
  ASSERT_TRUE(EvaluateReward(*world.reward, *batch).ok());
  const auto log_reward_X = ExactLogReward(*enumerable, *graph, *world.reward, Unconditional());
  ASSERT_TRUE(log_reward_X.ok()) << Message(log_reward_X.status());
  ExpectClose(batch->log_reward_B, *log_reward_X, kTinyModelTolerance, "log R of trajectories against log R of objects");
}

}  // namespace gfn
