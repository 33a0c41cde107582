#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <regex>

#include "gflownet/core/rollout.h"
#include "gflownet/core/rollout_checks.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

constexpr Need kAllNeeds[] = {Need::kLogPf, Need::kLogPb,     Need::kLogStop,    Need::kLogFlow,
                              Need::kLogZ,  Need::kLogInflow, Need::kFingerprint};

at::Tensor* Field(TrajectoryScores& scores, Need need) {
  switch (need) {
    case Need::kLogPf:
      return &scores.log_pf_BT;
    case Need::kLogPb:
      return &scores.log_pb_BT;
    case Need::kLogStop:
      return &scores.log_stop_BT;
    case Need::kLogFlow:
      return &scores.log_flow_BT;
    case Need::kLogZ:
      return &scores.log_z_G;
    case Need::kLogInflow:
      return &scores.log_inflow_BT;
    case Need::kFingerprint:
      return &scores.fingerprint_BT;
  }
  return nullptr;
}

// Everything that the policy provides, except log_pb on a tree, on the CPU.
TrajectoryScores ScoreAll(const Environment& environment, const Policy& policy, const TrajectoryBatch& batch,
                          bool with_grad = false) {
  Needs needs = policy.Provides();
  if (environment.Spec().is_tree) needs = needs.Without(Need::kLogPb);
  TrajectoryScores scores = policy.Score(batch, {.needs = needs, .with_grad = with_grad});
  ExpectOneDevice(scores);
  for (const Need need : kAllNeeds) {
    at::Tensor& field = *Field(scores, need);
    EXPECT_EQ(needs.Has(need), field.defined()) << Needs(need).ToString();
    if (field.defined() && !with_grad) field = field.to(at::kCPU);
  }
  return scores;
}

// Forces the batch through a session, dropping rows as they finish; its probabilities sum to 1 at every step.
Replay CheckedReplay(const Environment& environment, const Policy& policy, const TrajectoryBatch& batch) {
  return ReplayThroughSession(
      environment, policy, batch, [&](int64_t step, const at::Tensor& live_N, const State& state, const at::Tensor& logits_NA) {
        EXPECT_EQ(logits_NA.sizes(), (at::IntArrayRef{live_N.numel(), environment.Spec().num_actions}));
        const at::Tensor log_probs_NA = environment.ForwardSupport(state).LogProbs(logits_NA.to(at::kCPU, at::kDouble));
        EXPECT_LT((log_probs_NA.exp().sum(1) - 1).abs().max().item<double>(), 1e-9) << "step " << step;
      });
}

// Exactly 0 in padding and where one action only is legal; never above 0.
void CheckLogProbs(const Environment& environment, const TrajectoryBatch& batch, const TrajectoryScores& scores) {
  EXPECT_EQ(scores.mask_BT.to(at::kCPU).equal(batch.StepMask()), true);
  EXPECT_LE(scores.log_pf_BT.max().item<double>(), 0);
  const std::vector<State> states = Unroll(environment, batch);
  for (int64_t step = 0; step < batch.num_steps(); ++step) {
    const at::Tensor certain_B = environment.ForwardSupport(states[step]).CountLegal().le(1);
    const at::Tensor log_pf_B = scores.log_pf_BT.select(1, step);
    EXPECT_TRUE(at::where(certain_B, log_pf_B, at::zeros_like(log_pf_B)).eq(0).all().item<bool>())
        << "step " << step << ": log_pf of a forced action or of padding is not 0";
  }
}

// A policy that goes step by step and writes down how a rollout leads its session.
class Recorded : public Policy {
 public:
  explicit Recorded(const Policy& policy) : policy_(policy) {}
  Needs Provides() const override { return policy_.Provides(); }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& ids) const override {
    heard_.assign(ids.size(), {});
    calls_.clear();
    return std::make_unique<Session>(*this, ids);
  }
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
    return policy_.Score(batch, options);
  }
  const std::vector<std::vector<int64_t>>& heard() const { return heard_; }  // the actions of each row, of discrete worlds
  const std::string& calls() const { return calls_; }                        // a letter each: Logits or Draw, Advance, Keep

 private:
  class Session : public RolloutSession {
   public:
    Session(const Recorded& owner, const std::vector<ConditionId>& ids)
        : owner_(owner),
          session_(owner.policy_.StartRollout(ids)),
          live_(at::arange(static_cast<int64_t>(ids.size()), at::kLong)) {}
    at::Tensor Logits(const State& state) override {
      owner_.calls_ += 'L';
      EXPECT_EQ(state.batch_size(), live_.numel());
      return session_->Logits(state);
    }
    StatusOr<at::Tensor> Draw(const State& state, const DrawAddress& address) override {
      owner_.calls_ += 'L';
      EXPECT_EQ(state.batch_size(), live_.numel());
      return session_->Draw(state, address);
    }
    void Advance(const at::Tensor& actions_N) override {
      owner_.calls_ += 'A';
      EXPECT_EQ(actions_N.size(0), live_.numel()) << "Advance is told of every live row's action";
      for (int64_t i = 0; actions_N.dim() == 1 && i < actions_N.size(0); ++i) {
        owner_.heard_[live_[i].item<int64_t>()].push_back(actions_N[i].item<int64_t>());
      }
      session_->Advance(actions_N);
    }
    void Keep(const at::Tensor& rows_M) override {
      owner_.calls_ += 'K';
      EXPECT_GT(rows_M.numel(), 0);
      EXPECT_LT(rows_M.numel(), live_.numel()) << "Keep is asked where rows have finished";
      live_ = live_.index_select(0, rows_M.to(at::kCPU));
      session_->Keep(rows_M);
    }

   private:
    const Recorded& owner_;
    std::unique_ptr<RolloutSession> session_;
    at::Tensor live_;
  };

  const Policy& policy_;
  mutable std::vector<std::vector<int64_t>> heard_;
  mutable std::string calls_;
};

// Steps are Logits, Advance, Keep in this order; the session hears of every action.
void CheckCalls(const Environment& environment, const Policy& policy, const std::vector<RolloutRow>& rows, const RngKey& key) {
  const Recorded recorded(policy);
  const auto batch = Rollout(environment, recorded, rows, key);
  ASSERT_TRUE(batch.ok()) << Message(batch.status());
  EXPECT_TRUE(std::regex_match(recorded.calls(), std::regex("(LAK?)*LA"))) << recorded.calls();
  for (int64_t row = 0; batch->actions_BT.dim() == 2 && row < batch->size(); ++row) {
    const at::Tensor taken = batch->actions_BT[row].slice(0, 0, batch->lengths_B[row].item<int64_t>());
    EXPECT_TRUE(taken.equal(at::tensor(recorded.heard()[row], at::kLong))) << "row " << row;
  }
}

// A session that samples whole rollouts says of their actions what Score says, where Score says it.
void CheckWholeRollout(const Environment& environment, const Policy& policy, const std::vector<RolloutRow>& rows,
                       const RngKey& key, const ConformanceOptions& options) {
  std::vector<ConditionId> conditions;
  for (const RolloutRow& row : rows) conditions.push_back(row.condition);
  auto whole = policy.StartRollout(conditions)->SampleWhole(rows, key);
  if (!whole.has_value()) return;
  ASSERT_TRUE(whole->ok()) << Message(whole->status());
  const WholeRollout& rollout = **whole;
  ASSERT_TRUE(rollout.batch.Check().ok()) << Message(rollout.batch.Check());
  const TrajectoryScores scores = ScoreAll(environment, policy, rollout.batch);
  ASSERT_TRUE(rollout.log_q_BT.defined());
  ExpectClose(rollout.log_q_BT.to(at::kCPU), scores.log_pf_BT, options.tolerance, "log q of a whole rollout against Score");
}

}  // namespace

void ExpectOneDevice(const TrajectoryScores& scores) {
  TrajectoryScores::ForEachTensor(scores, [&](const char* name, const at::Tensor& tensor) {
    if (tensor.defined()) {
      EXPECT_EQ(tensor.device(), scores.device()) << name << " is on another device than the mask";
    }
  });
}

void CheckPolicy(const Environment& environment, const Policy& policy, const std::vector<ConditionId>& conditions,
                 const ConformanceOptions& options) {
  SCOPED_TRACE("policy on " + environment.Spec().name);
  ASSERT_TRUE(policy.Provides().Has(Need::kLogPf));
  const TrajectoryBatch batch = RandomTrajectories(environment, conditions, options);
  const TrajectoryScores scores = ScoreAll(environment, policy, batch);
  ASSERT_FALSE(testing::Test::HasFailure());
  const bool discrete = environment.Spec().action == EnvironmentSpec::Action::kDiscrete;
  if (discrete) CheckLogProbs(environment, batch, scores);
  EXPECT_FALSE(scores.log_pf_BT.requires_grad()) << "with_grad is false";
  const Grouping grouping = GroupRows(batch.condition_ids);
  EXPECT_EQ(scores.num_groups, static_cast<int64_t>(grouping.conditions.size()));
  EXPECT_TRUE(scores.group_B.to(at::kCPU).equal(at::tensor(grouping.group_of_row, at::kLong)));

  // Sampler = scorer. A session of a continuous world has no densities to compare.
  if (discrete) {
    const Replay session = CheckedReplay(environment, policy, batch);
    ExpectClose(session.log_pf_BT, scores.log_pf_BT, options.tolerance, "log_pf: session against Score");
    if (scores.log_stop_BT.defined())
      ExpectClose(session.log_stop_BT, scores.log_stop_BT, options.tolerance, "log_stop: session against Score");
    if (scores.fingerprint_BT.defined()) {
      const at::Tensor computed_BT = scores.fingerprint_BT.ne(0);
      // Where every action is certain nothing is computed.
      EXPECT_TRUE(computed_BT.any().item<bool>() || scores.log_pf_BT.eq(0).all().item<bool>());
      EXPECT_TRUE(session.fingerprint_BT.where(computed_BT, 0).equal(scores.fingerprint_BT))
          << "the session computed from other numbers than Score";
    }
  }
  if (scores.log_stop_BT.defined()) {
    const at::Tensor last_B1 = (batch.lengths_B - 1).unsqueeze(1);
    ExpectClose(scores.log_stop_BT.gather(1, last_B1), scores.log_pf_BT.gather(1, last_B1), options.tolerance,
                "log_stop against log_pf where the row stopped");
  }

  // A batch is its rows one by one.
  for (int64_t row = 0; row < batch.size(); ++row) {
    const TrajectoryBatch one = batch.Gather(std::vector<int64_t>{row});
    TrajectoryScores alone = ScoreAll(environment, policy, one);
    TrajectoryScores together = scores;
    for (const Need need : kAllNeeds) {
      if (need == Need::kLogZ || !Field(alone, need)->defined()) continue;
      ExpectClose(*Field(alone, need), Field(together, need)->slice(0, row, row + 1).slice(1, 0, one.num_steps()),
                  options.tolerance, Needs(need).ToString() + " of row " + std::to_string(row) + ", alone against together");
    }
  }

  // What Rollout samples is legal, and what it recorded is what CompleteBatch finds.
  const RngKey key{options.seed, RngPurpose::kTest, 1};
  const std::vector<RolloutRow> rows = RolloutRows(conditions, options.rollouts);
  CheckCalls(environment, policy, rows, key);
  CheckWholeRollout(environment, policy, rows, key, options);
  const auto sampled = Rollout(environment, policy, rows, key);
  ASSERT_TRUE(sampled.ok()) << Message(sampled.status());
  TrajectoryBatch again = *sampled;
  const Status status = CompleteBatch(environment, again);
  ASSERT_TRUE(status.ok()) << Message(status);
  if (again.stop_legal_BT.defined()) {
    EXPECT_TRUE(again.stop_legal_BT.equal(sampled->stop_legal_BT));
  }
  if (again.backward_actions_BT.defined()) {
    EXPECT_TRUE(again.backward_actions_BT.equal(sampled->backward_actions_BT));
  }
}

void CheckPolicyParameters(const Environment& environment, const PolicyWithParameters& original,
                           const PolicyWithParameters& other, const std::vector<ConditionId>& conditions,
                           const ConformanceOptions& options) {
  SCOPED_TRACE("parameters of a policy on " + environment.Spec().name);
  const TrajectoryBatch batch = RandomTrajectories(environment, conditions, options);
  original.parameters.ZeroGrad();
  ScoreAll(environment, original.policy, batch, /*with_grad=*/true).log_pf_BT.sum().backward();
  const auto norm = original.parameters.GradNorm();
  ASSERT_TRUE(norm.ok()) << Message(norm.status());
  EXPECT_GT(*norm, 0) << "no gradient reached a parameter";
  original.parameters.ZeroGrad();

  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("gfn_parameters_" + std::to_string(getpid()) + ".safetensors");
  const TrajectoryScores before = ScoreAll(environment, original.policy, batch);
  EXPECT_FALSE(ScoreAll(environment, other.policy, batch).log_pf_BT.equal(before.log_pf_BT))
      << "give a second policy of other values";
  const Status saved = original.parameters.Save(path.string());
  ASSERT_TRUE(saved.ok()) << Message(saved);
  const Status loaded = other.parameters.Load(path.string());
  std::filesystem::remove(path);
  ASSERT_TRUE(loaded.ok()) << Message(loaded);
  EXPECT_TRUE(ScoreAll(environment, other.policy, batch).log_pf_BT.equal(before.log_pf_BT))
      << "loaded parameters give other scores";
}

}  // namespace gfn
