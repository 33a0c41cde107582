#include "gflownet/core/checked_policy.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"

namespace gfn {

// Passes everything on; of the watched rows it keeps the actions and what the logits said of them.
class CheckedSession : public RolloutSession {
 public:
  CheckedSession(const CheckedPolicy& owner, const std::vector<ConditionId>& conditions_B)
      : owner_(owner), session_(owner.policy_.StartRollout(conditions_B)) {
    const int64_t num_rows = static_cast<int64_t>(conditions_B.size()), num_watched = std::min(owner.options_.rows, num_rows);
    for (int64_t i = 0; i < num_watched; ++i) {
      const int64_t row = i * num_rows / num_watched;
      watched_.push_back({row, conditions_B[row], {}});
    }
  }
  ~CheckedSession() override {
    for (Watched& row : watched_) Finish(row);
  }

  at::Tensor Logits(const State& state) override {
    at::Tensor logits_NA = session_->Logits(state);
    if (watched_.empty()) return logits_NA;
    std::vector<int64_t> places;
    for (const Watched& row : watched_) places.push_back(row.place);
    const at::Tensor rows_W = at::tensor(places, at::kLong);
    const Support support = owner_.environment_.ForwardSupport(state.Gather(rows_W));
    log_probs_WA_ = support.LogProbs(logits_NA.index_select(0, rows_W.to(logits_NA.device())).to(at::kCPU, at::kDouble));
    return logits_NA;
  }

  void Advance(const at::Tensor& actions_N) override {
    for (size_t i = 0; i < watched_.size(); ++i) {
      const int64_t action = actions_N[watched_[i].place].item<int64_t>();
      watched_[i].said.actions.push_back(action);
      watched_[i].said.log_q += log_probs_WA_[static_cast<int64_t>(i)][action].item<double>();
    }
    session_->Advance(actions_N);
  }

  void Keep(const at::Tensor& rows_M) override {
    const at::Tensor rows = rows_M.to(at::kCPU).contiguous();
    const int64_t* kept = rows.const_data_ptr<int64_t>();
    std::vector<Watched> left;
    for (Watched& row : watched_) {
      const int64_t* found = std::lower_bound(kept, kept + rows.numel(), row.place);
      if (found == kept + rows.numel() || *found != row.place) {
        Finish(row);
        continue;
      }
      row.place = found - kept;
      left.push_back(std::move(row));
    }
    watched_ = std::move(left);
    session_->Keep(rows_M);
  }

 private:
  struct Watched {
    int64_t place;  // among the live rows
    ConditionId condition;
    CheckedPolicy::Said said;
  };
  void Finish(Watched& row) const {
    if (!row.said.actions.empty()) owner_.said_.emplace(row.condition, std::move(row.said));
  }

  const CheckedPolicy& owner_;
  std::unique_ptr<RolloutSession> session_;
  std::vector<Watched> watched_;
  at::Tensor log_probs_WA_;
};

CheckedPolicy::CheckedPolicy(const Policy& policy, const Environment& environment, const CheckedPolicyOptions& options)
    : policy_(policy), environment_(environment), options_(options) {
  const EnvironmentSpec& spec = environment.Spec();
  GFN_CHECK(spec.action == EnvironmentSpec::Action::kDiscrete && !spec.is_stochastic)
      << "in " << spec.name << " a row is not known by its actions";
}

std::unique_ptr<RolloutSession> CheckedPolicy::StartRollout(const std::vector<ConditionId>& conditions_B) const {
  return std::make_unique<CheckedSession>(*this, conditions_B);
}

TrajectoryScores CheckedPolicy::Score(const TrajectoryBatch& batch, const ScoreOptions& options) const {
  TrajectoryScores scores = policy_.Score(batch, options);
  if (said_.empty() || !scores.log_pf_BT.defined()) return scores;
  const at::Tensor log_pf_BT = scores.log_pf_BT.detach().to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor actions_BT = batch.actions_BT.to(at::kCPU).contiguous(), lengths_B = batch.lengths_B.to(at::kCPU).contiguous();
  for (int64_t row = 0; row < batch.size(); ++row) {
    const int64_t* actions = actions_BT.const_data_ptr<int64_t>() + row * batch.num_steps();
    const double* log_pf = log_pf_BT.const_data_ptr<double>() + row * batch.num_steps();
    const int64_t length = lengths_B.const_data_ptr<int64_t>()[row];
    const auto [first, last] = said_.equal_range(batch.condition_ids[row]);
    for (auto it = first; it != last; ++it) {
      const Said& said = it->second;
      const int64_t told = static_cast<int64_t>(said.actions.size());
      if (told > length || !std::equal(said.actions.begin(), said.actions.end(), actions)) continue;
      double scored = 0;
      for (int64_t step = 0; step < told; ++step) scored += log_pf[step];
      const double difference = std::abs(said.log_q - scored) / std::max(1.0, std::abs(scored));
      const double value = std::isfinite(difference) ? difference : std::numeric_limits<double>::infinity();
      ++drift_.num_compared;
      if (value >= drift_.value) drift_ = {value, said.log_q, scored, drift_.num_compared};
    }
  }
  said_.clear();
  return scores;
}

CheckedPolicy::Drift CheckedPolicy::TakeDrift() const {
  said_.clear();
  return std::exchange(drift_, {});
}

StatusOr<StepMetrics> CheckedLoop::Step() {
  ASSIGN_OR_RETURN(StepMetrics metrics, loop_.Step());
  const CheckedPolicy::Drift drift = policy_.TakeDrift();
  if (drift.num_compared == 0) return metrics;  // a step that samples nothing
  metrics.Set("sampler_drift", drift.value);
  if (drift.value <= max_drift_) return metrics;
  return Internal("step " + std::to_string(loop_.num_steps()) +
                  ": the sampler and the scorer disagree: while sampling log q was " + FormatShort(drift.sampled) +
                  ", scored it is " + FormatShort(drift.scored) + ", a drift of " + FormatShort(drift.value) + " where at most " +
                  FormatShort(max_drift_) +
                  " is rounding. They do not read the same adapter or the same masks; `gfn doctor` tells more");
}

}  // namespace gfn
