#include "gflownet/env/sampler_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <unordered_set>

#include "gflownet/base/check.h"
#include "gflownet/core/rollout.h"

namespace gfn {
double Correlation(const at::Tensor& x_B, const at::Tensor& y_B) {
  const at::Tensor dx_B = x_B.to(at::kDouble) - x_B.to(at::kDouble).mean(),
                   dy_B = y_B.to(at::kDouble) - y_B.to(at::kDouble).mean();
  const double xx = dx_B.square().sum().item<double>(), yy = dy_B.square().sum().item<double>();
  // Rounding alone makes a constant vary: 1e-12 of the size of the numbers is none.
  const auto is_constant = [](double squares, const at::Tensor& values) {
    return squares <= 1e-24 * std::max(1.0, values.to(at::kDouble).square().sum().item<double>());
  };
  if (is_constant(xx, x_B) || is_constant(yy, y_B)) return std::numeric_limits<double>::quiet_NaN();
  return (dx_B * dy_B).sum().item<double>() / std::sqrt(xx * yy);
}

CalibrationError MeasureCalibration(const at::Tensor& log_q_X, const at::Tensor& log_reward_X, double temperature) {
  GFN_CHECK_EQ(log_q_X.numel(), log_reward_X.numel());
  const at::Tensor known_N = log_q_X.isfinite().logical_and(log_reward_X.isfinite()).nonzero().squeeze(1);
  const at::Tensor log_q_N = log_q_X.to(at::kDouble).index_select(0, known_N);
  const at::Tensor log_r_N = log_reward_X.to(at::kDouble).index_select(0, known_N) / temperature;
  const at::Tensor mass_N = (log_q_N - log_q_N.logsumexp(0)).exp(), ratio_N = log_r_N - log_q_N;
  const at::Tensor mean = (mass_N * ratio_N).sum();
  return {Correlation(log_q_N, log_r_N), (mass_N * (ratio_N - mean).square()).sum().item<double>()};
}

at::Tensor ScoredSamples::LogWeights(double temperature) const { return batch.log_reward_B / temperature + log_pb_B - log_pf_B; }

StatusOr<ScoredSamples> ScoreSamples(const Environment& environment, const Policy& policy, const Reward& reward,
                                     TrajectoryBatch batch) {
  const at::NoGradGuard no_grad;
  const bool is_tree = environment.Spec().is_tree;
  RETURN_IF_ERROR(EvaluateReward(reward, batch));
  const Needs needs = is_tree ? Needs(Need::kLogPf) : Need::kLogPf | Need::kLogPb;
  const TrajectoryScores scores =
      policy.Score(batch, {.needs = needs, .with_grad = false, .dropout_key = {}, .dropout_streams_B = {}});
  const at::Tensor log_pf_B = scores.log_pf_BT.to(at::kCPU, at::kDouble).sum(1);
  const at::Tensor log_pb_B = is_tree ? at::zeros_like(log_pf_B) : scores.log_pb_BT.to(at::kCPU, at::kDouble).sum(1);
  return ScoredSamples{std::move(batch), log_pf_B, log_pb_B};
}

StatusOr<ScoredSamples> DrawSamples(const Environment& environment, const Policy& policy, const Reward& reward,
                                    ConditionId condition, int64_t num, const RngKey& key, const Exploration& exploration,
                                    int64_t rows_at_a_time, const std::function<bool()>& stop_requested) {
  GFN_CHECK(num >= 1 && rows_at_a_time >= 1);
  const at::NoGradGuard no_grad;
  std::vector<TrajectoryBatch> batches;
  std::vector<at::Tensor> log_pf, log_pb;
  for (int64_t first = 0; first < num; first += rows_at_a_time) {
    if (stop_requested && stop_requested()) return Cancelled("stopped while samples were drawn");
    const int64_t rows = std::min(rows_at_a_time, num - first);
    ASSIGN_OR_RETURN(
        TrajectoryBatch batch,
        Rollout(environment, policy, RolloutRows({condition}, rows, exploration, static_cast<uint64_t>(first)), key));
    ASSIGN_OR_RETURN(ScoredSamples part, ScoreSamples(environment, policy, reward, std::move(batch)));
    log_pf.push_back(part.log_pf_B);
    log_pb.push_back(part.log_pb_B);
    batches.push_back(std::move(part.batch));
  }
  return ScoredSamples{Concatenate(batches), at::cat(log_pf), at::cat(log_pb)};
}

SampledError MeasureSamples(const ScoredSamples& samples, double temperature) {
  const at::Tensor a_B = samples.LogWeights(temperature);
  const int64_t num = a_B.numel();
  SampledError error;
  error.elbo = a_B.mean().item<double>();
  error.iw_bound = a_B.logsumexp(0).item<double>() - std::log(static_cast<double>(num));
  error.ess = (2 * a_B.logsumexp(0) - (2 * a_B).logsumexp(0)).exp().item<double>();
  error.spread = num > 1 ? a_B.std().item<double>() : 0;
  error.length = samples.batch.lengths_B.to(at::kDouble).mean().item<double>();
  error.log_reward = samples.batch.log_reward_B.mean().item<double>();
  error.correlation = Correlation(samples.log_pf_B - samples.log_pb_B, samples.batch.log_reward_B);
  return error;
}

TopObjects MeasureTop(const State& objects, const at::Tensor& log_reward_B, int64_t top_k,
                      const std::function<at::Tensor(const State&)>& features) {
  const std::vector<std::string> keys = objects.RowKeys();
  const at::Tensor rewards_B = log_reward_B.to(at::kDouble).contiguous();
  const double* reward = rewards_B.data_ptr<double>();
  std::vector<int64_t> order(static_cast<size_t>(objects.batch_size()));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return reward[a] > reward[b]; });
  std::unordered_set<std::string> seen;
  std::vector<int64_t> best;
  for (const int64_t row : order) {
    if (seen.insert(keys[static_cast<size_t>(row)]).second && static_cast<int64_t>(best.size()) < top_k) best.push_back(row);
  }
  TopObjects top;
  top.count = static_cast<int64_t>(seen.size());
  if (best.empty()) return top;
  const at::Tensor rows_K = at::tensor(best, at::kLong);
  top.log_reward = rewards_B.index_select(0, rows_K).mean().item<double>();
  const int64_t num = rows_K.numel();
  if (features && num > 1) {
    const at::Tensor features_KF = features(objects.Gather(rows_K)).to(at::kDouble);
    top.diversity = at::cdist(features_KF, features_KF, 1).sum().item<double>() / 2 / static_cast<double>(num * (num - 1));
  }
  return top;
}

}  // namespace gfn
