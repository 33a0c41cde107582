// Sampler = scorer, watched while training: what the sampling session said of a few rows' actions is compared with what Score
// says of the same trajectories. An adapter that sampling leaves out, or masks that differ between the two, cannot go unnoticed.
//
// Both are decorators. CheckedPolicy listens (a log-softmax of a few rows a sampling step); CheckedLoop adds the metric
// "sampler_drift" to every step, and ends the run with an error where it is above what rounding explains. For discrete,
// deterministic worlds, and policies without dropout (with it Score is random on purpose).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gflownet/core/environment.h"
#include "gflownet/core/policy.h"
#include "gflownet/train/training_loop.h"

namespace gfn {

struct CheckedPolicyOptions {
  int64_t rows = 4;  // of each rollout, spread over it
};

class CheckedPolicy : public Policy {
 public:
  // The references must outlive this object.
  CheckedPolicy(const Policy& policy, const Environment& environment, const CheckedPolicyOptions& options = {});

  Needs Provides() const override { return policy_.Provides(); }
  const StatePolicy* OfStates() const override { return policy_.OfStates(); }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override;
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override;
  at::Tensor BackwardLogits(const State& state) const override { return policy_.BackwardLogits(state); }

  // Of the trajectories sampled and scored since the last call: where |log q said - log q scored| / max(1, |log q scored|) is
  // largest. Not finite values give infinity.
  struct Drift {
    double value = 0;
    double sampled = 0, scored = 0;  // log q there
    int64_t num_compared = 0;
  };
  Drift TakeDrift() const;

 private:
  friend class CheckedSession;
  // The actions a row took and their log-probabilities, as far as the session was told of them (a rollout ends without telling it
  // of the last action).
  struct Said {
    std::vector<int64_t> actions;
    double log_q = 0;
  };
  const Policy& policy_;
  const Environment& environment_;
  CheckedPolicyOptions options_;
  mutable std::multimap<ConditionId, Said> said_;
  mutable Drift drift_;
};

class CheckedLoop : public TrainingLoop {
 public:
  // `policy` is the one that `loop` samples from and trains; both must outlive this object.
  CheckedLoop(TrainingLoop& loop, const CheckedPolicy& policy, double max_drift)
      : loop_(loop), policy_(policy), max_drift_(max_drift) {}

  // Internal if the drift of the step is above max_drift.
  StatusOr<StepMetrics> Step() override;
  int64_t num_steps() const override { return loop_.num_steps(); }
  Status Save(const std::string& folder) const override { return loop_.Save(folder); }
  Status Load(const std::string& folder) override { return loop_.Load(folder); }

 private:
  TrainingLoop& loop_;
  const CheckedPolicy& policy_;
  double max_drift_;
};

}  // namespace gfn
