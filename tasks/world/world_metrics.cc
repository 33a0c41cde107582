#include "tasks/world/world_metrics.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "gflownet/core/rollout.h"

namespace gfn {
namespace {

// Adds to every metric of its name; the means follow.
class Means {
 public:
  explicit Means(size_t count) : count_(static_cast<double>(count)) {}
  void Add(const char* name, double value) {
    const double* before = metrics_.Find(name);
    metrics_.Set(name, (before != nullptr ? *before : 0) + value / count_);
  }
  const StepMetrics& metrics() const { return metrics_; }

 private:
  double count_;
  StepMetrics metrics_;
};

FrontResult CompareWithFront(const std::vector<Point>& points, const std::vector<Point>& true_front) {
  FrontResult result;
  result.found = ParetoFront(points);
  const Point origin(true_front[0].size(), 0.0);
  result.hypervolume = Hypervolume(result.found, origin) / Hypervolume(true_front, origin);
  result.distance = InvertedGenerationalDistance(result.found, true_front);
  return result;
}

}  // namespace

StatusOr<WorldMeasurement> MeasureWorld(const World& world, const std::vector<ExactTruth>& truth, const Policy& policy,
                                        const MeasureOptions& options) {
  const at::NoGradGuard no_grad;
  const double temperature = options.temperature;
  WorldMeasurement measurement;
  std::vector<Point> points;
  const size_t num_conditions = world.conditions.ids().size(), most = static_cast<size_t>(options.max_conditions);
  for (size_t i = 0; i < (most == 0 ? num_conditions : std::min(most, num_conditions)); ++i) {
    const ConditionId condition = world.conditions.ids()[i];
    if (options.stop_requested && options.stop_requested()) return Cancelled("stopped between two conditions");
    if (!truth.empty()) {
      ExactResult& result = measurement.exact.emplace_back();
      ASSIGN_OR_RETURN(result.log_q_X, truth[i].LearnedLogProbs(policy));
      result.log_reward_X = truth[i].log_reward_X();
      result.error = CompareWithTarget(result.log_q_X, result.log_reward_X, temperature);
      result.calibration = MeasureCalibration(result.log_q_X, result.log_reward_X, temperature);
    }
    SampledResult& result = measurement.sampled.emplace_back();
    ASSIGN_OR_RETURN(result.samples, DrawSamples(*world.environment, policy, *world.reward, condition, options.num_samples,
                                                 options.key, {}, options.batch_rows, options.stop_requested));
    result.error = MeasureSamples(result.samples, temperature);
    const State objects = FinalStates(*world.environment, result.samples.batch);
    result.top = MeasureTop(objects, result.samples.batch.log_reward_B, options.top_k, world.features);
    if (world.objectives) {
      const std::vector<Point> more = ToPoints(world.objectives(objects));
      points.insert(points.end(), more.begin(), more.end());
    }
    if (world.mode_of) {
      const at::Tensor modes_B = world.mode_of(objects).contiguous();
      std::set<int64_t> found(modes_B.data_ptr<int64_t>(), modes_B.data_ptr<int64_t>() + modes_B.numel());
      found.erase(-1);
      result.modes = static_cast<int64_t>(found.size());
    }
  }
  if (world.objectives) measurement.front = CompareWithFront(points, world.true_front);
  return measurement;
}

double LogZOf(const WorldMeasurement& measurement) {
  return measurement.exact.empty() ? measurement.sampled[0].error.iw_bound : measurement.exact[0].error.log_z;
}

StepMetrics ToMetrics(const WorldMeasurement& measurement) {
  Means means(measurement.sampled.size());
  for (const ExactResult& exact : measurement.exact) {
    means.Add("total_variation", exact.error.total_variation);
    means.Add("jensen_shannon", exact.error.jensen_shannon);
    // Probabilities in fp32 sum to 1 within rounding only, which may show as a KL below 0.
    means.Add("kl", std::max(0.0, exact.error.kl));
    means.Add("exact_log_z", exact.error.log_z);
    means.Add("correlation", exact.calibration.correlation);
    means.Add("log_ratio_variance", exact.calibration.variance);
  }
  for (const SampledResult& sampled : measurement.sampled) {
    means.Add("elbo", sampled.error.elbo);
    means.Add("iw_bound", sampled.error.iw_bound);
    means.Add("ess", sampled.error.ess);
    means.Add("spread", sampled.error.spread);
    if (measurement.exact.empty()) means.Add("correlation", sampled.error.correlation);
    means.Add("log_reward", sampled.error.log_reward);
    means.Add("length", sampled.error.length);
    means.Add("distinct", static_cast<double>(sampled.top.count));
    means.Add("top_log_reward", sampled.top.log_reward);
    means.Add("top_diversity", sampled.top.diversity);
    means.Add("modes", static_cast<double>(sampled.modes));
  }
  StepMetrics metrics = means.metrics();
  if (measurement.front.has_value()) {
    metrics.Set("hypervolume", measurement.front->hypervolume);
    metrics.Set("front_distance", measurement.front->distance);
  }
  return metrics;
}

}  // namespace gfn
