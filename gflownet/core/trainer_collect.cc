// Trainer: where the rows of a step come from.
#include "gflownet/base/phase.h"
#include "gflownet/core/backward_rollout.h"
#include "gflownet/core/local_search.h"
#include "gflownet/core/trainer.h"

namespace gfn {
namespace {

double NumActions(const TrajectoryBatch& batch) { return static_cast<double>(batch.lengths_B.sum().item<int64_t>()); }

}  // namespace

StatusOr<std::vector<Trainer::Rows>> Trainer::CollectAll(const std::vector<ConditionId>& conditions) const {
  std::vector<Rows> parts;
  const size_t stride =
      config_.micro_batch_conditions == 0 ? conditions.size() : static_cast<size_t>(config_.micro_batch_conditions);
  for (size_t first = 0; first < conditions.size(); first += stride) {
    const std::vector<ConditionId> part(conditions.begin() + first,
                                        conditions.begin() + std::min(first + stride, conditions.size()));
    ASSIGN_OR_RETURN(Rows rows, objective().NeedsGivenObjects() ? CollectGiven(part, first) : Collect(part, first));
    parts.push_back(std::move(rows));
  }
  return parts;
}

StatusOr<Trainer::Rows> Trainer::Collect(const std::vector<ConditionId>& conditions, uint64_t first_slot) const {
  const uint64_t step = static_cast<uint64_t>(step_);
  const double temperature = config_.reward_temperature.At(step_);
  // Rows of each kind, and in this order in the batch: sampled, searched, replayed, walked back.
  std::vector<RolloutRow> sampled, searched;
  std::vector<TrajectoryBatch> replayed, to_walk;
  std::vector<uint64_t> replay_streams, walk_streams;
  Rows rows;

  // 1. What each rollout of each condition does; a replay buffer that has too little is filled up on-policy.
  for (size_t i = 0; i < conditions.size(); ++i) {
    const uint64_t slot = first_slot + i;
    const BehaviourPlan plan =
        PlanBehaviour(config_.behaviour, config_.rollouts, {parts_.seed, RngPurpose::kBehaviour, step}, slot);
    auto draw = [&](Behaviour behaviour, uint64_t seed, std::vector<TrajectoryBatch>& into) {
      const int64_t wanted = std::count(plan.behaviour.begin(), plan.behaviour.end(), behaviour);
      TrajectoryBatch stored = replay_.Sample(conditions[i], wanted, temperature, {seed, RngPurpose::kReplay, step});
      const int64_t found = stored.size();
      if (found > 0) into.push_back(std::move(stored));
      return found;
    };
    int64_t to_replay = draw(Behaviour::kReplay, parts_.seed, replayed);
    int64_t to_walk_back = draw(Behaviour::kBackward, MixBits(parts_.seed + 1), to_walk);
    for (int64_t n = 0; n < config_.rollouts; ++n) {
      const uint64_t stream = slot * config_.rollouts + n;
      const Behaviour behaviour = plan.behaviour[n];
      if (behaviour == Behaviour::kReplay && to_replay > 0) {
        replay_streams.push_back(stream);
        --to_replay;
      } else if (behaviour == Behaviour::kBackward && to_walk_back > 0) {
        walk_streams.push_back(stream);
        --to_walk_back;
      } else if (behaviour == Behaviour::kLocalSearch) {
        searched.push_back({conditions[i], stream, {}});
      } else {
        sampled.push_back({conditions[i], stream, plan.exploration[n]});
        rows.behaviour.push_back(behaviour == Behaviour::kTempered ? Behaviour::kTempered : Behaviour::kOnPolicy);
      }
    }
  }

  // 2. Sample and reward the new ones; stored ones bring their rewards.
  std::vector<TrajectoryBatch> parts;
  auto add = [&](TrajectoryBatch part) { parts.push_back(std::move(part)); };
  if (!sampled.empty()) {
    ASSIGN_OR_RETURN(TrajectoryBatch part, SampleFresh(sampled));
    add(std::move(part));
  }
  if (!searched.empty()) {
    ASSIGN_OR_RETURN(TrajectoryBatch part, SearchAround(searched));
    add(std::move(part));
  }
  for (TrajectoryBatch& part : replayed) add(std::move(part));
  if (!to_walk.empty()) {
    ASSIGN_OR_RETURN(TrajectoryBatch part, WalkBack(Concatenate(to_walk), walk_streams));
    add(std::move(part));
  }
  rows.num_fresh = static_cast<int64_t>(sampled.size() + searched.size());
  for (const RolloutRow& row : sampled) rows.streams.push_back(row.stream);
  for (const RolloutRow& row : searched) rows.streams.push_back(row.stream);
  rows.streams.insert(rows.streams.end(), replay_streams.begin(), replay_streams.end());
  rows.streams.insert(rows.streams.end(), walk_streams.begin(), walk_streams.end());
  rows.behaviour.resize(rows.behaviour.size() + searched.size(), Behaviour::kLocalSearch);
  rows.behaviour.resize(rows.behaviour.size() + replay_streams.size(), Behaviour::kReplay);
  rows.behaviour.resize(rows.behaviour.size() + walk_streams.size(), Behaviour::kBackward);
  rows.batch = Concatenate(parts);
  return rows;
}

StatusOr<TrajectoryBatch> Trainer::SampleFresh(const std::vector<RolloutRow>& rows) const {
  TrajectoryBatch batch;
  {
    const Phase phase("sample");
    ASSIGN_OR_RETURN(batch, Rollout(*parts_.environment, *parts_.policy, rows,
                                    {parts_.seed, RngPurpose::kRollout, static_cast<uint64_t>(step_)}));
    AddPhaseWork("tokens", NumActions(batch));
  }
  const Phase phase("reward");
  AddPhaseWork("tokens", NumActions(batch));
  if (const Status status = EvaluateReward(*parts_.reward, batch, NeedsRewardsAlong()); !status.ok())
    return SaveFailure(status, batch);
  return batch;
}

StatusOr<TrajectoryBatch> Trainer::SearchAround(const std::vector<RolloutRow>& rows) const {
  LocalSearchInput input;
  ASSIGN_OR_RETURN(input.batch, SampleFresh(rows));
  for (const RolloutRow& row : rows) input.streams.push_back(row.stream);
  input.temperature = config_.reward_temperature.At(step_);
  input.along = NeedsRewardsAlong();
  const Phase phase("local search");
  return LocalSearch(*parts_.environment, *parts_.policy, *parts_.reward, config_.behaviour.search, input,
                     {parts_.seed, RngPurpose::kRollout, static_cast<uint64_t>(step_)});
}

StatusOr<TrajectoryBatch> Trainer::WalkBack(const TrajectoryBatch& objects, const std::vector<uint64_t>& streams) const {
  const Phase phase("sample");
  ASSIGN_OR_RETURN(
      TrajectoryBatch batch,
      BackwardRollout(*parts_.environment, *parts_.policy, FinalStates(*parts_.environment, objects), objects.condition_ids,
                      streams, {parts_.seed, RngPurpose::kBackward, static_cast<uint64_t>(step_)}));
  batch.weight_B = objects.weight_B;
  // The same objects have the same rewards, but other states along the way.
  batch.log_reward_B = objects.log_reward_B;
  batch.reward_terms = objects.reward_terms;
  if (objects.log_reward_along_BT.defined()) {
    if (const Status status = EvaluateReward(*parts_.reward, batch, true); !status.ok()) return SaveFailure(status, batch);
  }
  return batch;
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
  if (config_.backward_given) {
    ASSIGN_OR_RETURN(rows.batch, WalkBack(rows.batch, rows.streams));
  }
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

}  // namespace gfn
