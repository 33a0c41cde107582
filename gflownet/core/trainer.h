// The GFlowNet training step: conditions -> rollouts or replay -> rewards -> scores -> objective -> gradient step. It knows only
// the abstract types, so a world of one's own trains through it from one's own main.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/core/batch_loss.h"
#include "gflownet/core/behaviour.h"
#include "gflownet/core/environment.h"
#include "gflownet/core/objective.h"
#include "gflownet/core/objective_check.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/replay_buffer.h"
#include "gflownet/core/reward.h"
#include "gflownet/core/rollout.h"
#include "gflownet/tensor/parameter_set.h"
#include "gflownet/train/optimizer.h"
#include "gflownet/train/schedule.h"
#include "gflownet/train/training_loop.h"

namespace gfn {

struct TrainerConfig {
  int64_t conditions_per_step = 1;
  int64_t rollouts = 8;
  int64_t micro_batch_conditions = 0;
  int64_t updates_per_batch = 1;
  ScheduleConfig reward_temperature{};
  BehaviourConfig behaviour{};
  ReplayConfig replay{};
  bool replay_given = false;
  bool backward_given = false;
  int64_t warm_start_steps = 0;
  int64_t warm_start_conditions = 16;

  template <class V>
  void Visit(V& v) {
    v("conditions_per_step", conditions_per_step, "different conditions of one optimiser step", AtLeast(1));
    v("rollouts", rollouts, "trajectories of each of them", AtLeast(1));
    v("micro_batch_conditions", micro_batch_conditions,
      "conditions that go through the model at a time, 0: all; changes memory, "
      "not the result",
      NonNegative());
    v("updates_per_batch", updates_per_batch, "optimiser steps on the same rollouts, as ppo takes them", AtLeast(1));
    v("reward_temperature", reward_temperature, "T of the target R^(1/T), by optimiser step");
    v("behaviour", behaviour, "where the trajectories come from");
    v("replay", replay, "the replay buffer");
    v("replay_given", replay_given, "put the given objects into the replay buffer before step 0");
    v("backward_given", backward_given,
      "draw the trajectories of the given objects from the backward policy at each step, instead of "
      "taking those that were given");
    v("warm_start_steps", warm_start_steps,
      "first steps that maximise the likelihood of the given objects, or of rollouts by "
      "importance, before the objective takes over",
      NonNegative());
    v("warm_start_conditions", warm_start_conditions, "conditions of one of these steps", AtLeast(1));
  }
};

// Everything is borrowed and must outlive the trainer.
struct TrainerParts {
  const Environment* environment = nullptr;
  const Policy* policy = nullptr;
  const Reward* reward = nullptr;
  const Objective* objective = nullptr;
  const Objective* warm_start = nullptr;  // for the first warm_start_steps; may be null when there are none
  ParameterSet* parameters = nullptr;
  Optimizer* optimizer = nullptr;
  std::vector<ConditionId> conditions;  // those to train on
  // Known objects of the conditions (with rewards if they are to be replayed, and weights); may be empty. A warm start that is
  // not by importance draws from these, conditions without any being left out.
  TrajectoryBatch given;
  Needs could_offer{};         // what the policy is given besides where the objective asks for it (ObjectiveSetting)
  std::string failure_folder;  // where the batch of a step that failed is written; empty: nowhere
  uint64_t seed = 0;
};

// What CheckObjective is asked about before step 0: of `parts`, environment, policy, reward, given objects and could_offer count.
ObjectiveSetting SettingOfTraining(const TrainerConfig& config, const TrainerParts& parts);

class Trainer : public TrainingLoop {
 public:
  static constexpr char kParametersFile[] = "parameters.safetensors";  // of a saved trainer: the sampler's parameters

  // Checks that the parts fit: what the objective needs against what policy, reward and world offer, sizes, probabilities. All
  // mistakes are found here and none at step 1000.
  static StatusOr<std::unique_ptr<Trainer>> Create(const TrainerConfig& config, const TrainerParts& parts);

  // Metrics: loss, grad_norm, learning_rate, reward_temperature; of all rows log_z (mean a_n of a condition, averaged),
  // log_reward, length and the reward's terms; of the on-policy rows elbo (mean log R - log q, T = 1) and spread (standard
  // deviation of a_n within a condition, averaged); rows that were replayed (all distinct), objects in the buffer, actions
  // sampled.
  StatusOr<StepMetrics> Step() override;
  int64_t num_steps() const override { return step_; }
  // One optimiser step of another objective on complete trajectories of known objects, beside the steps that are counted.
  // Metrics: loss, grad_norm, learning_rate.
  StatusOr<StepMetrics> StepOn(const TrajectoryBatch& batch, const Objective& objective);
  // The reward gives other values than before (a model was fitted): those in the replay buffer are evaluated again.
  Status RewardChanged();
  Status Save(const std::string& folder) const override;
  // Objects in the stored replay buffer are checked against the environment; if its rewards are of another reward they are
  // evaluated again.
  Status Load(const std::string& folder) override;

  const ReplayBuffer& replay() const { return replay_; }

 private:
  // The rows of one micro-batch and where they come from.
  struct Rows {
    TrajectoryBatch batch;
    std::vector<Behaviour> behaviour;  // [B]; given objects count as replay
    std::vector<uint64_t> streams;     // [B]: number of the row within the step
    int64_t num_fresh = 0;             // the first of them were sampled now
  };
  Trainer(const TrainerConfig& config, const TrainerParts& parts);

  bool IsWarmStart() const { return step_ < config_.warm_start_steps; }
  const Objective& objective() const { return IsWarmStart() ? *parts_.warm_start : *parts_.objective; }
  bool NeedsRewardsAlong() const;
  // `sampled_log_pf_BT`: of the policy that drew the rows; undefined at the first update.
  StatusOr<BatchLoss> AddGradient(const Rows& rows, const Objective& objective, const at::Tensor& sampled_log_pf_BT) const;
  Status TakeStep(double numerator, double weight, StepMetrics& metrics);
  // trainer_collect.cc
  Status SeedReplay();
  StatusOr<std::vector<Rows>> CollectAll(const std::vector<ConditionId>& conditions) const;
  StatusOr<Rows> Collect(const std::vector<ConditionId>& conditions, uint64_t first_slot) const;
  StatusOr<TrajectoryBatch> SampleFresh(const std::vector<RolloutRow>& rows) const;
  StatusOr<TrajectoryBatch> SearchAround(const std::vector<RolloutRow>& rows) const;
  StatusOr<TrajectoryBatch> WalkBack(const TrajectoryBatch& objects, const std::vector<uint64_t>& streams) const;
  StatusOr<Rows> CollectGiven(const std::vector<ConditionId>& conditions, uint64_t first_slot) const;
  Status SaveFailure(const Status& status, const TrajectoryBatch& batch) const;

  TrainerConfig config_;
  TrainerParts parts_;
  std::vector<ConditionId> given_conditions_;
  std::map<ConditionId, std::vector<int64_t>> given_rows_;
  ReplayBuffer replay_;
  int64_t step_ = 0;
};

}  // namespace gfn
