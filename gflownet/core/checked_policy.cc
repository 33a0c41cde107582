#include "gflownet/core/checked_policy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

at::Tensor Ints(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

// [B, T] on the host.
template <class T>
std::vector<T> OnHost(const at::Tensor& values, at::ScalarType type) {
  const at::Tensor host = values.detach().to(at::kCPU, type).contiguous();
  return {host.const_data_ptr<T>(), host.const_data_ptr<T>() + host.numel()};
}

std::vector<int64_t> WatchedRows(int64_t num_rows, int64_t most) {
  std::vector<int64_t> rows;
  const int64_t num_watched = std::min(most, num_rows);
  for (int64_t i = 0; i < num_watched; ++i) rows.push_back(i * num_rows / num_watched);
  return rows;
}

}  // namespace

// Passes everything on; of the watched rows it keeps the actions and what the logits said of them.
class CheckedSession : public RolloutSession {
 public:
  CheckedSession(const CheckedPolicy& owner, const std::vector<ConditionId>& conditions_B)
      : owner_(owner), session_(owner.policy_.StartRollout(conditions_B)) {
    for (const int64_t row : WatchedRows(static_cast<int64_t>(conditions_B.size()), owner.options_.rows)) {
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
    const at::Tensor rows_W = Ints(places);
    const Support support = owner_.environment_.ForwardSupport(state.Gather(rows_W));
    log_probs_WA_ = support.LogProbs(logits_NA.index_select(0, rows_W.to(logits_NA.device())).to(at::kCPU, at::kDouble));
    fingerprints_W_ = session_->Fingerprints();
    if (fingerprints_W_.defined()) fingerprints_W_ = fingerprints_W_.to(at::kCPU).index_select(0, rows_W);
    return logits_NA;
  }
  at::Tensor Fingerprints() override { return session_->Fingerprints(); }

  std::optional<StatusOr<WholeRollout>> SampleWhole(const std::vector<RolloutRow>& rows_B, const RngKey& key) override {
    auto whole = session_->SampleWhole(rows_B, key);
    if (!whole.has_value() || !whole->ok()) return whole;
    watched_.clear();
    owner_.heard_.push_back({**whole, WatchedRows(static_cast<int64_t>(rows_B.size()), owner_.options_.rows)});
    return whole;
  }

  void Advance(const at::Tensor& actions_N) override {
    const at::Tensor actions = watched_.empty() ? at::Tensor() : actions_N.to(at::kCPU);
    for (size_t i = 0; i < watched_.size(); ++i) {
      CheckedPolicy::Said& said = watched_[i].said;
      const int64_t watched = static_cast<int64_t>(i), action = actions[watched_[i].place].item<int64_t>();
      said.actions.push_back(action);
      said.log_q += log_probs_WA_[watched][action].item<double>();
      if (fingerprints_W_.defined()) said.fingerprints.push_back(fingerprints_W_[watched].item<int64_t>());
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
    if (!row.said.actions.empty()) owner_.Hear(row.condition, std::move(row.said));
  }

  const CheckedPolicy& owner_;
  std::unique_ptr<RolloutSession> session_;
  std::vector<Watched> watched_;
  at::Tensor log_probs_WA_, fingerprints_W_;  // of the Logits asked for last
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

void CheckedPolicy::Hear(ConditionId condition, Said said) const {
  ++drift_.num_sampled;
  said_.emplace(condition, std::move(said));
}

void CheckedPolicy::ReadHeard() const {
  for (const Heard& heard : std::exchange(heard_, {})) {
    const at::Tensor rows_W = Ints(heard.rows), &log_q_BT = heard.rollout.log_q_BT;
    const std::vector<double> log_q_W =
        OnHost<double>(log_q_BT.index_select(0, rows_W.to(log_q_BT.device())).to(at::kDouble).sum(1), at::kDouble);
    const TrajectoryBatch watched = heard.rollout.batch.Gather(rows_W);
    const std::vector<int64_t> actions = OnHost<int64_t>(watched.actions_BT, at::kLong);
    const std::vector<int64_t> lengths = OnHost<int64_t>(watched.lengths_B, at::kLong);
    for (int64_t row = 0; row < watched.size(); ++row) {
      const auto first = actions.begin() + row * watched.num_steps();
      Hear(watched.condition_ids[row], {{first, first + lengths[row]}, log_q_W[row], {}});
    }
  }
}

TrajectoryScores CheckedPolicy::Score(const TrajectoryBatch& batch, const ScoreOptions& options) const {
  const bool scores_again = options_.has_dropout && options.with_grad;
  ScoreOptions asked = options;
  if (policy_.Provides().Has(Need::kFingerprint) && !scores_again) asked.needs = options.needs | Need::kFingerprint;
  TrajectoryScores scores = policy_.Score(batch, asked);
  Compare(batch, options, scores);
  if (!options.needs.Has(Need::kFingerprint)) scores.fingerprint_BT = at::Tensor();
  return scores;
}

void CheckedPolicy::Compare(const TrajectoryBatch& batch, const ScoreOptions& options, const TrajectoryScores& scores) const {
  ReadHeard();
  if (said_.empty() || !scores.log_pf_BT.defined()) return;
  // Which of the rows were watched.
  const std::vector<int64_t> actions = OnHost<int64_t>(batch.actions_BT, at::kLong);
  const std::vector<int64_t> lengths = OnHost<int64_t>(batch.lengths_B, at::kLong);
  std::vector<int64_t> rows;
  std::vector<Said> said_of_row;
  for (int64_t row = 0; row < batch.size(); ++row) {
    const auto first = actions.begin() + row * batch.num_steps();
    const auto [begin, end] = said_.equal_range(batch.condition_ids[row]);
    for (auto it = begin; it != end;) {
      if (!std::equal(it->second.actions.begin(), it->second.actions.end(), first, first + lengths[row])) {
        ++it;
        continue;
      }
      rows.push_back(row);
      said_of_row.push_back(std::move(it->second));
      it = said_.erase(it);
    }
  }
  if (rows.empty()) return;
  TrajectoryBatch watched = batch;
  TrajectoryScores plain = scores;
  if (options_.has_dropout && options.with_grad) {
    const Needs fingerprints = policy_.Provides().Has(Need::kFingerprint) ? Need::kFingerprint : Needs();
    watched = batch.Gather(rows);
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int64_t>(i);
    plain = policy_.Score(watched, {.needs = fingerprints | Need::kLogPf, .with_grad = false});
  }
  const std::vector<double> log_pf = OnHost<double>(plain.log_pf_BT, at::kDouble);
  std::vector<int64_t> fingerprints;
  if (plain.fingerprint_BT.defined()) fingerprints = OnHost<int64_t>(plain.fingerprint_BT, at::kLong);
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t first = rows[i] * watched.num_steps();
    CompareRow(said_of_row[i], log_pf.data() + first, fingerprints.empty() ? nullptr : fingerprints.data() + first);
  }
}

void CheckedPolicy::CompareRow(const Said& said, const double* log_pf, const int64_t* fingerprints) const {
  ++drift_.num_compared;
  double scored = 0;
  for (size_t step = 0; step < said.actions.size(); ++step) {
    scored += log_pf[step];
    if (fingerprints == nullptr || said.fingerprints.empty() || fingerprints[step] == 0) continue;
    ++drift_.num_steps;
    if (fingerprints[step] != said.fingerprints[step]) ++drift_.num_unlike;
  }
  const double difference = std::abs(said.log_q - scored) / std::max(1.0, std::abs(scored));
  const double value = std::isfinite(difference) ? difference : std::numeric_limits<double>::infinity();
  if (value < drift_.value) return;
  drift_.value = value;
  drift_.sampled = said.log_q;
  drift_.scored = scored;
}

CheckedPolicy::Drift CheckedPolicy::TakeDrift() const {
  ReadHeard();
  said_.clear();
  return std::exchange(drift_, {});
}

StatusOr<StepMetrics> CheckedLoop::Step() {
  ASSIGN_OR_RETURN(StepMetrics metrics, loop_.Step());
  const CheckedPolicy::Drift drift = policy_.TakeDrift();
  const std::string where = "step " + std::to_string(loop_.num_steps()) + ": ";
  if (drift.num_compared == 0) {
    if (drift.num_sampled == 0) return metrics;  // a step that samples nothing
    return Internal(where + "of the " + std::to_string(drift.num_sampled) +
                    " sampled trajectories that were watched none was scored as it was sampled, so that nothing says that "
                    "sampler and scorer agree");
  }
  metrics.Set("sampler_drift", drift.value);
  if (drift.value <= max_drift_ && drift.num_unlike == 0) return metrics;
  std::string found = "while sampling log q was " + FormatShort(drift.sampled) + ", scored it is " + FormatShort(drift.scored) +
                      ", a drift of " + FormatShort(drift.value) + " where at most " + FormatShort(max_drift_) + " is rounding";
  if (drift.num_unlike > 0) {
    found += "; at " + std::to_string(drift.num_unlike) + " of " + std::to_string(drift.num_steps) +
             " actions they were computed from other hidden states, which here are the same bit for bit";
  }
  return Internal(where + "the sampler and the scorer disagree: " + found +
                  ". They do not read the same adapter or the same masks; `gfn doctor` tells more");
}

}  // namespace gfn
