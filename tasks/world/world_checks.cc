#include "tasks/world/world_checks.h"

#include <algorithm>
#include <cmath>

#include "gflownet/core/backward_rollout.h"
#include "gflownet/core/gradient_checks.h"
#include "gflownet/core/rollout_checks.h"
#include "gflownet/tensor/device.h"
#include "gflownet/tensor/exceptions.h"
#include "gflownet/tensor/random.h"
#include "gflownet/tensor/tolerances.h"

namespace gfn {
namespace {

constexpr int64_t kRows = 64;      // drawn, of one or two conditions
constexpr int64_t kFewRows = 8;    // of them, where each costs a pass of its own
constexpr int64_t kFewSteps = 12;  // of each, where every way back is walked
const RngKey kDrawKey{1, RngPurpose::kTest, 0};

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

class WorldExaminer {
 public:
  WorldExaminer(const World& world, const WorldSampler& sampler, const std::vector<ExactTruth>& truth)
      : world_(world), sampler_(sampler), truth_(truth), environment_(*sampler.environment), spec_(environment_.Spec()) {}

  StatusOr<std::vector<Check>> Run() {
    KeepParameters keep(*sampler_.parameters);
    Perturb(*sampler_.parameters);
    std::vector<ConditionId> conditions = world_.conditions.ids();
    conditions.resize(std::min<size_t>(conditions.size(), 2));
    const std::vector<RolloutRow> rows = RolloutRows(conditions, kRows / static_cast<int64_t>(conditions.size()));
    ASSIGN_OR_RETURN(batch_, Rollout(environment_, *sampler_.trained, rows, kDrawKey));
    states_ = Unroll(environment_, batch_);
    needs_ = sampler_.trained->Provides();
    if (world_.contract) {  // or there would be no sampler
      const Status status = world_.contract();
      Add(world_check::kContract, status.ok() ? 0 : 1, 0).detail = status.ok() ? "" : Message(status);
    }
    if (spec_.is_tree) needs_ = needs_.Without(Need::kLogPb);
    scores_ = Score(*sampler_.trained, batch_);
    // A session of a continuous world draws points and names no probabilities.
    if (spec_.action == EnvironmentSpec::Action::kDiscrete) {
      CheckRules();
      RETURN_IF_ERROR(CheckSession(rows));
      CheckBackward();
    }
    CheckScores();
    RETURN_IF_ERROR(CheckReward());
    RETURN_IF_ERROR(CheckTraining());
    if (!truth_.empty()) {
      ASSIGN_OR_RETURN(const at::Tensor log_q_X, truth_[0].LearnedLogProbs(*sampler_.measured));
      Add(world_check::kSum, std::abs(log_q_X.exp().sum().item<double>() - 1), truth_[0].tolerance());
    }
    return checks_;
  }

 private:
  Check& Add(std::string_view name, double found, double allowed) {
    Check& check = checks_.emplace_back();
    check.name = name;
    check.found = found;
    check.allowed = allowed;
    return check;
  }
  TrajectoryScores Score(const Policy& policy, const TrajectoryBatch& batch) const {
    return policy.Score(batch, {.needs = needs_, .with_grad = false});
  }
  bool IsReversible() const { return !spec_.is_tree && !spec_.is_stochastic; }

  // Undo leads back along the batch, by a legal backward action; every legal way back is a step's.
  void CheckRules() {
    int64_t wrong = 0, lost = 0;
    for (int64_t t = 0; t < batch_.num_steps(); ++t) {
      const at::Tensor rows = batch_.lengths_B.gt(t).nonzero().flatten();
      const State child = states_[t + 1].Gather(rows), parent = states_[t].Gather(rows);
      const at::Tensor back = batch_.backward_actions_BT.defined() ? batch_.backward_actions_BT.select(1, t).index_select(0, rows)
                                                                   : at::zeros_like(rows);
      wrong += environment_.Undo(child, back).EqualRows(parent).logical_not().sum().item<int64_t>();
      wrong += environment_.BackwardSupport(child).IsLegal(back).logical_not().sum().item<int64_t>();
      if (IsReversible() && t < kFewSteps) lost += LostWays(child.Gather(at::arange(std::min(kFewRows, child.batch_size()))));
    }
    Add(world_check::kUndo, static_cast<double>(wrong), 0);
    if (IsReversible()) Add(world_check::kWaysBack, static_cast<double>(lost), 0);
    can_walk_back_ = IsReversible() && wrong == 0 && lost == 0;
  }
  int64_t LostWays(const State& children) const {
    const at::Tensor legal_NA = environment_.BackwardSupport(children).Dense();
    int64_t lost = 0;
    for (int64_t back = 0; back < legal_NA.size(1); ++back) {
      const at::Tensor rows = legal_NA.select(1, back).nonzero().flatten();
      if (rows.numel() == 0) continue;
      const State child = children.Gather(rows);
      const at::Tensor back_N = at::full({rows.numel()}, back, at::kLong);
      const State parent = environment_.Undo(child, back_N);
      const at::Tensor action_N = environment_.ForwardAction(child, back_N);
      const at::Tensor found_N = environment_.ForwardSupport(parent).IsLegal(action_N) &
                                 environment_.Step(parent, action_N).EqualRows(child) &
                                 environment_.BackwardAction(parent, action_N).eq(back_N);
      lost += found_N.logical_not().sum().item<int64_t>();
    }
    return lost;
  }

  Status CheckSession(const std::vector<RolloutRow>& rows) {
    const Replay session = ReplayThroughSession(environment_, *sampler_.trained, batch_);
    double error = LargestDifference(scores_.log_pf_BT, session.log_pf_BT);
    if (scores_.log_stop_BT.defined()) error = std::max(error, LargestDifference(scores_.log_stop_BT, session.log_stop_BT));
    Add(world_check::kSamplerIsScorer, error, kTokenLogProbTolerance.value);
    ASSIGN_OR_RETURN(const Redrawn redrawn, DrawAgain(environment_, *sampler_.trained, batch_, rows, kDrawKey));
    Add(world_check::kDrawn, redrawn.Share(), 5e-3);
    return OkStatus();
  }

  // log P_B against what walking back draws from: normalised over the legal parents of one state after the other.
  void CheckBackward() {
    if (!scores_.log_pb_BT.defined()) return;
    const at::NoGradGuard no_grad;
    double worst = 0;
    for (int64_t t = 0; t < batch_.num_steps(); ++t) {
      const at::Tensor rows = batch_.lengths_B.gt(t).nonzero().flatten();
      const State child = states_[t + 1].Gather(rows), parent = states_[t].Gather(rows);
      const Support support = environment_.BackwardSupport(child);
      at::Tensor logits = sampler_.trained->BackwardLogits(child);
      if (!logits.defined()) logits = at::zeros({rows.numel(), support.num_actions});
      const auto at_step = [&](const at::Tensor& column_BT) { return column_BT.select(1, t).index_select(0, rows).unsqueeze(1); };
      at::Tensor expected = support.LogProbs(logits.to(at::kDouble)).gather(1, at_step(batch_.backward_actions_BT));
      if (spec_.is_stochastic) {
        const at::Tensor actions = batch_.actions_BT.select(1, t).index_select(0, rows);
        expected = expected - environment_.LogOutcomes(parent, actions).gather(1, at_step(batch_.outcomes_BT));
      }
      worst = std::max(worst, LargestDifference(at_step(scores_.log_pb_BT), expected));
    }
    Add(world_check::kBackward, worst, kTokenLogProbTolerance.value);
  }

  double Difference(const TrajectoryScores& a, const TrajectoryScores& b) const {
    double worst = 0;
    for (const auto field : {&TrajectoryScores::log_pf_BT, &TrajectoryScores::log_pb_BT, &TrajectoryScores::log_stop_BT,
                             &TrajectoryScores::log_flow_BT, &TrajectoryScores::log_inflow_BT}) {
      if (!(a.*field).defined() || !(b.*field).defined()) continue;
      worst = std::max(worst, LargestDifference(a.*field, (b.*field).slice(1, 0, (a.*field).size(1))));
    }
    return worst;
  }

  void CheckScores() {
    if (const auto* states = dynamic_cast<const StatePolicy*>(sampler_.measured); states != nullptr) {
      const Needs needs = needs_.Without(Need::kLogZ);
      const TrajectoryScores plain = states->StatePolicy::Score(batch_, {.needs = needs, .with_grad = false});
      Add(world_check::kStates, Difference(plain, scores_), kTokenLogProbTolerance.value);
    }
    double worst = 0;
    for (int64_t row = 0; row < batch_.size(); row += batch_.size() / kFewRows) {
      const std::vector<int64_t> alone = {row};
      TrajectoryScores expected = scores_;
      for (const auto field : {&TrajectoryScores::log_pf_BT, &TrajectoryScores::log_pb_BT, &TrajectoryScores::log_stop_BT,
                               &TrajectoryScores::log_flow_BT, &TrajectoryScores::log_inflow_BT}) {
        if ((expected.*field).defined()) expected.*field = (expected.*field).slice(0, row, row + 1);
      }
      worst = std::max(worst, Difference(Score(*sampler_.trained, batch_.Gather(alone)), expected));
    }
    Add(world_check::kRowsAlone, worst, kTokenLogProbTolerance.value);
  }

  Status CheckReward() {
    const Objective& objective = *sampler_.objective;
    const bool along = objective.NeedsPrefixRewards() || objective.NeedsIntermediateRewards();
    RETURN_IF_ERROR(EvaluateReward(*sampler_.reward, batch_, along));
    const double allowed = ToleranceOf(at::kFloat).value;
    double alone_error = 0;
    for (int64_t row = 0; row < batch_.size(); row += batch_.size() / kFewRows) {
      const std::vector<int64_t> alone = {row};
      ASSIGN_OR_RETURN(const RewardValue value, sampler_.reward->LogReward(batch_.Gather(alone)));
      alone_error = std::max(alone_error, LargestDifference(value.log_reward_B, batch_.log_reward_B.slice(0, row, row + 1)));
    }
    Add(world_check::kRewardRows, alone_error, allowed);
    if (const auto* prefixes = dynamic_cast<const PrefixReward*>(sampler_.reward);
        prefixes != nullptr && batch_.stop_legal_BT.defined()) {
      ASSIGN_OR_RETURN(const RewardValueAlong values, prefixes->LogRewardAlong(batch_));
      ASSIGN_OR_RETURN(const RewardValue whole, sampler_.reward->LogReward(batch_));
      const at::Tensor last_B = values.log_reward_along_BT.gather(1, (batch_.lengths_B - 1).unsqueeze(1)).squeeze(1);
      Add(world_check::kRewardAlong, LargestDifference(last_B, whole.log_reward_B), allowed);
    }
    if (spec_.action != EnvironmentSpec::Action::kDiscrete) return OkStatus();
    const State objects = FinalStates(environment_, batch_);
    if (can_walk_back_) {
      std::vector<uint64_t> streams(static_cast<size_t>(batch_.size()));
      for (size_t i = 0; i < streams.size(); ++i) streams[i] = i;
      ASSIGN_OR_RETURN(const TrajectoryBatch other,
                       BackwardRollout(environment_, *sampler_.trained, objects, batch_.condition_ids, streams, kDrawKey));
      ASSIGN_OR_RETURN(const RewardValue value, sampler_.reward->LogReward(other));
      Add(world_check::kRewardOfObject, LargestDifference(value.log_reward_B, batch_.log_reward_B), allowed);
    }
    if (!truth_.empty() && world_.enumerable != nullptr) {
      const at::Tensor index_B = world_.enumerable->ObjectIndex(objects);
      at::Tensor listed_B = at::empty({batch_.size()}, at::kDouble);
      for (int64_t row = 0; row < batch_.size(); ++row) {
        const auto c = static_cast<size_t>(world_.conditions.Index(batch_.condition_ids[row]));
        listed_B[row] = truth_[c].log_reward_X()[index_B[row].item<int64_t>()];
      }
      Add(world_check::kRewardTruth, LargestDifference(batch_.log_reward_B, listed_B), allowed);
    }
    return OkStatus();
  }

  Status CheckTraining() {
    const BatchLossOptions options{.temperature = sampler_.temperature};
    const BatchLoss at = LossOfBatch(environment_, *sampler_.trained, *sampler_.objective, batch_, options);
    ASSIGN_OR_RETURN(const GradientError objective, CompareObjectiveWithDifferences(*sampler_.objective, at));
    Add(world_check::kObjective, objective.value, 1e-4).detail = objective.tensors;
    const double right = LossOfTheRightSampler(environment_, *sampler_.trained, *sampler_.objective, batch_, options);
    if (right >= 0) Add(world_check::kRight, right, 1e-4 * std::max(1.0, sampler_.temperature));
    const LinearLoss loss(*sampler_.objective, at);
    const auto value = [&] { return loss.Value(*sampler_.trained, batch_, options.score); };
    ASSIGN_OR_RETURN(
        const GradientError gradient,
        CompareWithDifferences(*sampler_.parameters, value, {.step = 1e-2, .directions = 32, .noise = 4 * loss.noise()}));
    Add(world_check::kGradient, gradient.value, 5e-2).detail = gradient.tensors;
    return OkStatus();
  }

  const World& world_;
  const WorldSampler& sampler_;
  const std::vector<ExactTruth>& truth_;
  const Environment& environment_;
  const EnvironmentSpec& spec_;
  TrajectoryBatch batch_;
  std::vector<State> states_;
  Needs needs_;
  TrajectoryScores scores_;
  bool can_walk_back_ = false;  // with rules that are wrong a walk might never end
  std::vector<Check> checks_;
};

}  // namespace

StatusOr<std::vector<Check>> CheckWorldSampler(const World& world, const WorldSampler& sampler,
                                               const std::vector<ExactTruth>& truth) {
  // Rules that lead to states that are none make features and rewards throw: that is a finding as well.
  return CatchExceptions("the examination", [&] { return WorldExaminer(world, sampler, truth).Run(); });
}

StatusOr<Examination> ExamineWorld(const World& world, const WorldSampler& sampler, const std::vector<ExactTruth>& truth) {
  Examination examination;
  examination.subject = sampler.environment->Spec().name + ", " + DescribeDevice(at::kCPU) + ", " + sampler.objective->Name();
  ASSIGN_OR_RETURN(examination.checks, CheckWorldSampler(world, sampler, truth));
  return examination;
}

}  // namespace gfn
