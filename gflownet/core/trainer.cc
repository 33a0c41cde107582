#include "gflownet/core/trainer.h"

#include <cmath>
#include <set>
#include <nlohmann/json.hpp>

#include "gflownet/base/check.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/phase.h"
#include "gflownet/core/rollout.h"
#include "gflownet/core/step_summary.h"
#include "gflownet/core/trajectory_io.h"

namespace gfn {
namespace {

constexpr char kState[] = "trainer.json";
constexpr char kParameters[] = "parameters.safetensors";
constexpr char kOptimizer[] = "optimizer.safetensors";
constexpr char kReplay[] = "replay.safetensors";

double SumOf(const at::Tensor& values) { return values.sum().to(at::kDouble).item<double>(); }

// Adds this micro-batch's gradient; names the first group whose loss is not finite.
Status Accumulate(const GroupLoss& loss, const TrajectoryBatch& batch, const Objective& objective) {
  const at::Tensor bad_G = loss.numerator_G.isfinite().logical_and(loss.weight_G.isfinite()).logical_not();
  if (bad_G.any().item<bool>()) {
    const int64_t group = bad_G.nonzero()[0].item<int64_t>();
    return Internal("objective " + objective.Name() + ": the loss of condition " +
                    GroupRows(batch.condition_ids).conditions[group].ToString() + " is " +
                    std::to_string(loss.numerator_G[group].item<double>()));
  }
  if (loss.numerator_G.requires_grad()) loss.numerator_G.sum().backward();
  return OkStatus();
}

}  // namespace

StatusOr<StepMetrics> Trainer::Step() {
  if (step_ == 0 && config_.replay_given) RETURN_IF_ERROR(SeedReplay());
  const Objective& objective = this->objective();
  const bool uses_given = objective.NeedsGivenObjects();
  const double temperature = config_.reward_temperature.At(step_);
  StepMetrics metrics;
  StepSummary summary;

  // 1. Choose the conditions of this step.
  const std::vector<ConditionId>& all = uses_given ? given_conditions_ : parts_.conditions;
  const int64_t wanted = IsWarmStart() ? config_.warm_start_conditions : config_.conditions_per_step;
  const int64_t num_conditions = std::min(wanted, static_cast<int64_t>(all.size()));
  std::vector<ConditionId> chosen;
  for (const int64_t index : ConditionsOfStep(static_cast<int64_t>(all.size()), num_conditions, parts_.seed, step_)) {
    chosen.push_back(all[index]);
  }

  // 2. Micro-batches of whole conditions: collect rows and their rewards, score them, add their gradient.
  parts_.parameters->ZeroGrad();
  double numerator = 0, weight = 0;
  int64_t num_replayed = 0, num_sampled_actions = 0;
  std::vector<TrajectoryBatch> fresh;
  const int64_t stride = config_.micro_batch_conditions == 0 ? num_conditions : config_.micro_batch_conditions;
  for (int64_t first = 0; first < num_conditions; first += stride) {
    const std::vector<ConditionId> part(chosen.begin() + first, chosen.begin() + std::min(first + stride, num_conditions));
    ASSIGN_OR_RETURN(const Rows rows, uses_given ? CollectGiven(part, first) : Collect(part, first));

    TrajectoryScores scores;
    Targets targets = ApplyTemperature(rows.batch, temperature);
    GroupLoss loss;
    {
      const Phase phase("score");
      AddPhaseWork("tokens", SumOf(rows.batch.lengths_B));
      Needs needs = objective.needs();
      if (parts_.environment->Spec().is_tree) needs = needs.Without(Need::kLogPb);
      const RngKey dropout_key{parts_.seed, RngPurpose::kDropout, static_cast<uint64_t>(step_)};
      scores = parts_.policy->Score(rows.batch, {needs, true, dropout_key, rows.streams});
      targets = ApplyTemperature(rows.batch, temperature, scores.log_pf_BT.device());
      loss = objective.Loss(scores, targets);
    }
    {
      const Phase phase("backward");
      if (const Status status = Accumulate(loss, rows.batch, objective); !status.ok()) return SaveFailure(status, rows.batch);
    }
    numerator += SumOf(loss.numerator_G.detach());
    weight += SumOf(loss.weight_G);
    summary.Add(rows.batch, scores, targets, rows.behaviour);
    num_replayed += rows.batch.size() - rows.num_fresh;
    if (rows.num_fresh > 0) {
      fresh.push_back(rows.batch.Gather(at::arange(rows.num_fresh, at::kLong)));
      num_sampled_actions += fresh.back().lengths_B.sum().item<int64_t>();
    }
  }

  // 3. Divide once, clip, step.
  {
    const Phase phase("optimiser");
    const at::NoGradGuard no_grad;
    for (const Parameter& parameter : *parts_.parameters) {
      at::Tensor gradient = parameter.value.grad();
      if (gradient.defined() && weight > 0) gradient.div_(weight);
    }
    const auto step = parts_.optimizer->Step();
    if (!step.ok()) return SaveFailure(step.status(), Concatenate(fresh));
    metrics.Set("loss", weight > 0 ? numerator / weight : 0);
    metrics.Set("grad_norm", step->grad_norm);
    metrics.Set("learning_rate", step->learning_rate);
  }

  // 4. Keep what was found.
  const bool keeps = config_.behaviour.replay > 0;
  for (const TrajectoryBatch& batch : fresh) {
    if (keeps) replay_.Add(batch);
  }

  // 5. Report.
  metrics.Set("reward_temperature", temperature);
  summary.AddTo(metrics);
  metrics.Set("replayed", static_cast<double>(num_replayed));
  metrics.Set("replay_items", static_cast<double>(replay_.NumItems()));
  metrics.Set("sampled_actions", static_cast<double>(num_sampled_actions));
  ++step_;
  return metrics;
}

StatusOr<Trainer::Rows> Trainer::Collect(const std::vector<ConditionId>& conditions, uint64_t first_slot) const {
  const uint64_t step = static_cast<uint64_t>(step_);
  const double temperature = config_.reward_temperature.At(step_);
  Rows rows;
  std::vector<RolloutRow> to_sample;
  std::vector<TrajectoryBatch> parts = {TrajectoryBatch()};
  std::vector<uint64_t> replay_streams;

  // 1. What each rollout of each condition does; replay that has too little is filled up on-policy.
  for (size_t i = 0; i < conditions.size(); ++i) {
    const uint64_t slot = first_slot + i;
    const BehaviourPlan plan =
        PlanBehaviour(config_.behaviour, config_.rollouts, {parts_.seed, RngPurpose::kBehaviour, step}, slot);
    const int64_t wanted = std::count(plan.behaviour.begin(), plan.behaviour.end(), Behaviour::kReplay);
    TrajectoryBatch replayed = replay_.Sample(conditions[i], wanted, temperature, {parts_.seed, RngPurpose::kReplay, step});
    int64_t left = replayed.size();
    if (left > 0) parts.push_back(std::move(replayed));
    for (int64_t n = 0; n < config_.rollouts; ++n) {
      const uint64_t stream = slot * config_.rollouts + n;
      if (plan.behaviour[n] == Behaviour::kReplay && left > 0) {
        replay_streams.push_back(stream);
        --left;
        continue;
      }
      to_sample.push_back({conditions[i], stream, plan.exploration[n]});
      rows.streams.push_back(stream);
      rows.behaviour.push_back(plan.behaviour[n] == Behaviour::kTempered ? Behaviour::kTempered : Behaviour::kOnPolicy);
    }
  }

  // 2. Sample and reward the new ones; replayed ones bring their rewards.
  rows.num_fresh = static_cast<int64_t>(to_sample.size());
  if (!to_sample.empty()) {
    {
      const Phase phase("sample");
      ASSIGN_OR_RETURN(parts[0], Rollout(*parts_.environment, *parts_.policy, to_sample, {parts_.seed, RngPurpose::kRollout, step}));
      AddPhaseWork("tokens", SumOf(parts[0].lengths_B));
    }
    const Phase phase("reward");
    AddPhaseWork("tokens", SumOf(parts[0].lengths_B));
    if (const Status status = EvaluateReward(*parts_.reward, parts[0], NeedsRewardsAlong()); !status.ok()) {
      return SaveFailure(status, parts[0]);
    }
  }
  rows.streams.insert(rows.streams.end(), replay_streams.begin(), replay_streams.end());
  rows.behaviour.resize(rows.streams.size(), Behaviour::kReplay);
  rows.batch = Concatenate(parts);
  return rows;
}

StatusOr<Trainer::Rows> Trainer::CollectGiven(const std::vector<ConditionId>& conditions, uint64_t first_slot) const {
  Rows rows;
  std::vector<int64_t> chosen;
  for (size_t i = 0; i < conditions.size(); ++i) {
    const uint64_t slot = first_slot + i;
    std::vector<int64_t> known = given_rows_.at(conditions[i]);
    Shuffle({parts_.seed, RngPurpose::kReplay, static_cast<uint64_t>(step_)}, std::span<int64_t>(known), conditions[i].value);
    known.resize(std::min(known.size(), static_cast<size_t>(config_.rollouts)));
    for (size_t n = 0; n < known.size(); ++n) rows.streams.push_back(slot * config_.rollouts + n);
    chosen.insert(chosen.end(), known.begin(), known.end());
  }
  rows.batch = parts_.given.Gather(chosen);
  rows.behaviour.assign(chosen.size(), Behaviour::kReplay);
  return rows;
}

Status Trainer::SeedReplay() {
  const Phase phase("reward");
  for (const auto& [condition, given] : given_rows_) {
    TrajectoryBatch batch = parts_.given.Gather(given);
    RETURN_IF_ERROR(EvaluateReward(*parts_.reward, batch, NeedsRewardsAlong()));
    replay_.Add(batch);
  }
  return OkStatus();
}

Status Trainer::SaveFailure(const Status& status, const TrajectoryBatch& batch) const {
  const std::string where = "step " + std::to_string(step_);
  if (parts_.failure_folder.empty() || batch.size() == 0) return Annotate(status, where);
  // Values that are not finite would make the file unreadable; what was done is enough to compute them again.
  TrajectoryBatch done = batch;
  done.log_reward_B = done.log_reward_along_BT = at::Tensor();
  done.reward_terms.clear();
  const std::string path = JoinPath(parts_.failure_folder, "failed_step_" + std::to_string(step_) + ".safetensors");
  const Status written = WriteTrajectories(path, done, {{"message", Message(status)}});
  return Annotate(status, where + (written.ok() ? " (its trajectories are in " + path + ")" : " (" + Message(written) + ")"));
}

Status Trainer::Save(const std::string& folder) const {
  RETURN_IF_ERROR(WriteJsonFile(JoinPath(folder, kState), {{"step", step_}}));
  RETURN_IF_ERROR(parts_.parameters->Save(JoinPath(folder, kParameters)));
  RETURN_IF_ERROR(parts_.optimizer->Save(JoinPath(folder, kOptimizer)));
  return replay_.Save(JoinPath(folder, kReplay));
}

Status Trainer::Load(const std::string& folder) {
  const std::string state_path = JoinPath(folder, kState);
  ASSIGN_OR_RETURN(const nlohmann::json state, ReadJsonFile(state_path));
  if (!state.is_object() || !state.contains("step") || !state["step"].is_number_integer() || state["step"].get<int64_t>() < 0) {
    return DataLoss(state_path + ": expected {\"step\": a number >= 0}");
  }
  RETURN_IF_ERROR(parts_.parameters->Load(JoinPath(folder, kParameters)));
  RETURN_IF_ERROR(parts_.optimizer->Load(JoinPath(folder, kOptimizer)));
  const std::string replay_path = JoinPath(folder, kReplay);
  RETURN_IF_ERROR(replay_.Load(replay_path));
  // Conditions that left the data since are unknown to the environment, and would never be drawn.
  std::set<ConditionId> known(parts_.conditions.begin(), parts_.conditions.end());
  known.insert(given_conditions_.begin(), given_conditions_.end());
  replay_.KeepConditions(known);
  if (TrajectoryBatch stored = replay_.Contents(); stored.size() > 0) {
    if (const Status status = CompleteBatch(*parts_.environment, stored); !status.ok()) return Annotate(status, replay_path);
  }
  if (!replay_.HasRewards()) {
    RETURN_IF_ERROR(replay_.Recompute(*parts_.reward, NeedsRewardsAlong(), config_.conditions_per_step * config_.rollouts));
  }
  step_ = state["step"].get<int64_t>();
  return OkStatus();
}

}  // namespace gfn
