// For tests of `gfn doctor`: pieces of a sampler that pass everything on, for wrong ones to derive from.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gflownet/core/environment.h"
#include "gflownet/core/objective.h"
#include "gflownet/core/policy.h"
#include "gflownet/core/reward.h"

namespace gfn {

// What a planted mistake is made of, kept alive with it.
struct MadePieces {
  std::vector<std::shared_ptr<const void>> pieces;

  template <class T, class... Arguments>
  const T& Make(Arguments&&... arguments) {
    auto piece = std::make_shared<T>(std::forward<Arguments>(arguments)...);
    pieces.push_back(piece);
    return *piece;
  }
};

class SessionDecorator : public RolloutSession {
 public:
  explicit SessionDecorator(std::unique_ptr<RolloutSession> session) : session_(std::move(session)) {}
  at::Tensor Logits(const State& state) override { return session_->Logits(state); }
  at::Tensor Fingerprints() override { return session_->Fingerprints(); }
  StatusOr<at::Tensor> Draw(const State& state, const DrawAddress& address) override { return session_->Draw(state, address); }
  void Advance(const at::Tensor& actions_N) override { session_->Advance(actions_N); }
  void Keep(const at::Tensor& rows_M) override { session_->Keep(rows_M); }
  std::optional<StatusOr<WholeRollout>> SampleWhole(const std::vector<RolloutRow>& rows_B, const RngKey& key) override {
    return session_->SampleWhole(rows_B, key);
  }

 protected:
  std::unique_ptr<RolloutSession> session_;
};

class PolicyDecorator : public Policy {
 public:
  explicit PolicyDecorator(const Policy& policy) : policy_(policy) {}
  Needs Provides() const override { return policy_.Provides(); }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override {
    return policy_.StartRollout(conditions_B);
  }
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
    return policy_.Score(batch, options);
  }
  at::Tensor BackwardLogits(const State& state) const override { return policy_.BackwardLogits(state); }

 protected:
  const Policy& policy_;
};

// Samples as one policy and scores as another.
class SplitPolicy : public PolicyDecorator {
 public:
  SplitPolicy(const Policy& samples, const Policy& scores) : PolicyDecorator(scores), samples_(samples) {}
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override {
    return samples_.StartRollout(conditions_B);
  }

 private:
  const Policy& samples_;
};

// Other sessions around the policy's own.
class OtherSessions : public PolicyDecorator {
 public:
  using Wrap = std::function<std::unique_ptr<RolloutSession>(std::unique_ptr<RolloutSession>)>;
  OtherSessions(const Policy& policy, Wrap wrap) : PolicyDecorator(policy), wrap_(std::move(wrap)) {}
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& conditions_B) const override {
    return wrap_(policy_.StartRollout(conditions_B));
  }

 private:
  Wrap wrap_;
};

// Changes the scores.
class OtherScores : public PolicyDecorator {
 public:
  using Change = std::function<void(const TrajectoryBatch&, TrajectoryScores&)>;
  OtherScores(const Policy& policy, Change change) : PolicyDecorator(policy), change_(std::move(change)) {}
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
    TrajectoryScores scores = policy_.Score(batch, options);
    const at::AutoGradMode grad_mode(options.with_grad);
    change_(batch, scores);
    return scores;
  }

 private:
  Change change_;
};

class EnvironmentDecorator : public Environment {
 public:
  explicit EnvironmentDecorator(const Environment& environment) : environment_(environment) {}
  const EnvironmentSpec& Spec() const override { return environment_.Spec(); }
  State Initial(const std::vector<ConditionId>& conditions_B) const override { return environment_.Initial(conditions_B); }
  using Environment::Step;
  State Step(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override {
    return environment_.Step(state, actions_B, outcome_B);
  }
  State Undo(const State& state, const at::Tensor& back_B) const override { return environment_.Undo(state, back_B); }
  using Environment::BackwardAction;
  at::Tensor BackwardAction(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override {
    return environment_.BackwardAction(state, actions_B, outcome_B);
  }
  at::Tensor ForwardAction(const State& state, const at::Tensor& back_B) const override {
    return environment_.ForwardAction(state, back_B);
  }
  Support ForwardSupport(const State& state) const override { return environment_.ForwardSupport(state); }
  Support BackwardSupport(const State& state) const override { return environment_.BackwardSupport(state); }
  at::Tensor IsInitial(const State& state) const override { return environment_.IsInitial(state); }
  int64_t NumOutcomes() const override { return environment_.NumOutcomes(); }
  at::Tensor LogOutcomes(const State& state, const at::Tensor& actions_B) const override {
    return environment_.LogOutcomes(state, actions_B);
  }
  std::string Format(const State& state, int64_t row) const override { return environment_.Format(state, row); }
  std::string SupportDigest() const override { return environment_.SupportDigest(); }

 protected:
  const Environment& environment_;
};

// Other legal actions.
class OtherSupport : public EnvironmentDecorator {
 public:
  using Change = std::function<void(const State&, Support&)>;
  OtherSupport(const Environment& environment, Change change) : EnvironmentDecorator(environment), change_(std::move(change)) {}
  Support ForwardSupport(const State& state) const override {
    Support support = environment_.ForwardSupport(state);
    change_(state, support);
    return support;
  }

 private:
  Change change_;
};

// Changes what a reward of prefixes says: of every prefix, and of whole objects.
class OtherReward : public PrefixReward {
 public:
  using ChangeAlong = std::function<void(const TrajectoryBatch&, RewardValueAlong&)>;
  using ChangeWhole = std::function<void(const TrajectoryBatch&, RewardValue&)>;
  OtherReward(const PrefixReward& reward, ChangeAlong along, ChangeWhole whole)
      : reward_(reward), along_(std::move(along)), whole_(std::move(whole)) {}
  StatusOr<RewardValueAlong> LogRewardAlong(const TrajectoryBatch& batch) const override {
    ASSIGN_OR_RETURN(RewardValueAlong value, reward_.LogRewardAlong(batch));
    if (along_) along_(batch, value);
    return value;
  }
  StatusOr<RewardValue> LogReward(const TrajectoryBatch& batch) const override {
    ASSIGN_OR_RETURN(RewardValue value, reward_.LogReward(batch));
    if (whole_) whole_(batch, value);
    return value;
  }
  std::string Digest() const override { return reward_.Digest(); }

 private:
  const PrefixReward& reward_;
  ChangeAlong along_;
  ChangeWhole whole_;
};

// The same objective on other scores or targets.
class OtherObjective : public Objective {
 public:
  using Change = std::function<void(TrajectoryScores&, Targets&)>;
  OtherObjective(const Objective& objective, Change change) : objective_(objective), change_(std::move(change)) {}
  std::string Name() const override { return objective_.Name(); }
  Needs needs() const override { return objective_.needs(); }
  bool NeedsPrefixRewards() const override { return objective_.NeedsPrefixRewards(); }
  bool NeedsIntermediateRewards() const override { return objective_.NeedsIntermediateRewards(); }
  int64_t MinRollouts() const override { return objective_.MinRollouts(); }
  bool IsSurrogate() const override { return objective_.IsSurrogate(); }
  GroupLoss Loss(const TrajectoryScores& scores, const Targets& targets) const override {
    TrajectoryScores other_scores = scores;
    Targets other_targets = targets;
    change_(other_scores, other_targets);
    return objective_.Loss(other_scores, other_targets);
  }

 private:
  const Objective& objective_;
  Change change_;
};

}  // namespace gfn
