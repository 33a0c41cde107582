#include "gflownet/estimate/supersets.h"

#include <algorithm>
#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/core/rollout.h"

namespace gfn {

StatusOr<MarginalEstimate> EstimateMarginal(const Sampler& sampler, const std::vector<int64_t>& path, const BelowFunction& below,
                                            const EstimateOptions& options) {
  EstimateOptions half = options;
  half.num_samples = std::max<int64_t>(2, options.num_samples / 2);
  ASSIGN_OR_RETURN(const SamplesFrom samples, SampleFrom(sampler, {}, half));
  const std::vector<double> is_below = ToDoubles(below(FinalStates(*sampler.environment, samples.batch)));
  const std::vector<double> log_w = LogWeights(samples, samples.log_pb_B, sampler.temperature);
  half.key.step = options.key.step + 1;  // other draws than those above
  ASSIGN_OR_RETURN(const SamplesFrom from_state, SampleFrom(sampler, path, half));
  const LogZEstimate log_sum = LogSumBelowOf(sampler, from_state, static_cast<int64_t>(path.size()), below, options.confidence);
  const Interval log_z = LogMeanWeight(log_w, options.confidence);

  MarginalEstimate estimate;
  const int64_t num_below = std::count(is_below.begin(), is_below.end(), 1.0);
  estimate.counted = ShareInterval(num_below, static_cast<int64_t>(is_below.size()), options.confidence);
  estimate.weighted = WeightedMean(is_below, log_w, options.confidence);
  // The two logarithms are independent.
  const double log_ratio = log_sum.log_z.mean - log_z.mean;
  const double spread = std::hypot((log_sum.log_z.high - log_sum.log_z.low) / 2, (log_z.high - log_z.low) / 2);
  estimate.by_flow = {.mean = std::exp(log_ratio),
                      .low = std::exp(log_ratio - spread),
                      .high = std::exp(log_ratio + spread),
                      .num_values = half.num_samples};
  estimate.ess = log_sum.ess;
  estimate.distinct = CountDistinct(*sampler.environment, from_state.batch);
  estimate.ess_weighted = EffectiveSampleSize(log_w);
  estimate.distinct_weighted = CountDistinct(*sampler.environment, samples.batch);
  return estimate;
}

StatusOr<ObjectsBelow> SampleBelow(const Sampler& sampler, const std::vector<int64_t>& path, const BelowFunction& below,
                                   int64_t num, const EstimateOptions& options) {
  GFN_CHECK_GE(num, 1);
  ASSIGN_OR_RETURN(const SamplesFrom samples, SampleFrom(sampler, path, options));
  const at::Tensor log_pb_B = LogPbBelow(*sampler.environment, samples.batch, static_cast<int64_t>(path.size()), below);
  const std::vector<double> log_w = LogWeights(samples, log_pb_B, sampler.temperature);
  const double largest = *std::max_element(log_w.begin(), log_w.end());
  std::vector<double> cumulative;
  double sum = 0;
  for (const double value : log_w) cumulative.push_back(sum += std::exp(value - largest));
  std::vector<int64_t> rows;
  const RngKey key{options.key.seed, RngPurpose::kSample, options.key.step};
  for (int64_t i = 0; i < num; ++i) {
    const double u = Uniform(key, static_cast<uint64_t>(i), 0) * sum;
    const auto place = std::upper_bound(cumulative.begin(), cumulative.end(), u);
    rows.push_back(std::min<int64_t>(place - cumulative.begin(), static_cast<int64_t>(log_w.size()) - 1));
  }
  return ObjectsBelow{samples.batch.Gather(rows), EffectiveSampleSize(log_w)};
}

}  // namespace gfn
