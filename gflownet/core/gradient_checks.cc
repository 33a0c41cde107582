#include "gflownet/core/gradient_checks.h"

#include <algorithm>
#include <cmath>

#include "gflownet/base/text_util.h"
#include "gflownet/tensor/random.h"

namespace gfn {
namespace {

struct ScoreField {
  Need need;
  at::Tensor TrajectoryScores::*tensor;
};
constexpr ScoreField kScoreFields[] = {
    {Need::kLogPf, &TrajectoryScores::log_pf_BT},     {Need::kLogPb, &TrajectoryScores::log_pb_BT},
    {Need::kLogStop, &TrajectoryScores::log_stop_BT}, {Need::kLogFlow, &TrajectoryScores::log_flow_BT},
    {Need::kLogZ, &TrajectoryScores::log_z_G},        {Need::kLogInflow, &TrajectoryScores::log_inflow_BT}};

at::Tensor MeanLoss(const Objective& objective, const TrajectoryScores& scores, const Targets& targets) {
  const GroupLoss loss = objective.Loss(scores, targets);
  return loss.numerator_G.sum() / loss.weight_G.sum();
}

double RootMeanSquare(const at::Tensor& values) {
  return values.numel() == 0 ? 0 : std::sqrt(values.detach().to(at::kDouble).square().mean().item<double>());
}

}  // namespace

KeepParameters::KeepParameters(ParameterSet& parameters) : parameters_(parameters) {
  for (const Parameter& parameter : parameters) values_.push_back(parameter.value.detach().clone());
}

KeepParameters::~KeepParameters() { Restore(); }

void KeepParameters::Restore() {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < values_.size(); ++i) at::Tensor(parameters_[i].value).copy_(values_[i]);
  parameters_.RaiseVersion();
}

LinearLoss::LinearLoss(const Objective& objective, const BatchLoss& at) {
  const at::AutoGradMode with_grad(true);
  TrajectoryScores scores = at.scores;
  for (const ScoreField& field : kScoreFields) {
    at::Tensor& score = scores.*field.tensor;
    if (score.defined()) score = score.detach().clone().requires_grad_();
  }
  MeanLoss(objective, scores, at.targets).backward();
  const at::NoGradGuard no_grad;
  double noise = 0;
  for (const ScoreField& field : kScoreFields) {
    const at::Tensor& score = scores.*field.tensor;
    if (!score.defined() || !score.grad().defined()) continue;
    const at::Tensor derivative = score.grad().to(at::kDouble);
    const double eps = score.scalar_type() == at::kDouble ? 0x1p-52 : 0x1p-23;
    noise += (derivative * score.detach().to(at::kDouble)).square().sum().item<double>() * eps * eps;
    derivatives_.*field.tensor = derivative;
  }
  noise_ = std::sqrt(noise);
}

at::Tensor LinearLoss::Value(const Policy& policy, const TrajectoryBatch& batch, const ScoreOptions& options) const {
  ScoreOptions asked = options;
  asked.needs = {};
  for (const ScoreField& field : kScoreFields) {
    if ((derivatives_.*field.tensor).defined() && policy.Provides().Has(field.need)) asked.needs = asked.needs | field.need;
  }
  const TrajectoryScores scores = policy.Score(batch, asked);
  at::Tensor sum;
  for (const ScoreField& field : kScoreFields) {
    if (!asked.needs.Has(field.need)) continue;
    const at::Tensor& score = scores.*field.tensor;
    const at::Tensor part = ((derivatives_.*field.tensor).to(score.device()) * score.to(at::kDouble)).sum();
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

StatusOr<GradientError> CompareWithDifferences(ParameterSet& parameters, const std::function<at::Tensor()>& value,
                                               const GradientCheckOptions& options) {
  const size_t num_tensors = parameters.size();
  const size_t num_directions = std::min(num_tensors, static_cast<size_t>(options.directions));
  parameters.ZeroGrad();
  if (const at::Tensor loss = value(); loss.requires_grad()) loss.backward();
  RETURN_IF_ERROR(parameters.GradNorm().status());
  std::vector<at::Tensor> gradients;
  for (const Parameter& parameter : parameters) gradients.push_back(parameter.value.grad());
  parameters.ZeroGrad();

  KeepParameters keep(parameters);
  GradientError worst{-1, ""};
  for (size_t first = 0; first < num_directions; ++first) {
    std::vector<std::pair<size_t, at::Tensor>> direction;
    std::vector<std::string> names;
    double computed = 0, usual = 0;
    for (size_t i = first; i < num_tensors; i += num_directions) {
      const at::Tensor value_i = parameters[i].value.detach();
      const double size = RootMeanSquare(value_i);
      const at::Tensor draws = NormalTensor(options.key, value_i.sizes(), at::kDouble, i)
                                   .to(value_i.device(), value_i.scalar_type())
                                   .mul_(size > 0 ? size : 0.1);
      direction.emplace_back(i, draws);
      names.push_back(parameters[i].name);
      if (!gradients[i].defined()) continue;
      const at::Tensor gradient = gradients[i].to(at::kDouble), along = draws.to(at::kDouble);
      computed += (gradient * along).sum().item<double>();
      usual += gradient.square().sum().item<double>() * along.square().mean().item<double>();
    }
    const auto value_at = [&](double step) {
      {
        const at::NoGradGuard no_grad;
        for (const auto& [i, draws] : direction) at::Tensor(parameters[i].value).add_(draws, step);
        parameters.RaiseVersion();
      }
      const double found = value().item<double>();
      keep.Restore();
      return found;
    };
    // The large step rises above rounding, the small ones stay clear of kinks. A gradient that is wrong is wrong at all of them.
    double error = INFINITY;
    for (const double step : {options.step, options.step / 4, options.step / 16}) {
      if (error <= options.enough) break;
      const double measured = (value_at(step) - value_at(-step)) / (2 * step);
      if (!std::isfinite(measured)) continue;
      const double difference = std::max(0.0, std::abs(measured - computed) - options.noise / step);
      error = std::min(error, difference / std::max({std::abs(measured), std::abs(computed), std::sqrt(usual), 1e-300}));
    }
    if (!(error <= worst.value)) worst = {error, Join(names, ", ")};
  }
  worst.value = std::max(worst.value, 0.0);
  return worst;
}

StatusOr<GradientError> CompareObjectiveWithDifferences(const Objective& objective, const BatchLoss& at) {
  if (objective.IsSurrogate()) return GradientError{};
  const at::AutoGradMode with_grad(true);
  ParameterSet parameters;
  TrajectoryScores scores = at.scores;
  for (const ScoreField& field : kScoreFields) {
    at::Tensor& score = scores.*field.tensor;
    if (score.defined()) score = parameters.Add(Needs(field.need).ToString(), "scores", score.detach().to(at::kDouble));
  }
  return CompareWithDifferences(parameters, [&] { return MeanLoss(objective, scores, at.targets); },
                                {.step = 1e-5, .enough = 1e-6});
}

double LossOfTheRightSampler(const Environment& environment, const Policy& policy, const Objective& objective,
                             const TrajectoryBatch& batch, const BatchLossOptions& options) {
  const Needs plain = Need::kLogPf | Need::kLogPb | Need::kLogStop | Need::kLogZ;
  if (!plain.Covers(objective.needs()) || objective.IsSurrogate() || objective.NeedsGivenObjects()) return -1;
  const at::NoGradGuard no_grad;
  ScoreOptions score = options.score;
  score.needs = NeedsIn(environment, objective);
  const TrajectoryScores scores = policy.Score(batch, score);
  const auto on_cpu = [](const at::Tensor& x) { return x.detach().to(at::kCPU, at::kDouble); };
  at::Tensor steps_BT = on_cpu(scores.log_pf_BT);
  if (scores.log_pb_BT.defined()) steps_BT = steps_BT - on_cpu(scores.log_pb_BT);
  at::Tensor log_z_B = at::zeros({batch.size()}, at::kDouble);
  if (scores.log_z_G.defined()) log_z_B = on_cpu(scores.log_z_G).index_select(0, scores.group_B.to(at::kCPU));
  TrajectoryBatch right = batch;
  right.log_reward_B = options.temperature * (steps_BT.sum(1) + log_z_B);
  if (scores.log_stop_BT.defined()) {
    const at::Tensor before_BT = steps_BT.cumsum(1) - steps_BT;
    const at::Tensor along_BT = options.temperature * (before_BT + on_cpu(scores.log_stop_BT) + log_z_B.unsqueeze(1));
    right.log_reward_along_BT = along_BT.masked_fill(batch.stop_legal_BT.logical_not(), 0);
  }
  return std::sqrt(std::max(0.0, LossOfBatch(environment, policy, objective, right, options).Mean().item<double>()));
}

}  // namespace gfn
