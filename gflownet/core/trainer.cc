#include "gflownet/core/trainer.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "gflownet/base/check.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/phase.h"
#include "gflownet/core/rollout.h"
#include "gflownet/core/step_summary.h"
#include "gflownet/core/trajectory_io.h"
#include "gflownet/train/run_folder.h"

namespace gfn {
namespace {

constexpr char kState[] = "trainer.json";
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
  const bool uses_given = objective().NeedsGivenObjects();
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

  // 2. Collect the rows of every micro-batch of whole conditions, with their rewards.
  ASSIGN_OR_RETURN(const std::vector<Rows> parts, CollectAll(chosen));
  std::vector<TrajectoryBatch> fresh;
  int64_t num_replayed = 0, num_sampled_actions = 0;
  for (const Rows& rows : parts) {
    num_replayed += rows.batch.size() - rows.num_fresh;
    if (rows.num_fresh == 0) continue;
    fresh.push_back(rows.batch.Gather(at::arange(rows.num_fresh, at::kLong)));
    num_sampled_actions += fresh.back().lengths_B.sum().item<int64_t>();
  }

  // 3. Score them, add their gradient, divide once, clip, step.
  std::vector<at::Tensor> sampled_log_pf(parts.size());
  for (int64_t update = 0; update < config_.updates_per_batch; ++update) {
    parts_.parameters->ZeroGrad();
    double numerator = 0, weight = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      ASSIGN_OR_RETURN(const BatchLoss scored, AddGradient(parts[i], objective(), sampled_log_pf[i]));
      numerator += SumOf(scored.loss.numerator_G.detach());
      weight += SumOf(scored.loss.weight_G);
      if (update > 0) continue;
      summary.Add(parts[i].batch, scored.scores, scored.targets, parts[i].behaviour);
      if (config_.updates_per_batch > 1) sampled_log_pf[i] = scored.scores.log_pf_BT.detach();
    }
    if (const Status status = TakeStep(numerator, weight, metrics); !status.ok()) return SaveFailure(status, Concatenate(fresh));
  }

  // 4. Keep what was found.
  for (const TrajectoryBatch& batch : fresh) {
    if (config_.behaviour.UsesReplay()) replay_.Add(batch);
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

StatusOr<StepMetrics> Trainer::StepOn(const TrajectoryBatch& batch, const Objective& objective) {
  Rows rows;
  rows.batch = batch;
  rows.streams.resize(static_cast<size_t>(batch.size()));
  std::iota(rows.streams.begin(), rows.streams.end(), uint64_t{0});
  parts_.parameters->ZeroGrad();
  ASSIGN_OR_RETURN(const BatchLoss scored, AddGradient(rows, objective, at::Tensor()));
  StepMetrics metrics;
  RETURN_IF_ERROR(TakeStep(SumOf(scored.loss.numerator_G.detach()), SumOf(scored.loss.weight_G), metrics));
  return metrics;
}

Status Trainer::RewardChanged() {
  if (replay_.NumItems() == 0) return OkStatus();
  return replay_.Recompute(*parts_.reward, NeedsRewardsAlong(), config_.conditions_per_step * config_.rollouts);
}

StatusOr<BatchLoss> Trainer::AddGradient(const Rows& rows, const Objective& objective,
                                         const at::Tensor& sampled_log_pf_BT) const {
  const auto score = [&] {
    const Phase phase("score");
    AddPhaseWork("tokens", SumOf(rows.batch.lengths_B));
    const RngKey dropout_key{parts_.seed, RngPurpose::kDropout, static_cast<uint64_t>(step_)};
    return LossOfBatch(*parts_.environment, *parts_.policy, objective, rows.batch,
                       {config_.reward_temperature.At(step_), {{}, true, dropout_key, rows.streams}, sampled_log_pf_BT});
  };
  BatchLoss scored = score();
  const Phase phase("backward");
  if (const Status status = Accumulate(scored.loss, rows.batch, objective); !status.ok()) return SaveFailure(status, rows.batch);
  return scored;
}

Status Trainer::TakeStep(double numerator, double weight, StepMetrics& metrics) {
  const Phase phase("optimiser");
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : *parts_.parameters) {
    at::Tensor gradient = parameter.value.grad();
    if (gradient.defined() && weight > 0) gradient.div_(weight);
  }
  ASSIGN_OR_RETURN(const auto step, parts_.optimizer->Step());
  metrics.Set("loss", weight > 0 ? numerator / weight : 0);
  metrics.Set("grad_norm", step.grad_norm);
  metrics.Set("learning_rate", step.learning_rate);
  return OkStatus();
}

Status Trainer::SaveFailure(const Status& status, const TrajectoryBatch& batch) const {
  const std::string where = "step " + std::to_string(step_);
  if (parts_.failure_folder.empty() || batch.size() == 0) return Annotate(status, where);
  // Values that are not finite would make the file unreadable; what was done is enough to compute them again.
  TrajectoryBatch done = batch;
  done.log_reward_B = done.log_reward_along_BT = at::Tensor();
  done.reward_terms.clear();
  const std::string path = JoinPath(parts_.failure_folder, std::string(kFailedStep) + std::to_string(step_) + ".safetensors");
  const Status written = WriteTrajectories(path, done, {{"message", Message(status)}});
  return Annotate(status, where + (written.ok() ? " (its trajectories are in " + path + ")" : " (" + Message(written) + ")"));
}

Status Trainer::Save(const std::string& folder) const {
  RETURN_IF_ERROR(WriteJsonFile(JoinPath(folder, kState), {{"step", step_}}));
  RETURN_IF_ERROR(parts_.parameters->Save(JoinPath(folder, kParametersFile)));
  RETURN_IF_ERROR(parts_.optimizer->Save(JoinPath(folder, kOptimizer)));
  return replay_.Save(JoinPath(folder, kReplay));
}

Status Trainer::Load(const std::string& folder) {
  const std::string state_path = JoinPath(folder, kState);
  ASSIGN_OR_RETURN(const nlohmann::json state, ReadJsonFile(state_path));
  if (!state.is_object() || !state.contains("step") || !state["step"].is_number_integer() || state["step"].get<int64_t>() < 0) {
    return DataLoss(state_path + ": expected {\"step\": a number >= 0}");
  }
  RETURN_IF_ERROR(parts_.parameters->Load(JoinPath(folder, kParametersFile)));
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
  if (!replay_.HasRewards()) RETURN_IF_ERROR(RewardChanged());
  step_ = state["step"].get<int64_t>();
  return OkStatus();
}

}  // namespace gfn
