#include "tasks/infill/infill_checks.h"

#include <cmath>

#include "gflownet/base/memory.h"
#include "gflownet/base/phase.h"
#include "gflownet/base/text_util.h"
#include "gflownet/core/objective.h"
#include "gflownet/core/rollout.h"
#include "gflownet/tensor/device.h"
#include "gflownet/tensor/random.h"
#include "llm/model/lm_head.h"
#include "tasks/infill/infill_task.h"

namespace gfn {
namespace {

struct Limits {
  double token, sequence, gradient;
  double step;  // how far the adapter moves along the gradient of the loss, to either side
};
// docs/design.md, "Sampler = scorer". bf16 rounds activations too: where sums are made in another order (devices other than the
// CPU), last bits become 4e-2 / sqrt-of-length; and the loss is a staircase whose steps are some 1e-2 of it, which the step has
// to be large beside.
Limits LimitsOf(ModelDtype dtype) {
  switch (dtype) {
    case ModelDtype::kFloat64:
      return {1e-9, 1e-8, 1e-4, 1e-5};
    case ModelDtype::kFloat32:
      return {5e-5, 2e-4, 1e-2, 2e-2};
    case ModelDtype::kBFloat16:
      return {4e-2, 1.6e-1, 5e-2, 1.6e-1};
  }
  return {0, 0, 0, 0};
}

// max |a - b| / max(1, |b|), as the table of tolerances has it (gflownet/tensor/tolerances.h).
double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  if (a.numel() == 0) return 0;
  const at::Tensor expected = b.to(at::kCPU, at::kDouble);
  return ((a.to(at::kCPU, at::kDouble) - expected).abs() / expected.abs().clamp_min(1)).max().item<double>();
}

// log q of every action as the sampling session sees it: the same steps again, token by token on the cache.
at::Tensor SessionLogPf(const SequenceEnvironment& environment, const Policy& policy, const TrajectoryBatch& batch) {
  at::NoGradGuard no_grad;
  const int64_t B = batch.size(), T = batch.num_steps();
  at::Tensor log_pf_BT = at::zeros({B, T}, at::kDouble);
  State state = environment.Initial(batch.condition_ids);
  const std::unique_ptr<RolloutSession> session = policy.StartRollout(batch.condition_ids);
  at::Tensor live = at::arange(B, at::kLong);
  for (int64_t t = 0; t < T; ++t) {
    const at::Tensor actions = batch.actions_BT.index_select(0, live).select(1, t);
    const Support support = environment.ForwardSupport(state);
    const at::Tensor log_probs = support.LogProbs(session->Logits(state).to(at::kCPU));
    log_pf_BT.select(1, t).index_copy_(0, live, log_probs.gather(1, actions.unsqueeze(1)).squeeze(1).to(at::kDouble));
    state = environment.Step(state, actions);
    const at::Tensor keep = state.done_B().logical_not().nonzero().flatten();
    if (keep.numel() == 0) break;
    live = live.index_select(0, keep);
    session->Keep(keep);
    session->Advance(actions.index_select(0, keep));
    state = state.Gather(keep);
  }
  return log_pf_BT;
}

// log R of one finished or cut sequence, by one plain forward pass over x z_1..k stop y.
double PlainLogReward(const InfillParts& parts, ConditionId id, const std::vector<int32_t>& z, int64_t k, int64_t stop) {
  const SequenceCondition& condition = parts.conditions.Get(id);
  std::vector<int32_t> tokens = condition.x;
  tokens.insert(tokens.end(), z.begin(), z.begin() + k);
  tokens.push_back(static_cast<int32_t>(stop));
  tokens.insert(tokens.end(), condition.y.begin(), condition.y.end());
  Forest forest;
  forest.AddRoot(tokens);
  std::vector<int64_t> rows, targets;
  for (size_t i = condition.x.size(); i < tokens.size(); ++i) {
    rows.push_back(static_cast<int64_t>(i) - 1);
    targets.push_back(tokens[i]);
  }
  const at::Tensor hidden = parts.model->Forward(PackForest(forest), rows, {});
  const at::Tensor log_p = parts.model->Logits(hidden).to(at::kCPU, at::kDouble).log_softmax(-1);
  double sum = 0;
  for (size_t i = 0; i < targets.size(); ++i) sum += log_p[static_cast<int64_t>(i)][targets[i]].item<double>();
  return sum;
}

Check ForestCheck(const InfillParts& parts, const TrajectoryBatch& batch, const Limits& limits) {
  Check check{"reward of the forest = one sequence at a time", 0, limits.sequence};
  for (int64_t b = 0; b < std::min<int64_t>(3, batch.size()); ++b) {
    const int64_t length = batch.lengths_B[b].item<int64_t>();
    std::vector<int32_t> z;
    for (int64_t t = 0; t + 1 < length; ++t) z.push_back(static_cast<int32_t>(batch.actions_BT[b][t].item<int64_t>()));
    const int64_t stop = batch.actions_BT[b][length - 1].item<int64_t>();
    for (int64_t k = 0; k < length; ++k) {
      if (!batch.stop_legal_BT[b][k].item<bool>()) continue;
      const double plain = PlainLogReward(parts, batch.condition_ids[b], z, k, stop);
      check.found = std::max(check.found,
                             std::abs(plain - batch.log_reward_along_BT[b][k].item<double>()) / std::max(1.0, std::abs(plain)));
    }
  }
  return check;
}

StatusOr<double> LossOf(InfillParts& parts, const Objective& objective, const TrajectoryBatch& batch, bool with_grad) {
  const TrajectoryScores scores = parts.policy->Score(
      batch,
      {.needs = objective.needs().Without(Need::kLogPb), .with_grad = with_grad, .dropout_key = {}, .dropout_streams_B = {}});
  const GroupLoss loss = objective.Loss(scores, ApplyTemperature(batch, 1.0, scores.log_pf_BT.device()));
  const at::Tensor value = loss.numerator_G.sum() / loss.weight_G.sum();
  if (with_grad) {
    const Phase phase("backward");
    parts.parameters.ZeroGrad();
    value.backward();
  }
  return value.item<double>();
}

// The derivative of the loss along its own gradient, which should be the gradient's norm.
StatusOr<Check> GradientCheck(InfillParts& parts, const TrajectoryBatch& batch, const Limits& limits) {
  Check check{"gradient of the loss against finite differences (relative)", 0, limits.gradient};
  ASSIGN_OR_RETURN(const auto objective, MakeObjective(ModifiedSubTbConfig{}));
  RETURN_IF_ERROR(LossOf(parts, *objective, batch, true).status());
  ASSIGN_OR_RETURN(const double norm, parts.parameters.GradNorm());
  std::vector<at::Tensor> direction;
  for (const Parameter& parameter : parts.parameters) {
    direction.push_back(parameter.value.grad().defined() ? parameter.value.grad() / norm : at::zeros_like(parameter.value));
  }
  const auto move = [&](double step) {
    at::NoGradGuard no_grad;
    size_t i = 0;
    for (const Parameter& parameter : parts.parameters) at::Tensor(parameter.value).add_(direction[i++], step);
    parts.parameters.RaiseVersion();
  };
  move(limits.step);
  ASSIGN_OR_RETURN(const double above, LossOf(parts, *objective, batch, false));
  move(-2 * limits.step);
  ASSIGN_OR_RETURN(const double below, LossOf(parts, *objective, batch, false));
  move(limits.step);
  parts.parameters.ZeroGrad();
  check.found = std::abs((above - below) / (2 * limits.step) - norm) / std::max(norm, 1e-12);
  return check;
}

}  // namespace

void PerturbAdapter(InfillParts& parts) {
  at::NoGradGuard no_grad;
  uint64_t stream = 0;
  for (const Parameter& parameter : parts.parameters) {
    ++stream;
    if (parameter.value.abs().max().item<double>() > 0) continue;
    at::Tensor(parameter.value)
        .add_(NormalTensor({1, RngPurpose::kTest, 0}, parameter.value.sizes(), at::kFloat, stream)
                  .to(parameter.value.device(), parameter.value.scalar_type()),
              1e-3);
  }
  parts.parameters.RaiseVersion();
}

StatusOr<std::vector<Check>> RunChecks(InfillParts& parts, const std::vector<ConditionId>& conditions, int64_t rollouts) {
  const Limits limits = LimitsOf(parts.settings.model->dtype);
  std::vector<Check> checks;
  TrajectoryBatch batch;
  {
    const Phase phase("sample");
    ASSIGN_OR_RETURN(batch,
                     Rollout(*parts.environment, *parts.policy, RolloutRows(conditions, rollouts), {1, RngPurpose::kTest, 0}));
    AddPhaseWork("positions", batch.lengths_B.sum().item<double>());
  }
  {
    const Phase phase("reward");
    RETURN_IF_ERROR(EvaluateReward(*parts.reward, batch, true));
  }
  const ScoreOptions plain{.needs = Need::kLogPf, .with_grad = false, .dropout_key = {}, .dropout_streams_B = {}};
  at::Tensor scored;
  {
    const Phase phase("score");
    scored = parts.policy->Score(batch, plain).log_pf_BT.to(at::kCPU, at::kDouble);
  }
  const at::Tensor sampled = SessionLogPf(*parts.environment, *parts.policy, batch);
  checks.push_back({"sampler = scorer, log q of a token", LargestDifference(sampled, scored), limits.token});
  checks.push_back({"sampler = scorer, log q of a sequence", LargestDifference(sampled.sum(1), scored.sum(1)), limits.sequence});

  // The adapter must reach the sampler, and an adapter of zeros must change nothing.
  const at::Tensor base = parts.untrained->Score(batch, plain).log_pf_BT;
  checks.push_back(
      {"the adapter reaches log q (0: it does, 1: it does not)", LargestDifference(base, scored) > 0 ? 0.0 : 1.0, 0});
  Adapter zero = parts.adapter;
  for (auto& layer : zero.layers) {
    for (LoraGroup& group : layer) {
      for (LoraPart& part : group.parts) part.b = at::zeros_like(part.b);
    }
  }
  const SequencePolicy off(*parts.model, &zero, nullptr, *parts.environment);
  checks.push_back(
      {"adapter of zeros = base, log q of a token", LargestDifference(off.Score(batch, plain).log_pf_BT, base), limits.token});
  checks.push_back(ForestCheck(parts, batch, limits));
  ASSIGN_OR_RETURN(const Check gradient, GradientCheck(parts, batch, limits));
  checks.push_back(gradient);
  return checks;
}

StatusOr<Examination> ExamineInfill(InfillParts& parts) {
  ASSIGN_OR_RETURN(const InfillSplit split, LoadSplit(parts, parts.task.data.train));
  const std::vector<ConditionId> conditions(
      split.conditions.begin(), split.conditions.begin() + std::min<int64_t>(2, static_cast<int64_t>(split.conditions.size())));
  PerturbAdapter(parts);
  Examination examination;
  examination.subject = parts.settings.model->path + ", " + std::string(EnumName(parts.settings.model->dtype)) + ", " +
                        DescribeDevice(parts.model->device());
  PhaseTimes times;
  SetPhaseTimes(&times);
  auto checks = RunChecks(parts, conditions, 8);
  SetPhaseTimes(nullptr);
  RETURN_IF_ERROR(checks.status());
  examination.checks = *std::move(checks);

  report::Table& tokens = examination.tables.emplace_back();
  tokens.title = "what the tokenizer puts around texts";
  tokens.columns = {{.name = "where"}, {.name = "tokens"}};
  for (const auto& [where, what] : DescribeTokens(*parts.tokenizer, parts.task.prompt)) tokens.rows.push_back({where, what});

  report::Table& phases = examination.tables.emplace_back();
  phases.title = "one pass of 2 conditions x 8 rollouts";
  phases.columns = {{.name = "phase"},
                    {.name = "seconds", .decimals = 3},
                    {.name = "positions", .decimals = 0},
                    {.name = "positions/s", .decimals = 0}};
  for (const PhaseEntry& entry : times.entries()) {
    const double positions = entry.work.contains("positions") ? entry.work.at("positions") : 0;
    phases.rows.push_back({entry.path, entry.seconds, positions, positions / entry.seconds});
  }
  phases.note = "memory: weights " + FormatBytes(parts.model->bytes()) + ", peak of the process " + FormatBytes(PeakRssBytes());
  return examination;
}

}  // namespace gfn
