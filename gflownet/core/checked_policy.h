// Sampler = scorer, watched while training: what the sampling session said of a few rows' actions is compared with what Score
// says of the same trajectories. An adapter that sampling leaves out, or masks that differ between the two, cannot go unnoticed.
//
// Both are decorators. CheckedPolicy listens: step by step (a log-softmax of a few rows), or to what a session that samples whole
// rollouts says of them, which is read when the rollout is over. CheckedLoop adds the metric "sampler_drift" to every step, and
// ends the run where the two disagree. For discrete, deterministic worlds.
//
// What can be seen, and when: a mistake shows in the first step in which it makes a difference. A fresh adapter is the base model
// (its second factor is 0), so a sampler that leaves the adapter out is right at step 1 and is found at step 2, before anything
// is learned from it: by log q as soon as the adapter moves that by more than rounding, and where the policy has fingerprints by
// the first bit that differs, however small the learning rate.
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
  // Score drops out where it records a gradient: the watched rows are scored once more without, as they were sampled.
  bool has_dropout = false;
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
  bool LearnsBackward() const override { return policy_.LearnsBackward(); }

  // Of the trajectories sampled and scored since the last call: where |log q said - log q scored| / max(1, |log q scored|) is
  // largest. Not finite values give infinity.
  struct Drift {
    double value = 0;
    double sampled = 0, scored = 0;  // log q there
    int64_t num_sampled = 0;         // rows that were watched
    int64_t num_compared = 0;        // and scored since
    int64_t num_steps = 0;           // of these, those with fingerprints
    int64_t num_unlike = 0;          // and those whose fingerprints differ: none where both compute the same
  };
  Drift TakeDrift() const;

 private:
  friend class CheckedSession;
  // What a session said of the trajectory of one row.
  struct Said {
    std::vector<int64_t> actions;
    double log_q = 0;
    std::vector<int64_t> fingerprints;  // one an action, or none at all
  };
  // A rollout that a session made in one go, and the rows of it that are watched. log q is where it was computed.
  struct Heard {
    WholeRollout rollout;
    std::vector<int64_t> rows;
  };
  void Hear(ConditionId condition, Said said) const;
  void ReadHeard() const;
  void Compare(const TrajectoryBatch& batch, const ScoreOptions& options, const TrajectoryScores& scores) const;
  void CompareRow(const Said& said, const double* log_pf, const int64_t* fingerprints) const;

  const Policy& policy_;
  const Environment& environment_;
  CheckedPolicyOptions options_;
  mutable std::vector<Heard> heard_;
  mutable std::multimap<ConditionId, Said> said_;
  mutable Drift drift_;
};

class CheckedLoop : public TrainingLoop {
 public:
  // `policy` is the one that `loop` samples from and trains; both must outlive this object.
  CheckedLoop(TrainingLoop& loop, const CheckedPolicy& policy, double max_drift)
      : loop_(loop), policy_(policy), max_drift_(max_drift) {}

  // Internal if the drift of the step is above max_drift, if a fingerprint differs, or if the step sampled and nothing of it was
  // compared.
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
