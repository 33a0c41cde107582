#include "tasks/world/world_checks.h"

#include <cmath>

#include "gflownet/core/rollout.h"
#include "gflownet/tensor/device.h"
#include "gflownet/tensor/random.h"

namespace gfn {
namespace {

constexpr int64_t kRows = 64;

// A fresh table is the uniform policy, of which checks would prove little.
void Perturb(ParameterSet& parameters) {
  const at::NoGradGuard no_grad;
  uint64_t stream = 0;
  for (const Parameter& parameter : parameters) {
    ++stream;
    if (parameter.value.abs().max().item<double>() > 0) continue;
    at::Tensor(parameter.value)
        .add_(NormalTensor({1, RngPurpose::kTest, 0}, parameter.value.sizes(), parameter.value.scalar_type(), stream), 0.1);
  }
  parameters.RaiseVersion();
}

// log q of every action as the sampling session saw it.
at::Tensor SessionLogPf(const Environment& environment, const Policy& policy, const TrajectoryBatch& batch,
                        const std::vector<State>& states) {
  const at::NoGradGuard no_grad;
  const auto session = policy.StartRollout(batch.condition_ids);
  at::Tensor log_pf_BT = at::zeros({batch.size(), batch.num_steps()}, at::kDouble);
  at::Tensor live = at::arange(batch.size(), at::kLong);
  for (int64_t t = 0; t < batch.num_steps(); ++t) {
    const State state = states[t].Gather(live);
    const at::Tensor actions = batch.actions_BT.index_select(0, live).select(1, t);
    const at::Tensor log_probs = environment.ForwardSupport(state).LogProbs(session->Logits(state));
    log_pf_BT.select(1, t).index_copy_(0, live, log_probs.gather(1, actions.unsqueeze(1)).squeeze(1).to(at::kDouble));
    const at::Tensor keep = states[t + 1].Gather(live).done_B().logical_not().nonzero().flatten();
    if (keep.numel() == 0) break;
    session->Keep(keep);
    session->Advance(actions.index_select(0, keep));
    live = live.index_select(0, keep);
  }
  return log_pf_BT;
}

// Rows whose parent is not what Undo leads back to.
double WrongParents(const Environment& environment, const TrajectoryBatch& batch, const std::vector<State>& states) {
  int64_t wrong = 0;
  for (int64_t t = 0; t < batch.num_steps(); ++t) {
    const at::Tensor rows = batch.lengths_B.gt(t).nonzero().flatten();
    const at::Tensor back =
        batch.backward_actions_BT.defined() ? batch.backward_actions_BT.select(1, t).index_select(0, rows) : at::zeros_like(rows);
    wrong += environment.Undo(states[t + 1].Gather(rows), back).Equals(states[t].Gather(rows)) ? 0 : 1;
  }
  return static_cast<double>(wrong);
}

// The derivative of the mean of log_pf along its own gradient against that gradient's norm, relative.
StatusOr<double> GradientError(const Policy& policy, ParameterSet& parameters, const TrajectoryBatch& batch) {
  const auto value = [&](bool with_grad) {
    const TrajectoryScores scores =
        policy.Score(batch, {.needs = Need::kLogPf, .with_grad = with_grad, .dropout_key = {}, .dropout_streams_B = {}});
    return scores.log_pf_BT.to(at::kDouble).sum() / static_cast<double>(batch.size());
  };
  parameters.ZeroGrad();
  value(true).backward();
  ASSIGN_OR_RETURN(const double norm, parameters.GradNorm());
  std::vector<at::Tensor> direction;
  for (const Parameter& parameter : parameters) {
    direction.push_back(parameter.value.grad().defined() ? parameter.value.grad() / norm : at::zeros_like(parameter.value));
  }
  const auto move = [&](double step) {
    const at::NoGradGuard no_grad;
    size_t i = 0;
    for (const Parameter& parameter : parameters) at::Tensor(parameter.value).add_(direction[i++], step);
    parameters.RaiseVersion();
  };
  const double step = 1e-2;
  move(step);
  const double above = value(false).item<double>();
  move(-2 * step);
  const double below = value(false).item<double>();
  move(step);
  parameters.ZeroGrad();
  return std::abs((above - below) / (2 * step) - norm) / std::max(norm, 1e-12);
}

}  // namespace

StatusOr<Examination> ExamineWorld(const World& world, const Policy& policy, ParameterSet& parameters,
                                   const std::vector<ExactTruth>& truth) {
  const Environment& environment = *world.environment;
  Perturb(parameters);
  Examination examination;
  examination.subject = environment.Spec().name + ", " + DescribeDevice(at::kCPU);
  const auto add = [&](std::string_view name, double found, double allowed) {
    Check& check = examination.checks.emplace_back();
    check.name = name;
    check.found = found;
    check.allowed = allowed;
  };
  const ConditionId condition = world.conditions.ids()[0];
  ASSIGN_OR_RETURN(const TrajectoryBatch batch,
                   Rollout(environment, policy, RolloutRows({condition}, kRows), {1, RngPurpose::kTest, 0}));
  const std::vector<State> states = Unroll(environment, batch);
  // A session of a continuous world draws points and names no probabilities.
  if (environment.Spec().action == EnvironmentSpec::Action::kDiscrete) {
    add("steps whose parent is not found again", WrongParents(environment, batch, states), 0);
    const TrajectoryScores scores =
        policy.Score(batch, {.needs = Need::kLogPf, .with_grad = false, .dropout_key = {}, .dropout_streams_B = {}});
    const at::Tensor sampled = SessionLogPf(environment, policy, batch, states);
    add("sampler = scorer, log P_F of an action", (sampled - scores.log_pf_BT.to(at::kDouble)).abs().max().item<double>(), 5e-5);
  }
  ASSIGN_OR_RETURN(const double gradient, GradientError(policy, parameters, batch));
  add("gradient against finite differences (relative)", gradient, 2e-2);
  if (!truth.empty()) {
    ASSIGN_OR_RETURN(const at::Tensor log_q_X, truth[0].LearnedLogProbs(policy));
    add("probabilities of all objects sum to 1", std::abs(log_q_X.exp().sum().item<double>() - 1), truth[0].tolerance());
  }
  return examination;
}

}  // namespace gfn
