#include <gtest/gtest.h>

#include "gflownet/core/rollout.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

// A policy with scores on a device that computes nothing.
class OnMeta : public Policy {
 public:
  explicit OnMeta(const Policy& policy) : policy_(policy) {}
  Needs Provides() const override { return policy_.Provides(); }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& ids) const override {
    return policy_.StartRollout(ids);
  }
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
    TrajectoryScores scores = policy_.Score(batch, options);
    TrajectoryScores::ForEachTensor(scores, [](const char*, at::Tensor& tensor) {
      if (tensor.defined()) tensor = tensor.to(at::kMeta);
    });
    return scores;
  }

 private:
  const Policy& policy_;
};

// A policy whose sessions sample whole rollouts alone and have fingerprints.
class InOneGo : public Policy {
 public:
  InOneGo(const Environment& environment, const Policy& policy) : environment_(environment), policy_(policy) {}
  Needs Provides() const override { return policy_.Provides(); }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>& ids) const override {
    return std::make_unique<Session>(*this, ids);
  }
  TrajectoryScores Score(const TrajectoryBatch& batch, const ScoreOptions& options) const override {
    return policy_.Score(batch, options);
  }
  int64_t num_whole() const { return num_whole_; }
  int64_t num_steps() const { return num_steps_; }

 private:
  class Session : public RolloutSession {
   public:
    Session(const InOneGo& owner, const std::vector<ConditionId>& ids) : owner_(owner), steps_(owner.policy_.StartRollout(ids)) {}
    at::Tensor Logits(const State& state) override {
      ++owner_.num_steps_;
      num_rows_ = state.batch_size();
      return steps_->Logits(state);
    }
    at::Tensor Fingerprints() override { return at::arange(1, num_rows_ + 1, at::kLong); }
    void Advance(const at::Tensor& actions_N) override { steps_->Advance(actions_N); }
    void Keep(const at::Tensor& rows_M) override { steps_->Keep(rows_M); }
    std::optional<StatusOr<WholeRollout>> SampleWhole(const std::vector<RolloutRow>& rows_B, const RngKey& key) override {
      ++owner_.num_whole_;
      auto batch = Rollout(owner_.environment_, owner_.policy_, rows_B, key);
      if (!batch.ok()) return batch.status();
      const at::Tensor log_q_BT = owner_.policy_.Score(*batch, {.needs = Need::kLogPf, .with_grad = false}).log_pf_BT;
      return WholeRollout{*std::move(batch), log_q_BT};
    }

   private:
    const InOneGo& owner_;
    std::unique_ptr<RolloutSession> steps_;
    int64_t num_rows_ = 0;
  };

  const Environment& environment_;
  const Policy& policy_;
  mutable int64_t num_whole_ = 0, num_steps_ = 0;
};

}  // namespace

void CheckDecorator(const Environment& environment, const Policy& policy, const Decorate& decorate,
                    const std::vector<ConditionId>& conditions, const ConformanceOptions& options) {
  SCOPED_TRACE("decorator of a policy on " + environment.Spec().name);
  const OnMeta on_meta(policy);
  const std::unique_ptr<Policy> elsewhere = decorate(on_meta);
  const TrajectoryBatch batch = RandomTrajectories(environment, conditions, options);
  Needs needs = elsewhere->Provides();
  if (environment.Spec().is_tree) needs = needs.Without(Need::kLogPb);
  const TrajectoryScores scores = elsewhere->Score(batch, {.needs = needs, .with_grad = false});
  EXPECT_EQ(scores.device(), at::Device(at::kMeta));
  ExpectOneDevice(scores);

  const InOneGo in_one_go(environment, policy);
  const std::unique_ptr<Policy> decorated = decorate(in_one_go);
  const std::vector<RolloutRow> rows = RolloutRows(conditions, options.rollouts);
  const RngKey key{options.seed, RngPurpose::kTest, 2};
  const auto sampled = Rollout(environment, *decorated, rows, key), plain = Rollout(environment, policy, rows, key);
  ASSERT_TRUE(sampled.ok() && plain.ok()) << Message(sampled.status()) << Message(plain.status());
  EXPECT_TRUE(sampled->actions_BT.equal(plain->actions_BT));
  EXPECT_EQ(in_one_go.num_whole(), 1) << "the decorator hides SampleWhole";
  EXPECT_EQ(in_one_go.num_steps(), 0);
  const auto session = decorated->StartRollout(conditions);
  (void)session->Logits(environment.Initial(conditions));
  const at::Tensor fingerprints = session->Fingerprints();
  EXPECT_TRUE(fingerprints.defined() && fingerprints.numel() == static_cast<int64_t>(conditions.size()))
      << "the decorator hides Fingerprints";
}

}  // namespace gfn
