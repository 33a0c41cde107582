#include "gflownet/estimate/entropy.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/core/backward_rollout.h"
#include "gflownet/core/rollout.h"

namespace gfn {
namespace {

at::Tensor Normalised(const at::Tensor& log_p_X) {
  const at::Tensor log_p = log_p_X.to(at::kDouble);
  return log_p - log_p.logsumexp(0);
}

// Numbers 0 .. K-1 of the distinct values.
at::Tensor Dense(const at::Tensor& part_X) { return std::get<1>(at::_unique2(part_X, true, true)).to(at::kLong); }

// One number for each pair of values.
at::Tensor Pair(const at::Tensor& a_X, const at::Tensor& b_X) {
  const at::Tensor b = Dense(b_X);
  return Dense(a_X) * (b.max().item<int64_t>() + 1) + b;
}

// The backward policy that stays below a state: parents below it alike, and once there any way on.
class BelowPolicy : public Policy {
 public:
  BelowPolicy(const Environment& environment, const BelowFunction& below) : environment_(environment), below_(below) {}
  Needs Provides() const override { return {}; }
  std::unique_ptr<RolloutSession> StartRollout(const std::vector<ConditionId>&) const override { return nullptr; }
  TrajectoryScores Score(const TrajectoryBatch&, const ScoreOptions&) const override { return {}; }
  at::Tensor BackwardLogits(const State& state) const override {
    const at::Tensor below_BA = ParentsBelow(environment_, state, below_);
    const at::Tensor allowed_BA = below_BA.logical_or(below_BA.any(1, true).logical_not());
    return at::zeros(below_BA.sizes(), at::kDouble).masked_fill(allowed_BA.logical_not(), -INFINITY);
  }

 private:
  const Environment& environment_;
  const BelowFunction& below_;
};

// log P_F - log P_B, from the start on, of one new way to each object. float64 [B]
StatusOr<at::Tensor> DrawWays(const Sampler& sampler, const State& objects, const BackwardDraws& draws, uint64_t number) {
  const Environment& environment = *sampler.environment;
  std::vector<uint64_t> streams(objects.batch_size());
  for (size_t i = 0; i < streams.size(); ++i) streams[i] = number * streams.size() + i;
  const BelowPolicy below(environment, draws.below);
  const Policy& back_policy = draws.num_given > 0 ? static_cast<const Policy&>(below) : *sampler.policy;
  ASSIGN_OR_RETURN(
      const TrajectoryBatch ways,
      BackwardRollout(environment, back_policy, objects, Repeat(sampler.condition, objects.batch_size()), streams, draws.key));
  const StepSums sums = SumsAfter(sampler, ways, draws.num_given);
  return sums.log_pf_B - (draws.num_given > 0 ? LogPbBelow(environment, ways, draws.num_given, draws.below) : sums.log_pb_B);
}

// Entropy by counting, Miller-Madow corrected, and the count of each value.
double CountedEntropy(const std::map<std::pair<int64_t, int64_t>, int64_t>& counts, double num) {
  double entropy = static_cast<double>(counts.size() - 1) / (2 * num);
  for (const auto& [value, count] : counts) {
    const double p = static_cast<double>(count) / num;
    entropy -= p * std::log(p);
  }
  return entropy;
}

}  // namespace

double ExactEntropy(const at::Tensor& log_p_X) {
  const at::Tensor log_p = Normalised(log_p_X), p = log_p.exp();
  return -at::where(p.gt(0), p * log_p, at::zeros_like(p)).sum().item<double>();
}

at::Tensor LogMarginal(const at::Tensor& log_p_X, const at::Tensor& part_X) {
  GFN_CHECK_EQ(log_p_X.numel(), part_X.numel());
  const at::Tensor part = Dense(part_X);
  return at::zeros({part.max().item<int64_t>() + 1}, at::kDouble).index_add(0, part, Normalised(log_p_X).exp()).log();
}

double ExactMutualInformation(const at::Tensor& log_p_X, const at::Tensor& a_X, const at::Tensor& b_X) {
  return ExactEntropy(LogMarginal(log_p_X, a_X)) + ExactEntropy(LogMarginal(log_p_X, b_X)) -
         ExactEntropy(LogMarginal(log_p_X, Pair(a_X, b_X)));
}

StatusOr<LogMarginalBounds> BoundLogMarginal(const Sampler& sampler, const SamplesFrom& samples, const BackwardDraws& draws) {
  if (sampler.environment->Spec().is_tree) return LogMarginalBounds{samples.log_pf_B, samples.log_pf_B};
  GFN_CHECK(draws.num_backward >= 1 && (draws.num_given == 0 || draws.below));
  const at::NoGradGuard no_grad;
  const State objects = FinalStates(*sampler.environment, samples.batch);
  std::vector<at::Tensor> ratios;
  for (int64_t k = 0; k < draws.num_backward; ++k) {
    ASSIGN_OR_RETURN(at::Tensor log_ratio_B, DrawWays(sampler, objects, draws, static_cast<uint64_t>(k)));
    ratios.push_back(std::move(log_ratio_B));
  }
  const at::Tensor lower_B = at::stack(ratios, 1).logsumexp(1) - std::log(static_cast<double>(draws.num_backward));
  const at::Tensor own_pb_B =
      draws.num_given > 0 ? LogPbBelow(*sampler.environment, samples.batch, draws.num_given, draws.below) : samples.log_pb_B;
  ratios.push_back(samples.log_pf_B - own_pb_B);
  return LogMarginalBounds{lower_B, at::stack(ratios, 1).logsumexp(1) - std::log(static_cast<double>(draws.num_backward + 1))};
}

StatusOr<EntropyEstimate> EstimateEntropy(const Sampler& sampler, const std::vector<int64_t>& path, const BelowFunction& below,
                                          int64_t num_backward, const EstimateOptions& options) {
  ASSIGN_OR_RETURN(const SamplesFrom samples, SampleFrom(sampler, path, options));
  const BackwardDraws draws{.num_given = static_cast<int64_t>(path.size()),
                            .below = below,
                            .num_backward = num_backward,
                            .key = {options.key.seed, RngPurpose::kBackward, options.key.step}};
  ASSIGN_OR_RETURN(const LogMarginalBounds bounds, BoundLogMarginal(sampler, samples, draws));
  return EntropyEstimate{TInterval(ToDoubles(-bounds.upper_B), options.confidence),
                         TInterval(ToDoubles(-bounds.lower_B), options.confidence)};
}

Interval EstimateMutualInformation(const std::vector<int64_t>& a_B, const std::vector<int64_t>& b_B, double confidence) {
  GFN_CHECK(a_B.size() == b_B.size() && a_B.size() >= 2);
  const double num = static_cast<double>(a_B.size());
  std::map<std::pair<int64_t, int64_t>, int64_t> a, b, both;
  for (size_t i = 0; i < a_B.size(); ++i) {
    ++a[{a_B[i], 0}];
    ++b[{b_B[i], 0}];
    ++both[{a_B[i], b_B[i]}];
  }
  std::vector<double> pointwise;
  for (size_t i = 0; i < a_B.size(); ++i) {
    const double joint = static_cast<double>(both[{a_B[i], b_B[i]}]) * num;
    pointwise.push_back(std::log(joint / (static_cast<double>(a[{a_B[i], 0}]) * static_cast<double>(b[{b_B[i], 0}]))));
  }
  Interval interval = TInterval(pointwise, confidence);
  const double corrected = CountedEntropy(a, num) + CountedEntropy(b, num) - CountedEntropy(both, num);
  // Near independence the first-order variance vanishes, and what is left is that of a chi-square variable over 2 n.
  const double degrees = static_cast<double>((a.size() - 1) * (b.size() - 1));
  const double quantile = StudentTQuantile(num - 1, 0.5 + confidence / 2);
  const double half = std::hypot((interval.high - interval.low) / 2, quantile * std::sqrt(degrees / 2) / num);
  return {.mean = corrected, .low = corrected - half, .high = corrected + half, .num_values = interval.num_values};
}

StatusOr<Interval> EstimateConditionInformation(const Sampler& sampler, const std::vector<ConditionId>& conditions,
                                                const EstimateOptions& options) {
  const EnvironmentSpec& spec = sampler.environment->Spec();
  if (!spec.is_tree) return InvalidArgument(spec.name + " is not a tree: log q(x | condition) is not one score");
  GFN_CHECK(!conditions.empty());
  std::vector<double> values;
  for (size_t c = 0; c < conditions.size(); ++c) {
    Sampler of_condition = sampler;
    of_condition.condition = conditions[c];
    EstimateOptions own = options;
    own.key.step = options.key.step + c;
    ASSIGN_OR_RETURN(const SamplesFrom samples, SampleFrom(of_condition, {}, own));
    std::vector<at::Tensor> log_q;
    for (const ConditionId other : conditions) {
      TrajectoryBatch batch = samples.batch;
      batch.condition_ids = Repeat(other, batch.size());
      const TrajectoryScores scores = sampler.policy->Score(batch, {.needs = Need::kLogPf, .with_grad = false});
      log_q.push_back(scores.log_pf_BT.to(at::kCPU, at::kDouble).masked_fill(batch.StepMask().logical_not(), 0).sum(1));
    }
    const at::Tensor mixture_B = at::stack(log_q, 1).logsumexp(1) - std::log(static_cast<double>(conditions.size()));
    const std::vector<double> gain = ToDoubles(log_q[c] - mixture_B);
    values.insert(values.end(), gain.begin(), gain.end());
  }
  return TInterval(values, options.confidence);
}

StatusOr<RewardValue> EntropyReward::LogReward(const TrajectoryBatch& batch) const {
  ASSIGN_OR_RETURN(RewardValue value, reward_.LogReward(batch));
  const at::Tensor log_scaled_B = (value.log_reward_B.to(at::kCPU, at::kDouble) - log_c_) / temperature_;
  const double largest = log_scaled_B.max().item<double>();
  if (!(largest < 0)) {
    return InvalidArgument("entropy reward: log R is " + FormatReal(largest * temperature_ + log_c_) +
                           ", expected less than log c = " + FormatReal(log_c_) + ": give a larger c");
  }
  value.log_reward_B = log_scaled_B + log_scaled_B.neg().log();
  return value;
}

std::string EntropyReward::Digest() const {
  return "-R log R at log c " + FormatReal(log_c_) + ", T " + FormatReal(temperature_) + " of " + reward_.Digest();
}

Interval EntropyFromTotals(const Interval& log_z_scaled, const Interval& log_z_ent) {
  const double ratio = std::exp(log_z_ent.mean - log_z_scaled.mean);
  // d H = (1 - ratio) d log Z' + ratio d log Z_ent, the two being independent.
  const double half_z = (log_z_scaled.high - log_z_scaled.low) / 2, half_ent = (log_z_ent.high - log_z_ent.low) / 2;
  const double half = std::hypot((1 - ratio) * half_z, ratio * half_ent), entropy = log_z_scaled.mean + ratio;
  return {.mean = entropy,
          .low = entropy - half,
          .high = entropy + half,
          .num_values = std::min(log_z_scaled.num_values, log_z_ent.num_values)};
}

}  // namespace gfn
