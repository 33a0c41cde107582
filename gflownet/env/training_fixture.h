// For tests: a small world with a table of logits that is trained through the Trainer and measured exactly.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gflownet/core/backward_policies.h"
#include "gflownet/core/log_z.h"
#include "gflownet/core/trainer.h"
#include "gflownet/env/exact.h"
#include "gflownet/env/state_policies.h"

namespace gfn {

enum class BackwardPart { kUniform, kLearned, kMaxEntropy, kEdgeFlows };

struct TrainingSetup {
  const EnumerableEnvironment* environment = nullptr;
  const Reward* reward = nullptr;
  std::vector<std::string> conditions = {""};  // canonical contents
  ObjectiveConfig objective{};
  ObjectiveConfig warm_start = MaximumLikelihoodConfig{};
  TrainerConfig trainer{};
  TrajectoryBatch given{};
  double learning_rate = 0.1;
  uint64_t seed = 1;
  BackwardPart backward = BackwardPart::kUniform;
  WarmupDecayConfig decay{};
  std::string failure_folder{};
  // For mutants: wraps the policy that is trained; the table is still what is measured.
  std::function<std::unique_ptr<Policy>(const Policy&)> wrap{};
};

class TrainingRun {
 public:
  explicit TrainingRun(const TrainingSetup& setup) : setup_(setup) {
    for (const std::string& content : setup.conditions) ids_.push_back(conditions_.Insert(content).value());
    table_ = std::make_unique<TabularPolicy>(
        *setup.environment, ids_, parameters_,
        StatePolicyOptions{.learned_backward = setup.backward == BackwardPart::kLearned, .flow = true, .dtype = at::kFloat});
    if (setup.backward == BackwardPart::kEdgeFlows) decorated_ = std::make_unique<EdgeFlowPolicy>(*table_);
    if (setup.backward == BackwardPart::kMaxEntropy) {
      decorated_ = std::make_unique<MaxEntropyBackwardPolicy>(*table_, *setup.environment, ids_[0]);
    }
    log_z_ = std::make_unique<LogZPolicy>(decorated_ != nullptr ? *decorated_ : *table_, conditions_, parameters_, at::Tensor());
    if (setup.wrap) wrapped_ = setup.wrap(*log_z_);
    OptimizerConfig config;
    config.learning_rate = setup.learning_rate;
    config.clip_norm = 0;
    config.schedule = setup.decay;
    optimizer_ = std::make_unique<Optimizer>(Optimizer::Create(config, &parameters_).value());
    objective_ = MakeObjective(setup.objective).value();
    warm_start_ = MakeObjective(setup.warm_start).value();
    TrainerParts parts;
    parts.environment = setup.environment;
    parts.policy = wrapped_ != nullptr ? wrapped_.get() : log_z_.get();
    parts.reward = setup.reward;
    parts.objective = objective_.get();
    parts.warm_start = warm_start_.get();
    parts.parameters = &parameters_;
    parts.optimizer = optimizer_.get();
    parts.conditions = ids_;
    parts.given = setup.given;
    parts.failure_folder = setup.failure_folder;
    parts.seed = setup.seed;
    auto trainer = Trainer::Create(setup.trainer, parts);
    status_ = trainer.status();
    if (trainer.ok()) trainer_ = std::move(trainer).value();
  }

  const Status& status() const { return status_; }
  Trainer& trainer() { return *trainer_; }
  ParameterSet& parameters() { return parameters_; }
  const std::vector<ConditionId>& ids() const { return ids_; }

  // Takes steps; fails the test where one fails. Returns the last metrics.
  StepMetrics Steps(int64_t num) {
    StepMetrics last;
    for (int64_t i = 0; i < num; ++i) {
      auto metrics = trainer_->Step();
      if (!metrics.ok()) {
        ADD_FAILURE() << Message(metrics.status());
        break;
      }
      last = std::move(metrics).value();
    }
    return last;
  }

  // The largest over the conditions of the error against exp(log_reward / temperature), log_reward [X] by condition.
  DistributionError Worst(const std::function<at::Tensor(ConditionId)>& log_reward_X, double temperature) const {
    DistributionError worst;
    for (const ConditionId id : ids_) {
      const DistributionError error =
          CompareWithTarget(ExactLogTerminating(*setup_.environment, *table_, id), log_reward_X(id), temperature);
      if (error.total_variation >= worst.total_variation) worst = error;
    }
    return worst;
  }
  bool UsesLogZ() const { return objective_->needs().Has(Need::kLogZ); }
  // The policy that is measured.
  const StatePolicy& table() const { return *table_; }
  double LearnedLogZ(int64_t index) const { return parameters_.Get("log_z")[index].item<double>(); }

 private:
  TrainingSetup setup_;
  ConditionTable conditions_;
  std::vector<ConditionId> ids_;
  ParameterSet parameters_;
  std::unique_ptr<TabularPolicy> table_;
  std::unique_ptr<StatePolicy> decorated_;
  std::unique_ptr<LogZPolicy> log_z_;
  std::unique_ptr<Policy> wrapped_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Objective> objective_, warm_start_;
  std::unique_ptr<Trainer> trainer_;
  Status status_;
};

}  // namespace gfn
