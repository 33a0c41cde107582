#include "gflownet/estimate/coverage.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/core/backward_rollout.h"
#include "gflownet/core/rollout.h"

namespace gfn {
namespace {

// Shares of unseen mass below this are left to the interval.
constexpr double kUnseenShare = 0.02;

// Every legal action alike, whatever the sampler has learned.
class UniformPolicy : public Policy {
 public:
  explicit UniformPolicy(int64_t num_actions) : num_actions_(num_actions) {}
  Needs Provides() const override { return {}; }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>&) const override {
    return std::make_unique<Session>(num_actions_);
  }
  TrajectoryScores Score(const TrajectoryBatch&, const ScoreOptions&) const override { return {}; }

 private:
  class Session : public RolloutSession {
   public:
    explicit Session(int64_t num_actions) : num_actions_(num_actions) {}
    at::Tensor Logits(const State& state) override { return at::zeros({state.batch_size(), num_actions_}, at::kFloat); }
    void Advance(const at::Tensor&) override {}
    void Keep(const at::Tensor&) override {}

   private:
    int64_t num_actions_;
  };
  int64_t num_actions_;
};

// Where the chains stand. log_mass_B: log R / T + log P_B of the steps from the state on; log_uniform_BT: log of the uniform
// policy's probability of each step, 0 in padding, T being the world's largest number of steps.
struct Chains {
  TrajectoryBatch batch;
  at::Tensor log_mass_B, log_uniform_BT;

  Chains Gather(const std::vector<int64_t>& rows) const {
    const at::Tensor rows_N = at::tensor(rows, at::kLong);
    return {batch.Gather(rows), log_mass_B.index_select(0, rows_N), log_uniform_BT.index_select(0, rows_N)};
  }
  static Chains Concatenate(const Chains& a, const Chains& b) {
    return {gfn::Concatenate({a.batch, b.batch}), at::cat({a.log_mass_B, b.log_mass_B}),
            at::cat({a.log_uniform_BT, b.log_uniform_BT})};
  }
};

class Search {
 public:
  Search(const Sampler& sampler, const std::vector<int64_t>& path, const BelowFunction& below, const CoverageOptions& options)
      : sampler_(sampler),
        environment_(*sampler.environment),
        path_(path),
        below_(below),
        options_(options),
        uniform_(environment_.Spec().num_actions),
        // Trajectories of one object share its mass by P_B unless they are all of them.
        counts_objects_(path.empty() || below || environment_.Spec().is_tree) {}

  StatusOr<Coverage> Run(const SamplesFrom& samples) {
    const at::Tensor log_pb_B = below_ ? LogPb(samples.batch) : samples.log_pb_B;
    const std::vector<double> log_w = LogWeights(samples, log_pb_B, sampler_.temperature);
    Know(samples.batch, samples.batch.log_reward_B / sampler_.temperature + log_pb_B);
    ASSIGN_OR_RETURN(Chains chains, Start(samples.batch));
    for (int64_t move = 0; move < options_.num_moves; ++move) {
      if (path_.empty() && !environment_.Spec().is_tree) {
        ASSIGN_OR_RETURN(chains, Redrawn(chains, move));
      }
      ASSIGN_OR_RETURN(chains, Moved(chains, move));
    }
    const StepSums sums = SumsAfter(sampler_, chains.batch, NumGiven());
    const std::vector<double> found = ToDoubles(chains.log_mass_B - sums.log_pf_B);
    const double limit = *std::max_element(log_w.begin(), log_w.end()) + 1;
    const int64_t unseen = std::count_if(found.begin(), found.end(), [&](double value) { return value > limit; });
    Coverage coverage;
    coverage.reverse = TInterval(found, options_.confidence);
    coverage.unseen = ShareInterval(unseen, static_cast<int64_t>(found.size()), options_.confidence);
    coverage.num_samples = samples.batch.size();
    coverage.num_known = static_cast<int64_t>(known_.size());
    std::vector<double> masses;
    for (const auto& [key, log_mass] : known_) masses.push_back(log_mass);
    std::sort(masses.begin(), masses.end());  // one order, whatever the table's
    coverage.log_known = at::tensor(masses, at::kDouble).logsumexp(0).item<double>();
    return coverage;
  }

 private:
  int64_t NumGiven() const { return static_cast<int64_t>(path_.size()); }
  // Draws of one move, each purpose at a seed of its own.
  RngKey KeyOf(RngPurpose purpose, int64_t move) const {
    return {MixBits(options_.key.seed + static_cast<uint64_t>(move) + 1), purpose, options_.key.step};
  }

  at::Tensor LogPb(const TrajectoryBatch& batch) const {
    if (environment_.Spec().is_tree) return at::zeros({batch.size()}, at::kDouble);
    if (below_) return LogPbBelow(environment_, batch, NumGiven(), below_);
    const TrajectoryScores scores = sampler_.policy->Score(batch, {.needs = Need::kLogPb, .with_grad = false});
    return scores.log_pb_BT.to(at::kCPU, at::kDouble).masked_fill(batch.StepMask().logical_not(), 0).slice(1, NumGiven()).sum(1);
  }

  at::Tensor LogUniform(const TrajectoryBatch& batch) const {
    const std::vector<State> states = Unroll(environment_, batch);
    const at::Tensor log_BT = at::zeros({batch.size(), environment_.Spec().max_steps}, at::kDouble);
    for (int64_t step = 0; step < batch.num_steps(); ++step) {
      log_BT.select(1, step).copy_(
          environment_.ForwardSupport(states[step]).CountLegal().clamp_min(1).to(at::kDouble).log().neg());
    }
    return log_BT;
  }

  // Every object is counted once, however often it is seen.
  void Know(const TrajectoryBatch& batch, const at::Tensor& log_mass_B) {
    std::vector<std::string> keys;
    if (counts_objects_) {
      keys = FinalStates(environment_, batch).RowKeys();
    } else {
      for (int64_t row = 0; row < batch.size(); ++row) {
        const int64_t length = batch.lengths_B.const_data_ptr<int64_t>()[row];
        const int64_t* actions = batch.actions_BT.const_data_ptr<int64_t>() + row * batch.num_steps();
        keys.emplace_back(reinterpret_cast<const char*>(actions), static_cast<size_t>(length) * sizeof(int64_t));
      }
    }
    const std::vector<double> values = ToDoubles(counts_objects_ ? batch.log_reward_B / sampler_.temperature : log_mass_B);
    for (size_t row = 0; row < keys.size(); ++row) known_.emplace(std::move(keys[row]), values[row]);
  }

  StatusOr<Chains> Weighed(TrajectoryBatch batch) {
    RETURN_IF_ERROR(EvaluateReward(*sampler_.reward, batch));
    at::Tensor log_mass_B = batch.log_reward_B / sampler_.temperature + LogPb(batch);
    Know(batch, log_mass_B);
    at::Tensor log_uniform_BT = LogUniform(batch);
    return Chains{std::move(batch), std::move(log_mass_B), std::move(log_uniform_BT)};
  }

  StatusOr<Chains> Start(const TrajectoryBatch& samples) {
    const int64_t from_samples = std::min(samples.size(), options_.num_chains / 2);
    std::vector<int64_t> rows(static_cast<size_t>(from_samples));
    for (int64_t i = 0; i < from_samples; ++i) rows[static_cast<size_t>(i)] = i * samples.size() / from_samples;
    std::vector<RolloutRow> uniform = RolloutRows({sampler_.condition}, options_.num_chains - from_samples);
    for (RolloutRow& row : uniform) row.prefix = path_;
    ASSIGN_OR_RETURN(const TrajectoryBatch fresh, Rollout(environment_, uniform_, uniform, KeyOf(RngPurpose::kRollout, -1)));
    TrajectoryBatch some = samples.Gather(rows);
    some.log_reward_B = at::Tensor();
    return Weighed(Concatenate({std::move(some), fresh}));
  }

  // The same objects, by other ways: P_B leaves the target's trajectories as they are distributed.
  StatusOr<Chains> Redrawn(const Chains& chains, int64_t move) {
    std::vector<uint64_t> streams(static_cast<size_t>(chains.batch.size()));
    std::iota(streams.begin(), streams.end(), uint64_t{0});
    ASSIGN_OR_RETURN(TrajectoryBatch batch,
                     BackwardRollout(environment_, *sampler_.policy, FinalStates(environment_, chains.batch),
                                     chains.batch.condition_ids, streams, KeyOf(RngPurpose::kBackward, move)));
    batch.log_reward_B = chains.batch.log_reward_B;
    at::Tensor log_mass_B = batch.log_reward_B / sampler_.temperature + LogPb(batch), log_uniform_BT = LogUniform(batch);
    return Chains{std::move(batch), std::move(log_mass_B), std::move(log_uniform_BT)};
  }

  // log of the probability that `undone` of `num` steps are taken back.
  static double LogChoice(int64_t undone, int64_t num) {
    double sum = 0;
    for (int64_t u = 1; u <= num; ++u) sum += 1.0 / static_cast<double>(u);
    return -std::log(static_cast<double>(undone) * sum);
  }
  static int64_t DrawUndone(int64_t num, double uniform) {
    double sum = 0;
    for (int64_t u = 1; u <= num; ++u) sum += 1.0 / static_cast<double>(u);
    for (int64_t u = 1; u < num; ++u) {
      uniform -= 1.0 / (static_cast<double>(u) * sum);
      if (uniform < 0) return u;
    }
    return num;
  }

  StatusOr<Chains> Moved(const Chains& chains, int64_t move) {
    const RngKey choices = KeyOf(RngPurpose::kBehaviour, move);
    const int64_t* lengths = chains.batch.lengths_B.const_data_ptr<int64_t>();
    std::vector<int64_t> kept;
    std::vector<RolloutRow> rows;
    for (int64_t row = 0; row < chains.batch.size(); ++row) {
      const uint64_t stream = static_cast<uint64_t>(row);
      kept.push_back(lengths[row] - DrawUndone(lengths[row] - NumGiven(), Uniform(choices, stream, 0)));
      const int64_t* actions = chains.batch.actions_BT.const_data_ptr<int64_t>() + row * chains.batch.num_steps();
      rows.push_back({sampler_.condition, stream, {}, {actions, actions + kept.back()}});
    }
    ASSIGN_OR_RETURN(TrajectoryBatch batch, Rollout(environment_, uniform_, rows, KeyOf(RngPurpose::kRollout, move)));
    ASSIGN_OR_RETURN(const Chains proposed, Weighed(std::move(batch)));
    const int64_t* new_lengths = proposed.batch.lengths_B.const_data_ptr<int64_t>();
    std::vector<int64_t> chosen;  // of the chains, then of the proposals
    for (int64_t row = 0; row < chains.batch.size(); ++row) {
      auto value_of = [&](const Chains& some, int64_t length) {
        return some.log_mass_B[row].item<double>() + LogChoice(length - kept[row], length - NumGiven()) -
               some.log_uniform_BT[row].slice(0, kept[row], length).sum().item<double>();
      };
      const double log_ratio = value_of(proposed, new_lengths[row]) - value_of(chains, lengths[row]);
      chosen.push_back(std::log(UniformOpen(choices, static_cast<uint64_t>(row), 1)) < log_ratio ? chains.batch.size() + row
                                                                                                 : row);
    }
    return Chains::Concatenate(chains, proposed).Gather(chosen);
  }

  const Sampler& sampler_;
  const Environment& environment_;
  const std::vector<int64_t>& path_;
  const BelowFunction& below_;
  const CoverageOptions& options_;
  UniformPolicy uniform_;
  bool counts_objects_;
  std::unordered_map<std::string, double> known_;  // log of what each adds
};

}  // namespace

StatusOr<Coverage> CheckCoverage(const Sampler& sampler, const std::vector<int64_t>& path, const BelowFunction& below,
                                 const SamplesFrom& samples, const CoverageOptions& options) {
  GFN_CHECK(options.num_chains >= 2 && options.num_moves >= 0);
  const at::NoGradGuard no_grad;
  return Search(sampler, path, below, options).Run(samples);
}

std::vector<std::string> Disagreements(const Coverage& coverage, const Interval& estimate) {
  std::vector<std::string> found;
  if (coverage.log_known > estimate.high + 1e-6 * std::max(1.0, std::abs(estimate.high))) {
    found.push_back("the " + std::to_string(coverage.num_known) + " distinct ones that were seen sum to " +
                    FormatShort(coverage.log_known) +
                    " already (log), which is above the interval: the sampler does not draw them");
  }
  const double gap = coverage.reverse.mean - estimate.mean, reach = std::log(static_cast<double>(coverage.num_samples));
  if (gap > reach) {
    found.push_back("forward and backward disagree: log w is " + FormatShort(coverage.reverse.mean) +
                    " in the mean over trajectories found without the sampler, " + FormatShort(gap) +
                    " nats above the estimate; " + std::to_string(coverage.num_samples) + " samples bridge " +
                    FormatShort(reach) + ", so take it for a bound from below at best");
  }
  if (coverage.unseen.low > kUnseenShare && -std::log1p(-coverage.unseen.low) > estimate.high - estimate.mean) {
    found.push_back(
        FormatShort(100 * coverage.unseen.mean) +
        " % of the trajectories found without the sampler weigh more than e times its heaviest sample: it hardly draws "
        "them, and the estimate misses their mass");
  }
  return found;
}

}  // namespace gfn
